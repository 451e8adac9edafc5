// Package evtx reads the event logs of Windows Vista and later (.evtx) without
// changing them.
//
//	file header    4096 bytes: chunk numbers, flags, checksum
//	chunks         64 KiB each, in a ring: the oldest need not be the first
//	  header       512 bytes: numbers of records, checksums, common strings, templates
//	  records      each a size, a number, a time, and an event in binary XML
//	    template   XML with places for values, stored where it is used first
//	    values     of one event, with types, put in these places
//
// All numbers are little-endian, strings are UTF-16, pointers count from the start
// of the chunk. The facts are those of [MS-EVEN6] of Microsoft and of "Windows XML
// Event Log (EVTX)" of the libevtx project.
//
// [Open] opens one file. Each [Record] holds an event as a tree of elements;
// [AppendXML] writes it as XML, [AppendJSON] as one object with the shape that
// evtx_dump gives it: Event.System and Event.EventData.
//
// # What is read
//
// Records of all chunks, in the order of their numbers, of logs that were closed or
// not. Checksums of the file header, of chunks and of their records are verified: a
// wrong one is a problem, and what can be read still is. A chunk that is none, and
// a record that cannot be read, are errors in their place; reading goes on with the
// next.
//
// # What is not
//
// The texts of messages are in libraries of the programs that log, not in the log:
// an event has its number and its values. Records in the rest of a chunk, which was
// used before, are not searched for.
package evtx
