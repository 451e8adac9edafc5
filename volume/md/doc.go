// Package md reads Linux software RAID: the superblocks of its members and the
// arrays that they make.
//
//	1.1  | superblock | … data_offset | data …
//	1.2  | 4 KiB | superblock | … data_offset | data …
//	1.0  | data …                               | superblock | 8 KiB
//	0.90 | data …                        | superblock, 64 KiB from the end |
//
// Versions 0.90 (of machines of either byte order), 1.0, 1.1 and 1.2 are read;
// levels linear, 0 (members of different sizes in both layouts), 1, 4, 5, 6 and
// 10 in all of their layouts, and multipath. What is missing of an array, what
// dropped out of it and is stale by its count of events, what was not rebuilt
// yet, and what its list of bad blocks names is computed from the others, and
// said. An array that is being reshaped is refused, as is what has more missing
// than its level makes up for. A journal (write-back cache) is not replayed: one
// that holds something is said.
//
// Intel's and the SNIA's formats for arrays of firmware (imsm, DDF), which mdadm
// manages too, are named with their levels and members and not read.
//
// The layouts are those of Linux, include/uapi/linux/raid/md_p.h, and md(4).
package md
