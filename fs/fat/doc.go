// Package fat reads FAT12, FAT16 and FAT32 with long names: the EFI system
// partitions of guests, and their floppies and sticks.
//
//	┌──────────────┐ sector 0
//	│ BPB          │ sizes of all that follows; FAT32: FSInfo and a copy behind it
//	├──────────────┤ reserved sectors
//	│ FAT          │ for each cluster the next one of its chain, 12, 16 or 32 bits
//	├──────────────┤
//	│ FAT (copy)   │
//	├──────────────┤
//	│ root         │ FAT12 and FAT16 only; on FAT32 the root is a chain like any
//	├──────────────┤
//	│ cluster 2    │
//	│ cluster 3 …  │
//	└──────────────┘
//
// A directory is a run of 32-byte entries. One file is an entry with its 8.3
// name, preceded, where that does not do, by up to 20 entries that hold the
// long name backwards and a checksum of the short one.
//
// # Names
//
// Long names are UTF-16; a surrogate without its other half becomes the three
// bytes that UTF-8 would have for it, which package vfs escapes. Bytes above
// 0x7F of an 8.3 name are read as code page 437. The flags of Windows NT that
// an 8.3 name is meant in lower case are honoured. A long name that is out of
// order, incomplete, or does not fit its 8.3 entry is dropped for the 8.3
// name, with a Problem. Lookups ignore case and find a file by either name.
//
// # What FAT does not have
//
// Owners and permissions do not exist: files and directories belong to 0:0
// and have mode 0755, read-only files 0555, as in a mount by Linux without
// options. Every Nlink is 1. Times are local times of an unknown zone and are
// given as if they were UTC; a change time does not exist, the access time is
// a day, and the root has no times at all.
//
// # Limits and what is not read
//
// The FAT is read through a cache and never held whole. A directory has at
// most 65,536 entries, as the specification demands. exFAT is another format
// and is not read. OS/2 extended attributes are files of their own here.
//
// Specification: Microsoft Extensible Firmware Initiative FAT32 File System
// Specification 1.03, and ECMA-107 for FAT12 and FAT16.
package fat
