package convert

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
	// Placing, if it is not nil, is told of each file that is complete, before any
	// file of the output gets its name: the path, and what the file is. An error
	// ends it all without an output.
	Placing func(path string, file fs.FileInfo) error
	// Removed, if it is not nil, is told what was removed or put back that an
	// earlier run, which was killed, had left.
	Removed func(Leftover)
}

// A Leftover is a file that a killed run left behind.
type Leftover struct {
	Path string
	// Restored is where the file is now if it belonged to an image that was about
	// to be replaced; "" if it was removed.
	Restored string
}

func (o *FileOptions) removed(l Leftover) {
	if o.Removed != nil {
		o.Removed(l)
	}
}

// A File is an output file that appears under its name complete, or not at
// all. Where the file system can (Linux, O_TMPFILE), it has no name until then,
// so that nothing is left of a process that is killed; elsewhere it is written
// beside its name under a temporary one. Others have no permissions for it.
//
//	CreateFile ── write ── Sync ── Commit ── Close
//	                         └── Close: nothing is left
type File struct {
	*os.File
	path string
	temp string // the name that it has, "" if none yet, or its own
	o    FileOptions
	done bool // it has its own name, or is closed
}

// Temporary files are called by the output that they are for and something
// random.
const tempPrefix, tempSuffix = ".guestkit-", ".partial"

// tempName is a new name for a temporary file of the output at path.
func tempName(path string) string {
	var random [8]byte
	rand.Read(random[:])
	return filepath.Join(filepath.Dir(path), tempPrefix+setName(path)+"-"+hex.EncodeToString(random[:])+tempSuffix)
}

// setName stands for an output in the names of files that belong to it.
func setName(path string) string {
	sum := sha256.Sum256([]byte(filepath.Base(path)))
	return hex.EncodeToString(sum[:4])
}

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
	sweep(filepath.Dir(path), opts.removed)
	f, temp, err := createTemp(path)
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return nil, createError(path, pe.Err) // nobody knows the other name
	}
	if err != nil {
		return nil, err
	}
	return &File{File: f, path: path, temp: temp, o: *opts}, nil
}

// createNamed makes a temporary file with a name.
func createNamed(path string) (*os.File, string, error) {
	for {
		temp := tempName(path)
		f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, "", err
		}
		kept, err := claim(f)
		if kept && err == nil {
			return f, temp, nil
		}
		f.Close()
		if err != nil {
			os.Remove(temp)
			return nil, "", err
		}
	}
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
	case writtenByQEMU(path):
		return createError(path, inUse)
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

// ready does all that may fail before the file gets its name.
func (f *File) ready() error {
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
	if f.o.Placing == nil {
		return nil
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	return f.o.Placing(f.path, fi)
}

// Commit gives the file its name. After an error that comes from making the
// name durable it keeps it.
func (f *File) Commit() error {
	if err := f.ready(); err != nil {
		return err
	}
	if err := f.place(f.path, f.o.Replace); err != nil {
		return err
	}
	f.done = true
	return f.syncDir()
}

// place gives the file the name path. Without replace it fails where that
// exists.
func (f *File) place(path string, replace bool) error {
	if f.temp == "" && !replace {
		return linkOpen(f.File, path)
	}
	if f.temp == "" {
		temp := tempName(f.path)
		if err := linkOpen(f.File, temp); err != nil {
			return err
		}
		f.temp = temp
	}
	if err := rename(f.File, f.temp, path, replace); err != nil {
		return err
	}
	f.temp = ""
	return nil
}

// syncDir makes the names in the folder of the file durable.
func (f *File) syncDir() error {
	if f.o.NoSync {
		return nil
	}
	return notDurable(syncDir(filepath.Dir(f.path)))
}

// notDurable says what an error of the last step means.
func notDurable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the image is in place, but may not survive a crash of the system: %w", err)
}

// Close closes the file. Without a Commit that succeeded it is gone.
func (f *File) Close() error {
	err := f.File.Close()
	if !f.done {
		f.done = true
		if f.temp != "" {
			if rerr := os.Remove(f.temp); err == nil {
				err = rerr
			}
		}
	}
	return err
}
