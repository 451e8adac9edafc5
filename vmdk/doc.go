// Package vmdk reads and writes VMware virtual disks (VMDK).
//
// A disk is described by a text, the descriptor, and its bytes lie in extents:
//
//	descriptor file          extent files
//	+----------------+       +-------------------------+
//	| createType=…   |   /-> | disk-flat.vmdk          |  FLAT, VMFS
//	| CID=…          |  /    +-------------------------+
//	| RW 4192 SPARSE +-/---> | disk-s001.vmdk          |  SPARSE
//	| parentCID=…    |       +-------------------------+
//	+----------------+
//
// or in one file that holds the descriptor itself:
//
//	+------+----------+---------+---------+----+---------+--------+--------+----
//	|header|descriptor|redundant| its     |grain  grain | grain  | grain  | …
//	|      |          |directory| tables  |dir.  tables |        |        |
//	+------+----------+---------+---------+----+---------+--------+--------+----
//
//	grain directory entry -> grain table (512 entries) -> grain (64 KiB)
//
// All numbers are little-endian and most count sectors of 512 bytes. In a
// streamOptimized file each grain is a zlib stream behind a marker that names
// its sector, and the directory lies at the end, found through a footer.
//
// # Read
//
// monolithicSparse, monolithicFlat, twoGbMaxExtentSparse, twoGbMaxExtentFlat,
// streamOptimized (header versions 1 to 3), vmfs, vmfsThin and the other flat
// kinds of ESXi, vmfsSparse (COWD), seSparse, and chains of delta disks, whose
// links are checked by content ID. Raw device mappings and whole or partitioned
// host disks are refused by name, as is a seSparse extent whose journal was not
// replayed.
//
// # Written
//
// monolithicSparse, monolithicFlat, twoGbMaxExtentSparse and twoGbMaxExtentFlat
// by a [Writer], streamOptimized by a [StreamWriter]: each in one pass. Sparse
// files have all their tables at the front, twice; a streamOptimized file has
// them behind the grains, as VMware's tools write it, and version 3.
//
// # In place
//
// [Rebase], [CommitInto] and [Empty] change delta disks, monolithicSparse ones and those
// of a descriptor and sparse or flat extents; [Sparsify] changes the same without a parent.
// While one of them runs, the free bytes of the header of a sparse file
// say where its tables and the descriptor in it belong, so that the next run can end it.
// A descriptor that is a file of its own is replaced as a whole. streamOptimized disks, and
// those with an extent of the kinds VMFSSPARSE (COWD) and SESPARSE, are refused by name.
//
// # References
//
// The file names in a descriptor are opened by the caller's Opener only, and
// extents only by bare names: no separator, no colon. The descriptor inside a
// sparse file names that file, and nothing it says is opened as an extent.
//
// The sources are VMware's "Virtual Disk Format 5.0" (Technical Note 1.1); for
// seSparse, which has no public specification, what QEMU reads.
package vmdk
