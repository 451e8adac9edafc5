// Package vhdx reads and writes Hyper-V virtual hard disks (VHDX).
//
//	0       64K    128K   192K     256K          1M
//	+-------+------+------+--------+--------+----+-----+----------+-----+--------+----
//	| file  |header|header| region | region |    | log | metadata | BAT | blocks | …
//	| type  |  1   |  2   | table 1| table 2|    |     |  region  |     |        |
//	+-------+------+------+--------+--------+----+-----+----------+-----+--------+----
//
// The header with the higher sequence number is current and says where the log
// is; a region table says where the metadata and the BAT are. A BAT entry holds
// a state and the place of a block, in MiB; after each chunk of blocks follows
// the entry of that chunk's sector bitmap, which only differencing images use.
// All numbers are little-endian, all checksums CRC-32C.
//
// # Log
//
// An image that was not closed cleanly has a log. It is replayed into memory,
// as an index into the file, never onto the file: what is read is what Hyper-V
// would read after it opened the image. A log that names itself and has no
// valid sequence of entries is an error, since neither the state before nor the
// one after it is known to be whole.
//
// Fixed, dynamic and differencing images are read, fixed and dynamic ones
// written; [Rebase], [CommitInto] and [Empty] change differencing ones in place.
// The specification is [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format";
// sections are named where they are used.
//
// [MS-VHDX]: https://learn.microsoft.com/openspecs/windows_protocols/ms-vhdx
package vhdx
