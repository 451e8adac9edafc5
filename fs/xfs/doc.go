// Package xfs reads XFS filesystems, of version 4 and 5, without a kernel.
//
// # The disk
//
// A filesystem is a row of allocation groups of equal size, the last one
// shorter. All numbers are big-endian, but for checksums and log items.
//
//	AG 0                                AG 1
//	+----+-----+-----+------+---------+ +----+-----+-----+------+-----------+
//	| SB | AGF | AGI | AGFL | blocks… | | SB | AGF | AGI | AGFL | blocks…   |
//	+----+-----+-----+------+---------+ +----+-----+-----+------+-----------+
//	 one sector each          inodes, directories, data; in one AG the log
//
// An inode number holds its own address: group, block in the group and place
// in the block. An inode is a core of 100 (version 4) or 176 bytes and two
// forks, one for data and one for extended attributes, each of which lies in
// the inode (local), is a list of extents there, or has its root there of a
// btree of extents (bmbt).
//
//	core | data fork ........ | attribute fork ....
//	     0                    forkoff*8
//
// A directory lies in its inode (short form), in one block that has its own
// index (block form), or in data blocks with a hash index 32 GiB further on:
// one block (leaf) or a btree of them (node).
//
// The specification is "XFS Algorithms & Data Structures" of the XFS
// developers, and the names here are those of that book.
//
// # The log
//
// A filesystem that was not unmounted has changes in its log that are not yet
// in their place. [Open] finds the log's head and tail, checks the records, and
// lays buffers and inodes over the disk as the kernel's recovery would, by an
// index into the log: nothing is written, and nothing is copied but what is
// split over records. A log with something that is not understood is not
// replayed at all, and [block.ErrDirty] among the problems says why.
//
// Recovery also ends what was begun and not ended in several transactions. That
// is not done here. Where it matters for reading (a change of a file's map, of
// an attribute, an exchange of contents) a problem names the inode, which reads
// as it was between two of those transactions.
//
// # What is read
//
// Version 4 and 5; blocks of 512 bytes to 64 KiB, sectors up to 32 KiB,
// directory blocks up to 64 KiB, inodes of 256 to 2048 bytes; bigtime, large
// extent counters (nrext64), sparse inodes, reflink, parent pointers,
// exchange-range, case-insensitive ASCII names, a metadata UUID, a metadata
// directory (metadir); realtime files, of groups and of zones too, where the realtime
// device is given or is a part of the same one.
//
// Checksums, magic numbers, owners, addresses and UUIDs of version 5 metadata
// are verified before anything is believed.
//
// # What is not
//
// Directories of version 1 and superblocks before version 4 (IRIX), and any
// incompatible feature that is not known: [Open] refuses them by name. A realtime
// device from before realtime groups has nothing that tells whose it is: it is read
// where [Options] name it.
package xfs
