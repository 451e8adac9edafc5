// Package vfs says what a guest filesystem adds to [io/fs], and turns a
// driver's inodes into such a filesystem.
//
// A filesystem has two layers. A driver (fs/ext4, fs/xfs …) turns bytes into
// inodes: it implements [Inode] and knows nothing of paths. [New] turns a root
// inode into an [FS]: paths, symbolic links, mount points, and the io/fs
// contracts are implemented here, once.
//
// # Names
//
// A guest's file names are bytes; io/fs accepts only valid UTF-8 without NUL
// and slash. Names that io/fs would refuse appear with each offending byte b
// as the private-use character U+EF00+b ([Escape]); [Unescape] gives the bytes
// back, and every method of an FS accepts the escaped form. A name that has
// such a character itself has its bytes escaped too, so the mapping is
// reversible. No name is ever hidden.
//
// # Links
//
// Open, Stat and ReadDir follow symbolic links inside the guest: an absolute
// target starts at the root of the FS, ".." never climbs above it, and more
// than 40 links in one resolution are an error that wraps [block.ErrLoop].
// Lstat and ReadLink do not follow the last element.
//
// # Special files
//
// Opening a fifo, socket or device gives an empty file. Nothing here ever
// touches the host's own filesystem.
package vfs
