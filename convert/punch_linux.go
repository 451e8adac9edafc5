package convert

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// punch gives the room of a part of a file back; it reads as zeros.
func punch(f *os.File, off, n int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return problem.Class(block.ErrUnsupported, "the filesystem of the host keeps no holes in files")
		}
		return &os.PathError{Op: "punch a hole", Path: f.Name(), Err: err}
	}
}
