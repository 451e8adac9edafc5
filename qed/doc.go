// Package qed reads images of the QEMU Enhanced Disk format (QED), which older
// QEMU wrote and which it still reads.
//
//	0           header_size                          clusters, in any order
//	+------------+-------------+-------------+--------+--------+----
//	| header,    | L1 table    | L2 table    | data   | data   | …
//	| a name     |             |             |        |        |
//	+------------+-------------+-------------+--------+--------+----
//	              an L2 table    a cluster of data each:
//	              each, or 0     0 for none, 1 for zeros
//
// All numbers are little-endian. Both kinds of table are of table_size clusters.
// A backing file is read if the caller opens it; an image that was not closed
// (QED_F_NEED_CHECK) is read as its tables are, as QEMU does that opens it for
// reading, and that is a problem of the image. Nothing is written: QEMU itself
// advises against the format, and `qcow2` replaces it.
//
// The specification is docs/interop/qed_spec.rst of QEMU.
package qed
