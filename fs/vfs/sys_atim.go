//go:build linux || openbsd || dragonfly

package vfs

import "syscall"

func hostTimes(h *syscall.Stat_t, st *Stat) {
	h.Atim, h.Mtim, h.Ctim = timespec(st.Atime), timespec(st.Mtime), timespec(st.Ctime)
}
