// Package vhd reads and writes Virtual PC and Hyper-V hard disk images (VHD 1.0).
//
//	fixed         +----------------------------------------------+--------+
//	              | the disk                                     | footer |
//	              +----------------------------------------------+--------+
//
//	dynamic,      0      512      1536    table offset                     end
//	differencing  +------+--------+-------+-----+--------+-------+--------+
//	              |footer| dynamic|parent | BAT | bitmap | block | footer |
//	              | copy | header |names  |     +--------+-------+        |
//	              +------+--------+-------+-----+  one pair a block       |
//	              +-------------------------------------------------------+
//
// All numbers are big-endian. A BAT entry is the sector of a block's bitmap,
// or 0xffffffff. In the bitmap, most significant bit first, a set bit says that
// the sector is stored in the block; a clear one means zeros in a dynamic
// image, and the parent's sector in a differencing image.
//
// # Size
//
// The footer states the size twice: as bytes and as a geometry of cylinders,
// heads and sectors, which is rounded. Programs differ in which of them they
// present to the guest; the creator application in the footer tells. [SizeRule]
// has the rule, and where it leaves a doubt a problem says so ([ErrSizes]).
//
// # Writing
//
// [Writer] makes fixed, dynamic and differencing images. A new image says that
// its size in bytes counts, by the creator code of qemu for that ("qem2") and
// by the largest geometry where the geometry cannot say the same, so that
// whatever rule a program follows, it presents the same disk.
//
// [Rebase], [CommitInto], [Empty] and [Sparsify] change images in place.
//
// # Copies
//
// If one of the two footers of a dynamic image is bad, the other is used and a
// problem says so; two good footers that disagree are an error.
//
// The specification is Microsoft's "Virtual Hard Disk Image Format
// Specification", version 1.0 (2006).
package vhd
