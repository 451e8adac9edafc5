//go:build darwin || freebsd || netbsd

package vfs

import "syscall"

func hostTimes(h *syscall.Stat_t, st *Stat) {
	h.Atimespec, h.Mtimespec, h.Ctimespec = timespec(st.Atime), timespec(st.Mtime), timespec(st.Ctime)
	h.Birthtimespec = timespec(st.Btime)
}
