// Package deflate compresses blocks of a disk image into raw DEFLATE streams
// (RFC 1951), with a window that the caller chooses.
//
// compress/flate always looks back 32 KiB. qemu inflates the clusters of a
// qcow2 image with a window of 4 KiB, and a match further back than that makes
// a cluster that it cannot read. This encoder keeps every distance within the
// window, and spends its time where a small window leaves something to gain:
//
//	bytes ──▶ sets of positions, lazy matching ──▶ literals and matches
//	──▶ split where the statistics change ──▶ per block: dynamic, fixed or stored
//
// A call compresses one block as a whole: there is no state from one to the
// next, and no stream to flush. Decompression is left to compress/flate, which
// reads every window.
package deflate
