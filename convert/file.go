package convert

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// FileOptions says how to make an output file.
type FileOptions struct {
	// Replace lets the file take the place of one that exists. It does so by
	// a rename when it is complete.
	Replace bool
	// Sources are files that must not be the output, under whatever name: the
	// source and all images behind it.
	Sources []string
	// NoSpaceCheck begins even where the data of the disk does not seem to fit.
	NoSpaceCheck bool
	// NoSync leaves it to the system when the bytes reach the disk.
	NoSync bool
}

// A File is an output file that appears under its name complete, or not at
// all. It is written beside it under a temporary name, with no permissions for
// others.
//
//	CreateFile ── write ── Sync ── Commit ── Close
//	                         └── Close: nothing is left
type File struct {
	*os.File
	path string
	o    FileOptions
	done bool
	mine bool // it has its name, and nothing had that name before
}

// tempPattern is what temporary files are called; the middle is random.
const tempPrefix, tempSuffix = ".guestkit-", ".partial"

// CreateFile starts the output file at path. It removes what earlier runs that
// were killed have left beside it, where the system can tell that.
func CreateFile(path string, opts *FileOptions) (*File, error) {
	if opts == nil {
		opts = &FileOptions{}
	}
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	if err := checkTarget(path, opts); err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	sweep(dir)
	var random [8]byte
	rand.Read(random[:])
	temp := filepath.Join(dir, tempPrefix+hex.EncodeToString(random[:])+tempSuffix)
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return nil, &fs.PathError{Op: "create", Path: path, Err: pe.Err} // nobody knows the other name
	}
	if err != nil {
		return nil, err
	}
	file := &File{File: f, path: path, o: *opts}
	if err := claim(f); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// ErrDevice says that the output is a block device, which Output.Device writes
// to.
var ErrDevice = errors.New("is a block device")

// resolve follows the links of path to where the file will lie, so that a link
// to a file stays one. A link that leads nowhere is refused.
func resolve(path string) (string, error) {
	fi, err := os.Lstat(path)
	if err != nil || fi.Mode()&fs.ModeSymlink == 0 {
		return path, nil // what is wrong with it is told when it is created
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", createError(path, problem.Class(block.ErrRefused, "is a symbolic link that leads nowhere"))
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil { // as of /dev/stdout where that is a pipe
		return path, nil
	}
	return real, nil
}

// checkTarget refuses a path that holds something already.
func checkTarget(path string, o *FileOptions) error {
	if err := CheckSources(path, o.Sources); err != nil {
		return err
	}
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		fi, err = os.Lstat(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case fi.Mode()&(os.ModeDevice|os.ModeCharDevice) == os.ModeDevice:
		return createError(path, ErrDevice)
	case !fi.Mode().IsRegular():
		return createError(path, problem.Class(block.ErrRefused, "is %s, not a file", typeName(fi.Mode())))
	case !o.Replace:
		return createError(path, fs.ErrExist)
	}
	return nil
}

func createError(path string, err error) error {
	return &os.PathError{Op: "create", Path: path, Err: err}
}

// typeName says what a file is that is no regular one.
func typeName(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m&fs.ModeCharDevice != 0:
		return "a character device"
	}
	return "a special file"
}

// CheckSources returns an error that wraps block.ErrRefused if path is one of
// the sources, by whatever name or link.
func CheckSources(path string, sources []string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return nil // it is not there yet
	}
	for _, s := range sources {
		if sfi, err := os.Stat(s); err == nil && os.SameFile(fi, sfi) {
			return createError(path, problem.Class(block.ErrRefused, "is the same file as the source %s", s))
		}
	}
	return nil
}

// Path is where the file will appear.
func (f *File) Path() string { return f.path }

// Sync makes what was written durable.
func (f *File) Sync() error {
	if f.o.NoSync {
		return nil
	}
	return f.File.Sync()
}

// Commit gives the file its name.
func (f *File) Commit() error {
	if f.done {
		return os.ErrClosed
	}
	if err := checkTarget(f.path, &f.o); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.File.Chmod(0o666 &^ umask()); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	_, err := os.Lstat(f.path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err := rename(f.File, f.path, f.o.Replace); err != nil {
		return err
	}
	f.done, f.mine = true, fresh
	if f.o.NoSync {
		return nil
	}
	return syncDir(filepath.Dir(f.path))
}

// withdraw takes back a Commit that has not replaced anything, for a file that
// is nothing without others.
func (f *File) withdraw() error {
	if !f.mine {
		return nil
	}
	f.mine = false
	return os.Remove(f.path)
}

// Close closes the file. Without a Commit that succeeded it is gone.
func (f *File) Close() error {
	err := f.File.Close()
	if !f.done {
		f.done = true
		if rerr := os.Remove(f.File.Name()); err == nil {
			err = rerr
		}
	}
	return err
}
