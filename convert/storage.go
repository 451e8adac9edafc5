package convert

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// A Storage is an image file that is changed in place: what qcow2.Repair,
// qcow2.Resize and ResizeRaw take.
type Storage struct {
	*os.File
	path   string
	size   int64
	beside map[string]*Storage
}

// OpenStorage opens a regular file for reading and writing. One that a running
// QEMU has open is refused.
func OpenStorage(path string) (*Storage, error) {
	return openStorage(path, os.Stat, os.OpenFile)
}

func openStorage(path string, stat func(string) (os.FileInfo, error), open func(string, int, os.FileMode) (*os.File, error)) (*Storage, error) {
	fi, err := stat(path)
	if err == nil && !fi.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: path, Err: problem.Class(block.ErrRefused, "is %s, not a file", typeName(fi.Mode()))}
	}
	if err != nil {
		return nil, err
	}
	f, err := open(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := lockStorage(f); err != nil {
		f.Close()
		return nil, err
	}
	s := &Storage{File: f, path: f.Name()}
	if s.size, err = f.Seek(0, io.SeekEnd); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// Beside opens another file of the folder in which the image lies itself, where it is a
// link: what vmdk.Options.Extents asks for. No link leads out of the folder. Asked again
// it gives the same one, which is closed with s.
func (s *Storage) Beside(name string) (*Storage, error) {
	if b := s.beside[name]; b != nil {
		return b, nil
	}
	path, err := resolve(s.Name())
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	b, err := openStorage(name, root.Stat, root.OpenFile)
	if err != nil {
		return nil, err
	}
	if s.beside == nil {
		s.beside = map[string]*Storage{}
	}
	s.beside[name] = b
	return b, nil
}

// Close closes the file, and those that Beside gave.
func (s *Storage) Close() error {
	err := s.File.Close()
	for _, b := range s.beside {
		err = errors.Join(err, b.Close())
	}
	return err
}

// Replace lets the file hold b, or what it held, whatever interrupts it: another file
// takes its name, with its owner and its permissions. One with several names is refused,
// since the others would keep the old one.
func (s *Storage) Replace(b []byte) error {
	was, err := s.Stat()
	if err != nil {
		return err
	}
	var f *File
	f, err = CreateFile(s.Name(), &FileOptions{Replace: true, Placing: func(string, os.FileInfo) error { return resemble(f.File, was) }})
	if err != nil {
		return err
	}
	defer func() {
		if f != nil {
			f.Close()
		}
	}()
	if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	if err := lockStorage(f.File); err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // where nothing takes the place of an open file
		s.File.Close()
	}
	err = f.Commit()
	if runtime.GOOS == "windows" {
		now, err2 := OpenStorage(f.Path())
		if err2 != nil {
			return errors.Join(err, err2)
		}
		s.File, s.size = now.File, now.size
		return err
	}
	if f.done { // it has the name, durable or not
		s.File.Close()
		s.File, s.size = f.File, int64(len(b))
		f = nil
	}
	return err
}

// Name is that by which the file was opened.
func (s *Storage) Name() string { return s.path }

// Size is the size of the file in bytes.
func (s *Storage) Size() int64 { return s.size }

// Modified is when the file was written to, the zero time if that is not known.
func (s *Storage) Modified() time.Time {
	fi, err := s.Stat()
	if err != nil {
		return time.Time{}
	}
	return fi.ModTime()
}

// WriteAt implements io.WriterAt.
func (s *Storage) WriteAt(p []byte, off int64) (int, error) {
	n, err := s.File.WriteAt(p, off)
	s.size = max(s.size, off+int64(n))
	return n, err
}

// Truncate changes the size of the file.
func (s *Storage) Truncate(size int64) error {
	err := s.File.Truncate(size)
	if err == nil {
		s.size = size
	}
	return err
}

// ResizeOptions say what a resize may do.
type ResizeOptions struct {
	// Shrink lets the disk become smaller: what lies past its new end is lost.
	Shrink bool
}

// ResizeRaw changes the size of a raw image, which is that of its file. A
// smaller one is refused, of class block.ErrRefused, unless o says otherwise; a nil o
// does not.
func ResizeRaw(s *Storage, size int64, o *ResizeOptions) error {
	if size < s.Size() && (o == nil || !o.Shrink) {
		return problem.Class(block.ErrRefused, "shrinking from %d to %d bytes discards data; ResizeOptions.Shrink allows it", s.Size(), size)
	}
	if err := s.Truncate(size); err != nil {
		return err
	}
	return s.Sync()
}

// Punch lets the n bytes at off of the file read as zeros and take no room; its
// size stays. Where the host cannot do that the error wraps block.ErrUnsupported.
func (s *Storage) Punch(off, n int64) error {
	if n <= 0 {
		return nil
	}
	return punch(s.File, off, n)
}
