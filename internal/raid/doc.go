// Package raid maps arrays of disks to one run of bytes: striping, mirrors, and
// the parity of levels 4, 5 and 6, with what is missing computed from what is
// left. It knows layouts and arithmetic and no metadata; Linux software RAID,
// the raid volumes of LVM and others say what their members are.
//
//	level 5, left symmetric        level 6, left symmetric
//	+----+----+----+----+          +----+----+----+----+
//	| D0 | D1 | D2 | P  |          | D0 | D1 | P  | Q  |
//	| D4 | D5 | P  | D3 |          | D2 | P  | Q  | D3 |
//
// The names of the layouts and their numbers are those of Linux
// (drivers/md/raid5.h, md(4)). P is the exclusive or of the data blocks of a
// row, Q the sum of their products with powers of the generator {02} of
// GF(2^8), as H. Peter Anvin's "The mathematics of RAID-6" has it.
package raid
