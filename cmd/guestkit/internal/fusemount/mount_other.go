//go:build !linux && !darwin

package fusemount

import (
	"errors"

	"github.com/guestkit/guestkit/fs/vfs"
)

// A Mounted is a tree that is mounted.
type Mounted struct{}

// Mount says that there is no FUSE here.
func Mount(vfs.FS, string, *Options) (*Mounted, error) {
	return nil, errors.New("this system has no FUSE that guestkit knows; 'serve nbd', 'cp' and 'tar' work everywhere")
}

// Wait returns at once.
func (*Mounted) Wait() {}

// Unmount does nothing.
func (*Mounted) Unmount() error { return nil }
