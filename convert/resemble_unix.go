//go:build linux || darwin

package convert

import (
	"os"
	"syscall"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// resemble gives f the permissions and the owner of the file that it is to replace.
func resemble(f *os.File, was os.FileInfo) error {
	st, ok := was.Sys().(*syscall.Stat_t)
	if ok && st.Nlink > 1 {
		return problem.Class(block.ErrRefused, "the file has %d names, of which one would lead to another file", st.Nlink)
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if now, both := fi.Sys().(*syscall.Stat_t); ok && both && (now.Uid != st.Uid || now.Gid != st.Gid) {
		if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	return f.Chmod(was.Mode().Perm()) // behind the owner, whose change takes some away
}
