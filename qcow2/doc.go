// Package qcow2 reads, writes, checks, repairs and resizes QEMU copy-on-write disk
// images, versions 2 and 3.
//
// A qcow2 file is a row of clusters of 512 bytes to 2 MiB. Two levels of tables
// map a guest offset to a host cluster:
//
//	guest offset   | L1 index | L2 index | offset in cluster |
//	                    |          |               |
//	header -> L1 table [...]       |               |
//	                    \-> L2 table [...]         |
//	                               \-> cluster [...data...]
//
//	file:  | header, extensions, | refcount | refcount | L1    | L2    | data    |
//	       | backing file name   | table    | blocks   | table | tables| clusters|
//
// An L2 entry says that its cluster is unallocated (it reads from the backing
// file, or as zeros where there is none), reads as zeros, is stored verbatim at
// a host offset, or is stored compressed. With extended L2 entries each cluster
// has 32 subclusters that are one of the first three on their own.
//
// The format is docs/interop/qcow2.txt in QEMU's source. All fields are
// big-endian.
//
// # What is read
//
// Versions 2 and 3, every cluster size, zlib and zstd clusters, extended L2
// entries, external data files, backing files of any format, internal
// snapshots (listed, and one of them opened instead of the active state), the
// list of persistent bitmaps, header extensions and feature names. Images
// encrypted by LUKS (method 2), and by the AES of old (method 1), are read with
// a key (Options.Unlock) and described without one.
//
// # What is refused
//
// Unknown incompatible features, by the name that the image's own feature table
// gives them; tables that are unaligned or leave the file, or are larger than
// [Limits] allows; a pointer to a host cluster that holds the image's own
// metadata; allocated clusters past the end of the file. Reserved bits in table
// entries are passed over, as QEMU does, and are a problem. A backing or data file is opened only through [Options].Opener, and a
// backing file whose format the image does not state only with
// [Options].BackingFormat, as that.
//
// # The end of the file
//
// A verbatim cluster must lie in the file as far as the guest can see it: a
// disk whose size is no multiple of the cluster may end its file with that
// disk's last sector, and a cluster with subclusters with the last one that is
// allocated. A compressed cluster may be cut anywhere in its last sector, so it
// must merely inflate. Everything else past the end is block.ErrTruncated.
package qcow2
