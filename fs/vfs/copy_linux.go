package vfs

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hostName is the name that a file of the guest gets on the host: its bytes,
// unless they are no name of a file.
func hostName(raw string) string {
	if raw == "" || raw == "." || raw == ".." || strings.ContainsAny(raw, "/\x00") {
		return Escape(raw)
	}
	return raw
}

// hostFull reports whether an error means that nothing more can be written.
func hostFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS)
}

func setXattr(f *os.File, x Xattr) error {
	return unix.Fsetxattr(int(f.Fd()), x.Name, x.Value, 0)
}

// setXattrAt is setXattr for what is not opened: a link, or a device node.
func setXattrAt(root *os.Root, name string, x Xattr) error {
	return inFolder(root, func(fd int) error {
		return unix.Lsetxattr("/proc/self/fd/"+strconv.Itoa(fd)+"/"+name, x.Name, x.Value, 0)
	})
}

// inFolder calls a function with the descriptor of a folder.
func inFolder(root *os.Root, call func(fd int) error) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return call(int(f.Fd()))
}

// setTimesAt sets the times of anything, which may be a link.
func setTimesAt(root *os.Root, name string, atime, mtime time.Time) error {
	ts := make([]unix.Timespec, 2)
	var err error
	if ts[0], err = unix.TimeToTimespec(atime); err != nil {
		return err
	}
	if ts[1], err = unix.TimeToTimespec(mtime); err != nil {
		return err
	}
	return inFolder(root, func(fd int) error { return unix.UtimesNanoAt(fd, name, ts, unix.AT_SYMLINK_NOFOLLOW) })
}

func makeNode(root *os.Root, name string, st *Stat) error {
	mode := uint32(st.Mode.Perm())
	switch t := st.Mode.Type(); {
	case t&fs.ModeNamedPipe != 0:
		mode |= unix.S_IFIFO
	case t&fs.ModeSocket != 0:
		mode |= unix.S_IFSOCK
	case t&fs.ModeCharDevice != 0:
		mode |= unix.S_IFCHR
	case t&fs.ModeDevice != 0:
		mode |= unix.S_IFBLK
	default:
		return &fs.PathError{Op: "mknod", Path: name, Err: errors.ErrUnsupported}
	}
	err := inFolder(root, func(fd int) error { return unix.Mknodat(fd, name, mode, int(unix.Mkdev(st.Major, st.Minor))) })
	if err != nil {
		return &fs.PathError{Op: "mknod", Path: name, Err: err}
	}
	return nil
}
