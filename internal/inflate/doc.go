// Package inflate decompresses DEFLATE streams (RFC 1951), raw or in the
// wrapping of zlib (RFC 1950), whose input and output lie in memory as a whole:
// clusters, grains, extents and blocks of disk images, of which the size is
// known beforehand.
//
// A stream decoder must be able to stop at every byte, keeps a window of its own
// and copies out of it. Here the output is the window, and while neither end is
// near, bits are taken eight bytes at a time and matches copied by words:
//
//	64 bits ──▶ table of 11 bits: a literal, two, or length with its extra bits
//	        ──▶ table of 8 bits: distance with its extra bits ──▶ copy inside dst
//
// Codes longer than the tables continue in a second one. Near the ends a second
// loop decodes symbol by symbol and checks each. Streams that do not fit the
// format are refused as compress/flate refuses them.
//
// Streams of unknown length, and those that come through a pipe, are left to
// klauspost/compress.
package inflate
