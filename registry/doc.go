// Package registry reads the registry of Windows, hives of versions 1.3 to 1.6,
// without changing it.
//
//	base block   4096 bytes: version, sequence numbers, root cell, checksum
//	hive bins    each a multiple of 4096 bytes: a header of 32 bytes, then cells
//	  cell       a size, negative if the cell is in use, and one of
//	    nk       key: name, times, where its subkeys and values are listed
//	    li lf lh list of subkeys, with nothing, a hint or a hash of each name
//	    ri       list of such lists
//	    vk       value: name, type, and its data if that fits into four bytes
//	    db       list of the parts of data of more than 16,344 bytes
//	    sk       security descriptor
//	    …        data, class names, lists of values: without a mark
//
// All numbers are little-endian, all pointers count from the first hive bin.
// The facts are those of the "Windows registry file format specification" of
// Maxim Suhanov (https://github.com/msuhanov/regf).
//
// [Open] opens one hive. [OpenMachine] finds those of a Windows in a tree of its
// files, with their logs and users, and a [RegWriter] exports keys as regedit does.
//
// # What is read
//
// Keys, their classes, times and values, of all types. Lookups take no regard
// of case; they search sorted lists by halves and look through what is left,
// so that a list out of order hides nothing.
//
// A hive whose two sequence numbers differ, or whose checksum is wrong, was not
// written to the end. Its transaction logs, in the form of Windows 8.1 and
// later (.LOG1 and .LOG2, with hashes) or the older one (.LOG, .LOG1), are
// replayed into an index, not onto the source. Where that cannot be done,
// [Hive.Problems] says so with [block.ErrDirty].
//
// Replaying is unproven in this: its tests build their logs from the specification,
// since no log that Windows wrote was free to be had.
//
// # What is not
//
// Security descriptors are not read, links between keys (REG_LINK) are not
// followed, and free cells are not searched for what was deleted. Hives of
// Windows NT 3 (1.0 to 1.2) are refused by version. Changes that wait in logs of
// the kernel's transaction manager (TxR) are not applied.
//
// # Names
//
// Names are UTF-16 or Latin-1 and come out as UTF-8, in which U+FFFD stands for
// a surrogate without its partner. They may hold any character, controls among
// them.
package registry
