//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package vfs

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hostStat is the Stat in the form in which this system's own stat(2) gives it,
// which archive/tar and what looks for owners and links ask Sys for.
func hostStat(st *Stat) any {
	h := new(syscall.Stat_t)
	setInt(&h.Dev, deviceNumber(st.Dev))
	setInt(&h.Ino, st.Ino)
	setInt(&h.Nlink, st.Nlink)
	setInt(&h.Mode, uint64(ModeToUnix(st.Mode)))
	h.Uid, h.Gid = st.UID, st.GID
	setInt(&h.Rdev, unix.Mkdev(st.Major, st.Minor))
	h.Size = st.Size
	setInt(&h.Blksize, 4096)
	blocks := st.Allocated
	if blocks < 0 { // not known: as if there were no holes
		blocks = 0
		if st.Mode.IsRegular() {
			blocks = st.Size
		}
	}
	h.Blocks = blocks/512 + (blocks%512+511)/512
	hostTimes(h, st)
	return h
}

// integer are the types that the members of a stat_t have on some system.
type integer interface {
	~int16 | ~int32 | ~int64 | ~uint16 | ~uint32 | ~uint64
}

// setInt sets a member whose type differs from system to system.
func setInt[T integer](p *T, v uint64) { *p = T(v) }

// deviceNumber fits a Stat.Dev into what this system has for it. Where that is 32
// bits, it is 8 of the filesystem's number and 24 of the subvolume's.
func deviceNumber(dev uint64) uint64 {
	var h syscall.Stat_t
	setInt(&h.Dev, 1<<32)
	if h.Dev != 0 {
		return dev
	}
	return dev>>32&0x7f<<24 | dev&0xffffff
}

// timespec is a time as stat(2) has it; one that the filesystem does not keep is
// the beginning of 1970, as the kernel gives it.
func timespec(t time.Time) (ts syscall.Timespec) {
	if !t.IsZero() {
		setInt(&ts.Sec, uint64(t.Unix()))
		setInt(&ts.Nsec, uint64(t.Nanosecond()))
	}
	return ts
}
