package vfs_test

import (
	"archive/tar"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/fs/vfs"
)

// TestSys: what programs for files of this machine find in a FileInfo.
func TestSys(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 123456789) }
	in := vfs.Stat{Dev: 7, Ino: 1 << 40, Nlink: 3, Mode: fs.ModeDevice | fs.ModeCharDevice | fs.ModeSetgid | 0o620, UID: 70000, GID: 5,
		Size: 0, Allocated: 513, Atime: at(1), Mtime: at(2), Ctime: at(1 << 33), Major: 4095, Minor: 1<<20 - 1, Native: "n"}
	fi := loneInfo(t, in)
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("Sys is a %T", fi.Sys())
	}
	if st.Ino != in.Ino || st.Nlink != 3 || st.Uid != 70000 || st.Gid != 5 || st.Blocks != 2 || st.Size != 0 || st.Dev&0xffffffff != 7 {
		t.Errorf("%+v", st)
	}
	if st.Mode != syscall.S_IFCHR|syscall.S_ISGID|0o620 {
		t.Errorf("mode %o", st.Mode)
	}
	if unix.Major(st.Rdev) != in.Major || unix.Minor(st.Rdev) != in.Minor {
		t.Errorf("device %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	for got, want := range map[syscall.Timespec]time.Time{st.Atim: in.Atime, st.Mtim: in.Mtime, st.Ctim: in.Ctime} {
		if !time.Unix(got.Unix()).Equal(want) {
			t.Errorf("time %v, want %v", got, want)
		}
	}
	if back, ok := vfs.StatOf(fi); !ok || back.Native != "n" || back.Allocated != 513 {
		t.Errorf("StatOf: %+v, %v", back, ok)
	}
	h, err := tar.FileInfoHeader(fi, "")
	if err != nil || h.Uid != 70000 || h.Gid != 5 || h.Devmajor != 4095 || h.Devminor != 1<<20-1 {
		t.Errorf("archive/tar: %+v, %v", h, err)
	}
}

// TestSysUnknown: what a filesystem does not keep.
func TestSysUnknown(t *testing.T) {
	st := loneInfo(t, vfs.Stat{Mode: 0o644, Size: 1025, Allocated: -1}).Sys().(*syscall.Stat_t)
	if st.Blocks != 3 || st.Mtim != (syscall.Timespec{}) || st.Mode != syscall.S_IFREG|0o644 {
		t.Errorf("%+v", st)
	}
}

// TestSysTypes: every type of file, and no name of this machine in an archive: the
// owner of the guest's file is not the host's root.
func TestSysTypes(t *testing.T) {
	for mode, want := range map[fs.FileMode]uint32{
		0: syscall.S_IFREG, fs.ModeDir: syscall.S_IFDIR, fs.ModeSymlink: syscall.S_IFLNK, fs.ModeNamedPipe: syscall.S_IFIFO,
		fs.ModeSocket: syscall.S_IFSOCK, fs.ModeDevice: syscall.S_IFBLK, fs.ModeDevice | fs.ModeCharDevice: syscall.S_IFCHR,
		fs.ModeSetuid: syscall.S_IFREG | syscall.S_ISUID, fs.ModeSticky | fs.ModeDir: syscall.S_IFDIR | syscall.S_ISVTX,
	} {
		fi := loneInfo(t, vfs.Stat{Mode: mode})
		if st := fi.Sys().(*syscall.Stat_t); st.Mode != want {
			t.Errorf("%v: %o, want %o", mode, st.Mode, want)
		}
		if back, ok := vfs.UnixMode(want); !ok || back != mode {
			t.Errorf("%o: %v, want %v", want, back, mode)
		}
	}
	h, err := tar.FileInfoHeader(loneInfo(t, vfs.Stat{Mode: 0o644}), "")
	if err != nil || h.Uname != "" || h.Gname != "" {
		t.Errorf("names %q and %q of the host, %v", h.Uname, h.Gname, err)
	}
}
