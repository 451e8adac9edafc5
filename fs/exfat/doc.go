// Package exfat reads exFAT.
//
//	| boot region | its backup | FAT | cluster heap: bitmap, up-case table, directories, files |
//
// A directory is sets of 32-byte entries: a file, its stream and its name, under
// one checksum. A stream says where it starts, how long it is, how much of it
// was written, and whether its clusters lie one behind the other, so that the
// FAT is not asked.
//
// What was not written reads as zeros. The checksums of the boot region, the
// up-case table and entry sets are verified: a wrong one is a problem, and of a
// set, the set is left out. Names are found in any case, by the volume's own
// table. TexFAT's second FAT is read where it is the active one.
//
// The source is Microsoft's exFAT file system specification.
package exfat
