package fusemount

import (
	"os"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// direct has root mount by a system call, and others by fusermount.
func direct(o *fuse.MountOptions) {
	if os.Geteuid() == 0 {
		o.DirectMountStrict = true
		o.DirectMountFlags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV
		return
	}
	o.Options = append(o.Options, "ro", "nosuid", "nodev")
}

func detach(dir string) error { return unix.Unmount(dir, unix.MNT_DETACH) }
