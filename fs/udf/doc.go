// Package udf reads UDF, the filesystem of DVDs, Blu-ray discs, Windows
// installation media and some USB sticks, in all its revisions from 1.02 to 2.60.
//
//	| recognition | volume descriptors | partition: file set, directories, files | … |
//	| (32 KiB)    | (an anchor at 256 or at the end leads there)                     |
//
// The anchor leads to a sequence of volume descriptors: the partition says where
// blocks lie, the logical volume how they are numbered. A partition of the logical
// volume is physical, or sparable (bad packets are replaced by a table), virtual
// (the blocks of files on write-once discs are numbered by a table, the VAT, that
// is written last) or of metadata (blocks of a file that holds the metadata of
// others). Files are entries (ICBs) with a list of extents, or with their content
// inside; directories are files of identifiers that lead to entries.
//
// # What is shown
//
// The file set, with owners, permissions, times, links and devices where the
// medium has them; an owner that is not stated is 65534, as Linux has it. Hidden
// files are shown, deleted ones are not. Entries of write-once discs that others
// replace (strategy 4096) are followed to the newest. Named streams are not read,
// which a problem says; nor are extended attributes, but for devices. The reserve
// descriptors and the mirror of metadata are read where the first are damaged.
//
// A disc of several sessions is read as a drive shows it, from its last one; how
// that is found in an image package iso9660 says.
//
// An integrity descriptor that is open says that the volume was in use.
//
// # Trust
//
// Checksums and CRCs of all descriptors are verified. Lists of extents, chains
// of entries and directories are bounded, and directories are a tree.
//
// The sources are ECMA-167 (third edition) and OSTA's UDF 1.02, 1.50, 2.01, 2.50
// and 2.60.
package udf
