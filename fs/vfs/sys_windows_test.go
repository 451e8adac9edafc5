package vfs_test

import (
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/guestkit/guestkit/fs/vfs"
)

// TestSys: what package os gives for a file of this machine.
func TestSys(t *testing.T) {
	at := time.Date(2026, 11, 28, 12, 0, 0, 123456700, time.UTC)
	for mode, want := range map[fs.FileMode]uint32{
		0o644:                  syscall.FILE_ATTRIBUTE_NORMAL,
		0o444:                  syscall.FILE_ATTRIBUTE_READONLY,
		fs.ModeDir | 0o755:     syscall.FILE_ATTRIBUTE_DIRECTORY,
		fs.ModeSymlink | 0o777: syscall.FILE_ATTRIBUTE_REPARSE_POINT,
	} {
		st, ok := loneInfo(t, vfs.Stat{Mode: mode, Size: 5<<32 + 7, Mtime: at}).Sys().(*syscall.Win32FileAttributeData)
		if !ok {
			t.Fatal("Sys is of another type")
		}
		if st.FileAttributes != want || st.FileSizeHigh != 5 || st.FileSizeLow != 7 {
			t.Errorf("%v: %+v", mode, st)
		}
		if got := time.Unix(0, st.LastWriteTime.Nanoseconds()); !got.Equal(at) {
			t.Errorf("written at %v", got)
		}
		if st.CreationTime != (syscall.Filetime{}) {
			t.Errorf("a time that is not kept is %+v", st.CreationTime)
		}
	}
}
