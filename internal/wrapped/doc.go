// Package wrapped reads files that are compressed as a whole: gzip, xz, zstd, lzop and
// bzip2, with any number of members, streams or frames behind each other.
//
//	Reader  ── forward only, one pass, little memory
//	File    ── any offset: it decodes forward from the nearest place where it
//	           can start (a member, frame or block), and keeps a few readers
//	           where they are, since an image is read in a few places at once
//
// Nothing is written to a scratch file. What decides about memory, the window
// of zstd and the dictionary of xz, is bounded before it is allocated
// ([Limits]).
//
// Specifications: RFC 1952 (gzip), RFC 8878 (zstd), "The .xz File Format" 1.2.1
// and the LZMA specification of Igor Pavlov. The filters of xz other than LZMA2
// (delta and those for machine code) and dictionaries of zstd are not read.
package wrapped
