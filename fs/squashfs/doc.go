// Package squashfs reads squashfs 4.0, the compressed read-only filesystem of
// live media, snaps and appliances.
//
//	+------------+---------+--------+-------------+-----------+-----------+--------+-----+--------+
//	| superblock | options | blocks | inode table | directory | fragment  | export | ids | xattrs |
//	|  96 bytes  |         |  of    |             |   table   |   table   | table  |     |        |
//	|            |         | files  |             |           |           |        |     |        |
//	+------------+---------+--------+-------------+-----------+-----------+--------+-----+--------+
//
// All tables are of metadata blocks: two bytes of length and what 8 KiB are
// compressed to. A place in one is a reference: the offset of its metadata
// block, shifted by 16 bits, and the offset in what it holds. Files are blocks
// of one size; what remains at the end of a file may lie with that of others in
// a fragment. All numbers are little-endian.
//
// Everything is read: all inode types, sparse blocks, fragments, extended
// attributes in both forms, the index of large directories, and the compressors
// gzip, lzma, lzo, xz (with its filters), lz4 and zstd. The export table, which
// finds inodes by number for NFS, is not needed.
//
// Older versions, which had other structures, are named and refused.
//
// The source is the kernel's fs/squashfs/squashfs_fs.h and
// Documentation/filesystems/squashfs.rst.
package squashfs
