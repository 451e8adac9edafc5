package format

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// openFlags keep an open from waiting, should the path be a fifo by then.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

// The values of lseek's whence.
const (
	seekData = 3
	seekHole = 4
)

func isENXIO(err error) bool { return errors.Is(err, syscall.ENXIO) }

func allocated(fi os.FileInfo) int64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return -1
}

// changeTime is the later of the times of the content and of the inode. For a
// device both are those of its node, which do not tell.
func changeTime(fi os.FileInfo) time.Time {
	t := fi.ModTime()
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		if c := time.Unix(st.Ctim.Unix()); c.After(t) {
			t = c
		}
	}
	return t
}

// sectorSize asks a block device for its logical sector size.
func sectorSize(f *os.File) int {
	size := 0
	if c, err := f.SyscallConn(); err == nil {
		c.Control(func(fd uintptr) {
			if n, err := unix.IoctlGetInt(int(fd), unix.BLKSSZGET); err == nil {
				size = n
			}
		})
	}
	return size
}
