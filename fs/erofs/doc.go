// Package erofs reads EROFS, the read-only filesystem of Android, of container
// images and of newer live media.
//
//	| 1 KiB | superblock | device table | inodes, small tails, attributes, indexes … | blocks of files |
//
// An inode is found by its number alone: its offset from the start of the
// metadata, in slots of 32 bytes. Attributes follow it, then what its layout
// needs: the tail of a small file, the addresses of chunks, or the index of
// what is compressed. A directory is blocks of sorted names.
//
// Compressed files are cut into pieces of the plain size that the compressor
// chose, so that what they compress to fills whole blocks (physical clusters).
// The index has an entry for each logical cluster, mostly of 4 KiB: HEAD where
// a piece starts in it and NONHEAD where none does, with the distances to both.
// It comes with 8 bytes for each cluster, packed to 4 or 2, or as a list of
// extents. The end of a file may lie behind its index (ztailpacking) or in a
// file of fragments.
//
// Everything that Linux 6.18 and erofs-utils 1.9 make is read: all layouts of
// inodes and indexes; LZ4, MicroLZMA, DEFLATE and Zstandard; big physical
// clusters, interlaced, deduplicated and inline pieces; fragments; chunks on
// further devices ([Options]), of which merged images are found by their UUIDs; shared
// and long-named attributes; 48-bit addresses; compressed metadata (metabox). Unknown incompatible features are
// refused by their bits.
//
// The source is the kernel's fs/erofs/erofs_fs.h and
// Documentation/filesystems/erofs.rst.
package erofs
