package convert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// createTemp makes a file for the output at path: one without a name where the
// file system can.
func createTemp(path string) (f *os.File, temp string, err error) {
	if _, err := os.Lstat("/proc/self/fd"); err == nil { // by which linkOpen names it
		fd, err := unix.Open(filepath.Dir(path), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		if err == nil {
			return os.NewFile(uintptr(fd), path), "", nil
		}
	}
	return createNamed(path)
}

// linkOpen gives an open file without a name one. It fails where that exists.
func linkOpen(f *os.File, path string) error {
	claim(f) // so that sweep leaves it alone
	err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.PathError{Op: "create", Path: path, Err: err}
	}
	return nil
}

// claim locks a temporary file for as long as it is open, so that sweep leaves
// it alone. It was not kept if sweep came in between.
func claim(f *os.File) (kept bool, err error) {
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOLCK) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false, err
	}
	return st.Nlink > 0, nil
}

// sweep removes temporary files that nobody has locked.
func sweep(dir string, removed func(Leftover)) {
	for _, name := range leftovers(dir, tempPrefix, tempSuffix) {
		f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && os.Remove(name) == nil {
			removed(Leftover{Path: name})
		}
		f.Close()
	}
}

// own reports whether a file is a regular one of the user's, by its own name.
func own(path string) bool {
	fi, err := os.Lstat(path)
	if err != nil || !fi.Mode().IsRegular() {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// lockDir keeps other runs out of a folder while a set of files gets its names.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(d.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil { // as on NFS, which locks files alone
		d.Close()
		return lockFile(dir)
	}
	return func() { d.Close() }, nil
}

// lockFile is lockDir by way of a file.
func lockFile(dir string) (unlock func(), err error) {
	name := filepath.Join(dir, tempPrefix+"lock"+tempSuffix)
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		kept, err := claim(f)
		if err != nil {
			f.Close()
			return nil, err
		}
		if kept {
			return func() { os.Remove(name); f.Close() }, nil
		}
		f.Close() // the one before has removed it
	}
}

// umask reads the process's mask, which cannot be asked for without changing
// it in any other way.
func umask() os.FileMode {
	b, err := os.ReadFile("/proc/self/status")
	if err == nil {
		if _, rest, ok := strings.Cut(string(b), "\nUmask:"); ok {
			var m uint32
			if _, err := fmt.Sscanf(rest, "%o", &m); err == nil {
				return os.FileMode(m) & 0o777
			}
		}
	}
	return 0o022
}

// rename gives f, which is called old, another name. Without replace it fails
// where that exists.
func rename(_ *os.File, old, path string, replace bool) error {
	if replace {
		return os.Rename(old, path)
	}
	err := unix.Renameat2(unix.AT_FDCWD, old, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		return renameFresh(old, path)
	}
	if err != nil {
		return &os.PathError{Op: "create", Path: path, Err: err}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

// CloneRange shares n bytes of src with f (XFS, btrfs and others). It returns
// an error that wraps errors.ErrUnsupported where the file systems cannot.
func (f *File) CloneRange(off, n int64, src *os.File, srcOff int64) error {
	return cloneRange(f.File, off, n, src, srcOff)
}

func cloneRange(dst *os.File, off, n int64, src *os.File, srcOff int64) error {
	err := unix.IoctlFileCloneRange(int(dst.Fd()), &unix.FileCloneRange{
		Src_fd: int64(src.Fd()), Src_offset: uint64(srcOff), Src_length: uint64(n), Dest_offset: uint64(off)})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EIO):
		return err
	}
	return fmt.Errorf("%w: %w", errors.ErrUnsupported, err) // other file systems, other alignment
}

// CopyRange lets the kernel copy n bytes of src into f. It returns an error that
// wraps errors.ErrUnsupported where it cannot, or does not see all of them.
func (f *File) CopyRange(off, n int64, src *os.File, srcOff int64) error {
	return copyRange(unix.CopyFileRange, int(f.Fd()), off, n, int(src.Fd()), srcOff)
}

// copyRange is CopyRange with the system call, whose failures are all left to
// those who read and write, but for a lack of room.
func copyRange(call func(rfd int, roff *int64, wfd int, woff *int64, n, flags int) (int, error), dst int, off, n int64, src int, srcOff int64) error {
	for n > 0 {
		m, err := call(src, &srcOff, dst, &off, int(min(n, 1<<30)), 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
		case m <= 0 || int64(m) > n:
			return fmt.Errorf("%w: the kernel copies %d of %d bytes", errors.ErrUnsupported, m, n)
		}
		n -= int64(m)
	}
	return nil
}

// Allocate reserves room for n bytes.
func (f *File) Allocate(off, n int64) error { return allocate(f.File, off, n) }

func allocate(f *os.File, off, n int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, off, n)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
			return writeZeros(f, off, n)
		}
		return err
	}
}

var _ io.WriterAt = (*File)(nil)
