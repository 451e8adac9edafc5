// Package partition reads the partition tables of a disk: MBR with extended
// partitions, and GPT; the disklabels of BSD and Solaris, on a disk or inside a
// partition; those of SPARC, SGI, Macintosh and Atari.
//
//	        MBR                                  GPT
//	LBA 0 ┌───────────────┐           LBA 0 ┌───────────────┐
//	      │ boot code     │                 │ protective    │ one entry of type 0xEE
//	  446 │ 4 entries     │                 │ MBR           │ keeps old tools away
//	  510 │ 55 AA         │               1 ├───────────────┤
//	      ├───────────────┤                 │ header, CRC   │──┐ entries at …
//	      │ primary 1…4   │               2 ├───────────────┤◄─┘
//	      ├───────────────┤                 │ entries, CRC  │ 128 of 128 bytes, or more
//	   ┌─►│ EBR: logical 5│              34 ├───────────────┤
//	   │  │      next ────┼─┐               │ partitions    │
//	   │  ├───────────────┤ │               ├───────────────┤
//	   │  │ EBR: logical 6│◄┘               │ entries again │
//	   └ extended partition                 │ header again  │ last LBA
//	                                        └───────────────┘
//
// Numbers are those that Linux gives: 1 to 4 for the primary partitions of an
// MBR, 5 and up for the logical ones in the order of their chain, and the
// index of its entry plus one for a partition of a GPT.
//
// # Which table counts
//
// A disk may hold both. A GPT counts where the MBR has an entry of type 0xEE
// that starts at LBA 1, alone (protective) or with others (hybrid). Where the
// MBR has partitions and no such entry, the GPT is what an earlier use of the
// disk has left: the MBR counts, and a Problem says so. Where there is no
// valid MBR at all, a valid primary GPT counts, with a Problem.
//
// A primary GPT whose header or entries are damaged (signature, checksum,
// address) is replaced by the backup, which is looked for where the primary
// says it is and then at the last sector; a Problem tells. A header that is
// sealed with a right checksum and yet states what cannot be is no accident:
// it is refused. A disk that says it has a GPT and has no good copy is an
// error; nothing is guessed from the protective MBR.
//
// The boot sector of a FAT, NTFS or exFAT filesystem carries the mark 55 AA of
// an MBR. It is a table only if all of its four entries make sense.
//
// # Sector size
//
// All addresses on disk count sectors, whose size neither table states. It
// comes from [Options], else from the Reader (see [block.SectorSize]); else a
// GPT shows by the place of its header whether it is 512 or 4096, and an MBR
// is taken to count 512.
//
// # Other tables
//
// A label of another machine counts where there is neither MBR nor GPT, or where
// the one partition of the MBR is a BSD's that starts at 0. A wrong checksum is an
// error with SGI and a Sun's that has a VTOC, and a problem with BSD, since parted
// writes it so; Macintosh and Atari have none. Numbers count the entries from 1, so "a" of a BSD is 1;
// entries that stand for all of the disk, that are unused or hold the table itself
// are no partitions. [ReadLabel] reads what lies inside a partition of an MBR.
//
// # Not read
//
// Subpartitions of Minix and UnixWare, and the
// tables of Amiga, Acorn and DASD, are not known.
//
// Specification: UEFI 2.10, chapter 5; the conventions of MBR are those of the
// Linux kernel's block/partitions/msdos.c and of the Discoverable Partitions
// Specification for types and attributes. Each file of another table names its own.
package partition
