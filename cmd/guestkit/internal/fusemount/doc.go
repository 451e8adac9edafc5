// Package fusemount shows the tree of a guest as a filesystem of the host, read only,
// by FUSE.
//
// It is a part of the command line and not of the library, since it may start a
// process: where the user is not root, only fusermount, which is set-user-ID, may mount
// (go-fuse starts it). For root the mount is a system call.
package fusemount

// Options says how a tree is mounted.
type Options struct {
	// Name is what lists of mounts show: the image.
	Name string
	// AllowOther lets other users see the files, as their modes and owners allow.
	// Without it the user who mounted sees all of them.
	AllowOther bool
	// Permissions has the kernel hold all to modes and owners.
	Permissions bool
}
