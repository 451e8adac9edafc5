// Package ntfs reads NTFS volumes, versions 1.2 to 3.1, without changing them.
//
//	boot sector      where the MFT is; sizes of clusters, records and index blocks
//	$MFT             a file of records; a record is a header and attributes
//	  attribute      resident: the value lies in the record
//	                 non-resident: mapping pairs (runs of clusters) lie there
//	  base record    has $STANDARD_INFORMATION, $FILE_NAME (one for each link),
//	                 $DATA, or $INDEX_ROOT for a directory; an $ATTRIBUTE_LIST
//	                 names the records that extend it
//	directory        a B-tree of $FILE_NAMEs: $INDEX_ROOT, $INDEX_ALLOCATION
//
// Every record, index block and log page is protected against torn writes by
// fixups: the last two bytes of each 512 are kept in its head.
//
// Microsoft has published no specification of the structures on disk; those
// of reparse points, security descriptors and compression are in [MS-FSCC],
// [MS-DTYP] and [MS-XCA].
//
// # What is read
//
// Sectors of 512 to 4,096 bytes, clusters of 512 bytes to 2 MiB, fragmented and
// sparse files, files compressed by LZNT1 or by the Windows Overlay Filter
// (XPRESS and LZX, "CompactOS"), alternate data streams, hard links, and
// symbolic links of Windows (with junctions), WSL and Interix. Damaged first
// records of the MFT are replaced by their copies in $MFTMirr.
//
// # What is not
//
// Content that is not on the volume or not readable without a key is refused
// by name: EFS ([block.ErrEncrypted]); WIMBoot, deduplicated files, cloud files
// that are not here, and reparse tags that are not known
// ([block.ErrUnsupported]). $LogFile is not replayed: if it was not closed, or
// Windows is hibernated, [vfs.FS.Problems] says so with [block.ErrDirty].
//
// # Names
//
// Names are UTF-16 and need not be valid. Raw names are their UTF-8, in which a
// surrogate without its partner takes the three bytes of its code point
// (WTF-8). Lookups follow the volume's $UpCase table; where names differ in
// case only, the exact one comes first. Names for DOS and the system files in
// the root are found and not listed.
//
// A colon in a path element that is not part of a name opens a stream:
// "file:Zone.Identifier". Streams of up to 64 KiB are extended attributes too,
// in the namespace "user.", as ntfs-3g shows them.
//
// # Modes and owners
//
// NTFS has neither: all permission bits are set, owner and group are 0. SIDs,
// file attributes, streams, DOS names and link targets as Windows wrote them
// are in [Native].
package ntfs
