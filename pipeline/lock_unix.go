//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package pipeline

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openLocked opens a file, which is made if need be, and keeps other runs from
// doing so for as long as it is open. Where one has it the error is os.ErrExist.
func openLocked(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return nil, os.ErrExist
	}
	return f, nil // or the file system has no locks
}
