// Package iso9660 reads ISO 9660, the filesystem of installer and live media,
// with its extensions Rock Ridge, Joliet and zisofs.
//
//	| 32 KiB for others | volume descriptors of 2 KiB | directories, path tables | files |
//	| (a boot sector)   | primary, Joliet, boot, end  |                          |       |
//
// A volume descriptor has the record of its root directory. A directory is
// records that do not cross sectors, each with the place and size of its file.
// Behind the name may come the fields of SUSP, in which Rock Ridge keeps the
// name, mode, owner, times, link and device of POSIX; what does not fit lies in
// continuation areas.
//
// # What is shown
//
// The tree of Rock Ridge, if the root has it; else that of Joliet; else the
// names of ISO 9660 as Linux shows them: in lower case, without the version 1.
// Relocated directories are shown where they belong. Files of several extents
// are one; files that zisofs has compressed are unpacked; associated files are
// left out, as Linux does. [BootImages] lists what El Torito boots.
//
// A disc of several sessions is read as a drive shows it, from its last one. An
// image has no table of contents: later sessions are found by their descriptors,
// up to 12,000 sectors behind the end of the one before, whose addresses count from
// the start of the disc. Where tools have put the descriptors of the last session
// into the place of the first, as on what can be overwritten, these are read. What a
// disc was before a session is a [block.Section] that ends where that starts.
//
// Interleaved files are refused, and so are sparse ones of Rock Ridge.
//
// The sources are ECMA-119, SUSP 1.12, RRIP 1.12, the Joliet specification, El
// Torito 1.0, and libisofs's doc/zisofs_format.txt and doc/zisofs2_format.txt.
package iso9660
