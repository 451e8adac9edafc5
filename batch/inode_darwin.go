package batch

import (
	"os"
	"syscall"
	"time"
)

// inode is the number of a file, and when what is known of it was last changed.
func inode(fi os.FileInfo) (uint64, time.Time) {
	s, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, time.Time{}
	}
	return s.Ino, time.Unix(s.Ctimespec.Unix()).UTC()
}
