// Package ufs reads UFS, the fast filesystem of the BSDs and of Solaris's
// ancestors: UFS1 and UFS2, in both byte orders.
//
//	| boot | superblock | cylinder group | inodes | blocks … | next group, with a copy … |
//
// The superblock lies 8 KiB in (UFS1), 64 KiB (UFS2), at 0 or 256 KiB in. All
// addresses count fragments, of which a block has up to eight; the last block of a
// small file is some of them. An inode has twelve addresses of blocks and three
// blocks of addresses of one, two and three levels. UFS2 has wider addresses, times
// and two blocks of extended attributes.
//
// # What is shown
//
// All files, with owners, times, links, devices and, of UFS2, extended attributes
// ("user." and "system."). Inodes of 4.2BSD are read too. Whiteouts and deleted
// names are not shown. The contents of snapshot files are refused.
//
// # In use
//
// Soft updates order writes so that an image that was copied in use can be read;
// their journal (SUJ) and gjournal hold nothing that a reader could replay. A
// filesystem that is not clean is read as it is, and a problem that wraps
// [block.ErrDirty] says so.
//
// # Trust
//
// All sizes and addresses are checked against the superblock, and the superblock
// against itself; directories are a tree. The check-hashes of superblocks and inodes
// (FreeBSD 12 and later) are verified, and a problem names what has another; those of
// cylinder groups, which nothing is read of, are not.
//
// The sources are sys/ufs/ffs/fs.h, sys/ufs/ufs/dinode.h, dir.h and extattr.h of
// FreeBSD, as they describe the format.
package ufs
