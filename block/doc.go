// Package block holds the contracts that every other package of guestkit
// stands on: bytes at an offset ([Reader]), which runs of them are data, zeros
// or holes ([Device], [Extent]), how one image names another file ([Ref],
// [Opener]), and the errors of the module ([Error] and the sentinels).
//
// All offsets and lengths are in bytes. Package block stands on the standard
// library alone, and nothing in it opens a file.
package block
