// Package format is the front door to disk images: it tells which format the
// bytes of a file are ([Probe]), opens an image of any format ([Open],
// [OpenFile]), and says what an image is ([Image.Info], [Describe]).
//
// The drivers are one literal table, in driver.go.
//
// # Trust
//
// An image may name other files: a backing file, a data file. None of them is
// opened unless [Options] says so, and then only a regular file inside a
// directory that the policy gives, reached through [os.Root]. The format of a
// referenced file is the one that its image states; it is never probed.
package format
