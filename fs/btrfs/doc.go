// Package btrfs reads Btrfs, as the kernel shows it, from one device or several.
//
//	superblock ── system chunks ──▶ chunk tree: logical addresses ──▶ devices
//	    │
//	    └─▶ root tree ─┬─▶ subvolumes: inodes, names, extents of files
//	                   ├─▶ checksum tree: of each sector of data
//	                   └─▶ (extents, free space, devices … : not needed to read)
//
// What is on disk is described by the header files of Linux
// (include/uapi/linux/btrfs_tree.h) and its documentation
// (https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html).
//
// # What is read
//
// Profiles single, DUP, RAID0, RAID1, RAID1C3, RAID1C4, RAID10, RAID5 and RAID6, in
// which what a missing device had is computed from parity; seeds; zoned ones, also of
// host-managed devices, where superblocks are a log; mixed block groups; all sizes of nodes; all four checksums, of metadata and of data. Every
// block and every sector that is read is compared with its checksum. One that is
// bad is taken from another copy, or from parity, and a problem says so; without
// one it is an error.
//
// Extents may be inline, plain, preallocated, shared, or compressed by zlib, LZO or
// zstd. The log tree is replayed in memory.
//
// Subvolumes are directories in the place where the kernel shows them, and each
// can be the root: [Options]. Names of directories are looked up by their hash.
//
// # What is not
//
// The raid stripe tree, extent tree v2 and what else a filesystem says is
// incompatible and is not known here is refused by name, and so are encrypted
// files.
package btrfs
