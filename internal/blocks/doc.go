// Package blocks writes what image formats of one kind share: a table that says
// where each block of the disk lies in the file, and the blocks, which get
// their places one after the other. The formats keep their headers, entries and
// bitmaps to themselves.
package blocks
