// Package vdi reads and writes VirtualBox disk images (VDI, format version 1.1).
//
//	0        512                offBlocks         offData
//	+---------+------------------+-----------------+--------+--------+----
//	| header  | padding          | block map       | block  | block  | …
//	+---------+------------------+-----------------+--------+--------+----
//	                               4 bytes a block: its place among the
//	                               blocks behind offData, 0xffffffff for
//	                               none, 0xfffffffe for zeros
//
// All numbers are little-endian. Dynamic and static (pre-allocated) images are
// read, and differencing images if the caller gives the parent: a VDI names
// its parent by UUID only, so no file name in it is ever followed. Undo images
// and images of other versions are refused by name. Dynamic and static images
// are written. [Rebase], [CommitInto] and [Empty] change differencing images in place,
// and [Sparsify] dynamic ones.
//
// VirtualBox publishes no specification; the layout is that of its headers
// VDICore.h and VDI.h (VBoxHDD), checked against images that qemu-img makes.
package vdi
