package convert

import (
	"io"
	"os"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// A Storage is an image file that is changed in place: what qcow2.Repair,
// qcow2.Resize and ResizeRaw take.
type Storage struct {
	*os.File
	size int64
}

// OpenStorage opens a regular file for reading and writing. One that a running
// QEMU has open is refused.
func OpenStorage(path string) (*Storage, error) {
	fi, err := os.Stat(path)
	if err == nil && !fi.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: path, Err: problem.Class(block.ErrRefused, "is %s, not a file", typeName(fi.Mode()))}
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := lockStorage(f); err != nil {
		f.Close()
		return nil, err
	}
	s := &Storage{File: f}
	if s.size, err = f.Seek(0, io.SeekEnd); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

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
