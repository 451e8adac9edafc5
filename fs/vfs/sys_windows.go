package vfs

import (
	"io/fs"
	"syscall"
	"time"
)

// hostStat is the Stat in the form in which package os gives it on Windows.
func hostStat(st *Stat) any {
	h := &syscall.Win32FileAttributeData{
		CreationTime: filetime(st.Btime), LastAccessTime: filetime(st.Atime), LastWriteTime: filetime(st.Mtime),
		FileSizeHigh: uint32(st.Size >> 32), FileSizeLow: uint32(st.Size),
	}
	if st.Mode.Perm()&0o222 == 0 {
		h.FileAttributes |= syscall.FILE_ATTRIBUTE_READONLY
	}
	switch {
	case st.Mode.IsDir():
		h.FileAttributes |= syscall.FILE_ATTRIBUTE_DIRECTORY
	case st.Mode&fs.ModeSymlink != 0:
		h.FileAttributes |= syscall.FILE_ATTRIBUTE_REPARSE_POINT
	}
	if h.FileAttributes == 0 {
		h.FileAttributes = syscall.FILE_ATTRIBUTE_NORMAL
	}
	return h
}

// filetime counts the hundreds of nanoseconds since 1601; 0 is a time that is not
// kept, or before.
func filetime(t time.Time) (ft syscall.Filetime) {
	if ticks := (t.Unix()+11644473600)*1e7 + int64(t.Nanosecond())/100; !t.IsZero() && ticks > 0 {
		ft.LowDateTime, ft.HighDateTime = uint32(ticks), uint32(ticks>>32)
	}
	return ft
}
