package convert

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// QEMU holds read locks on some of these bytes of each image that it has open:
// which ones says what it does with it, and what others may do.
const (
	qemuLocks     = 100
	qemuLocksLen  = 200
	qemuWriteLock = qemuLocks + 1
)

var inUse = problem.Class(block.ErrRefused, "a running QEMU has it open")

// lockStorage keeps QEMU out for as long as f is open, and fails where it is in
// already.
func lockStorage(f *os.File) error {
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: qemuLocks, Len: qemuLocksLen}
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l)
	if err == unix.EAGAIN || err == unix.EACCES {
		return &os.PathError{Op: "open", Path: f.Name(), Err: inUse}
	}
	return nil // a file system without locks
}

// InUse reports whether a running QEMU may write to the image in f.
func InUse(f *os.File) bool {
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: qemuWriteLock, Len: 1}
	return unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &l) == nil && l.Type != unix.F_UNLCK
}

// writtenByQEMU reports whether a running QEMU has an image open for writing, which would
// go on with the old one if another took its name. Its locks are those of readers; those
// that this program takes are not.
func writtenByQEMU(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: qemuWriteLock, Len: 1}
	return unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &l) == nil && l.Type == unix.F_RDLCK
}
