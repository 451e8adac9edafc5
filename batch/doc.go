// Package batch works on many images: it finds them in folders, runs something on
// several at a time, and tells which files are still those of a former run. What
// is done with an image is the caller's; nothing here opens a guest.
package batch
