package format

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// openFlags keep an open from waiting, should the path be a fifo by then.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

// The values of lseek's whence.
const (
	seekHole = 3
	seekData = 4
)

func isENXIO(err error) bool { return errors.Is(err, syscall.ENXIO) }

func allocated(fi os.FileInfo) int64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return -1
}

// changeTime is the later of the times of the content and of the inode.
func changeTime(fi os.FileInfo) time.Time {
	t := fi.ModTime()
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		if c := time.Unix(st.Ctimespec.Unix()); c.After(t) {
			t = c
		}
	}
	return t
}

func sectorSize(*os.File) int { return 0 }
