// Package guestfish has guestfish read filesystems that guestkit names and does
// not read itself. It exists in builds with the tag libguestfs alone.
//
//	volume ──► NBD server ──► qemu ──► kernel of the appliance
//	(block.Reader)  │  socket of its own,     │
//	                │  read only              ▼
//	vfs.Inode ◄── answers ◄────────────── guestfish
//
// Nothing is copied to a scratch file: the volume is served, read only, on a
// Unix socket in a folder that no other user can enter, and the appliance reads
// what it needs. Changes that its kernel makes, such as a journal that it
// replays, lie in an overlay of libguestfs and are gone with it.
//
// guestfish is looked up in PATH. It gets its commands on standard input; names
// from the image are arguments in them, with every unusual byte escaped, and no
// command runs a shell. Of the environment it gets what tells where things are,
// and what the user set for libguestfs. One process is started for each
// filesystem, and takes one command at a time: readers wait for each other.
//
// What the kernel of the appliance does with the bytes of the image is beyond
// what guestkit promises.
package guestfish
