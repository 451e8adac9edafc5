package convert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// claim locks a temporary file for as long as it is open, so that sweep leaves
// it alone.
func claim(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOLCK) {
		return nil
	}
	return err
}

// sweep removes temporary files that nobody has locked. Young ones stay: their
// owner may be about to lock them.
func sweep(dir string) {
	names, _ := filepath.Glob(filepath.Join(globEscape(dir), tempPrefix+"*"+tempSuffix))
	for _, name := range names {
		fi, err := os.Lstat(name)
		if err != nil || !fi.Mode().IsRegular() || time.Since(fi.ModTime()) < time.Minute {
			continue
		}
		f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.Remove(name)
		}
		f.Close()
	}
}

// globEscape makes a folder's name stand for itself in a pattern.
func globEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
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

// rename gives f its name. Without replace it fails where that exists.
func rename(f *os.File, path string, replace bool) error {
	if replace {
		return os.Rename(f.Name(), path)
	}
	err := unix.Renameat2(unix.AT_FDCWD, f.Name(), unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return linkAndRemove(f.Name(), path)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: f.Name(), New: path, Err: err}
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
