// Package ext4 reads ext2, ext3 and ext4.
//
// The disk is a row of block groups of equal size. Each has bitmaps and a table
// of inodes, which the group's descriptor points to; the superblock lies 1024
// bytes from the start, and descriptors follow it:
//
//	|      group 0                                  | group 1 …
//	| boot | super- | group       | bitmaps | inode | data
//	| 1 KiB| block  | descriptors |         | table |
//
//	directory entry -> inode number -> group descriptor -> inode
//	                                                         |
//	          extent tree or block map, or the data itself <-+
//
// The numbers are little-endian, those of the journal big-endian. The formats
// are described in the kernel's Documentation/filesystems/ext4.
//
// # What is read
//
// Blocks of 1 to 64 KiB; block maps and extent trees; holes and unwritten
// extents; linear and indexed directories, also of three levels (large_dir);
// inline files and directories; symbolic links in inodes and in blocks;
// attributes in inodes, in blocks and in inodes of their own, with access
// control lists in the form of getxattr(2); device numbers of both forms; times
// from 1901 to 2446; all layouts of groups (flex_bg, meta_bg, sparse_super2,
// bigalloc, 64bit). Unknown incompatible features are refused by name, as are
// compression, dirdata and a journal device; unknown read-only compatible ones
// are listed in Info and do not hinder reading.
//
// Encrypted directories are listed with the names that the kernel shows without
// the key, and an error that wraps [block.ErrEncrypted]; encrypted files and
// links give that error. In directories that ignore case, a name is found by
// simple case folding without decomposition: see sameFolded in match.go. Nothing
// checks fs-verity's hashes.
//
// # The journal
//
// A journal that needs recovery is read (checksums of versions 1, 2 and 3, block
// numbers of 32 and 64 bits, revoked and escaped blocks) and its blocks are laid
// over the device by an index: nothing is copied and nothing written. It is
// replayed up to the first transaction that is damaged, with a problem; if it
// aims outside the filesystem it is not replayed at all. Fast commits
// that follow the last transaction are laid over it: names, inodes and extents, not
// the blocks that the kernel would make of them. A journal on another device is
// read where it is given ([FindJournal]). Whatever is left out is a problem that
// wraps [block.ErrDirty].
//
// # Trust
//
// A wrong checksum of the superblock, a group descriptor, an inode, a directory
// or an attribute block is a problem: their fields are validated where they are
// used. In a block of an extent tree it is an error, since such a block holds
// nothing but pointers; in the journal it ends the replay. Content that claims
// the filesystem's own blocks is corrupt.
//
// A directory must name in ".." the directory that it is reached from. Together
// with an error for a directory that is named twice in one, this makes the tree
// finite: a walk needs no memory of where it has been. A damaged index costs a
// problem, and a search of the whole directory.
//
// Memory is bounded by [Options.CacheBytes], besides what a directory's listing
// and the index of the journal take.
package ext4
