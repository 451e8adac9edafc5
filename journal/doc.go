// Package journal reads the log files of systemd-journald without changing them.
//
//	header           272 bytes or less: flags, state, IDs, where the rest begins
//	objects          each with a type, flags and a size, on multiples of 8 bytes
//	  data           one field with its value, "_PID=1": stored once, maybe compressed
//	  field          the name of a field, and the chain of its data objects
//	  entry          sequence number, times, boot, and the data objects of an entry
//	  entry array    offsets of entries, and of the next array: the order of the file
//	  hash tables    of data and fields, by hash
//	  tag            a seal over what lies before it
//
// All numbers are little-endian, all pointers count from the start of the file.
// The facts are those of "Journal File Format" of the systemd project
// (https://systemd.io/JOURNAL_FILE_FORMAT/).
//
// [Open] opens one file, [Merge] puts the entries of several in order as
// journalctl does, a [Filter] chooses among them. [AppendJSON], [AppendExport]
// and [Short] write an entry in the forms of journalctl.
//
// # What is read
//
// Files with XZ, LZ4 and Zstandard compression, with keyed and plain hashes, in
// the regular and the compact form. Entries are found by the array of entries of
// the file; where that is damaged, the objects behind the last entry that it
// leads to are gone through one by one. The hash of each value is compared with
// its bytes.
//
// What is wrong with an entry is an error in its place, what is wrong with the
// file a problem: one that was not closed ([block.ErrDirty]), one that is shorter
// than it says ([block.ErrTruncated]).
//
// # What is not
//
// Seals (tags) are not verified, which needs the key of the machine. The hash
// tables are not used: a search reads all entries, so that a broken chain hides
// none.
package journal
