// Package sink holds what the writers of all image formats do alike with the file
// beneath them.
package sink

import (
	"errors"
	"os"
)

// Clone fills the n bytes of f at off with those of src, by sharing blocks, if f
// has CloneRange. Else, and where that cannot be done, the error wraps
// errors.ErrUnsupported.
func Clone(f any, off, n int64, src *os.File, srcOff int64) error {
	if c, ok := f.(interface {
		CloneRange(off, n int64, src *os.File, srcOff int64) error
	}); ok {
		return c.CloneRange(off, n, src, srcOff)
	}
	return errors.ErrUnsupported
}

// Copy is Clone that copies in the kernel, if f has CopyRange.
func Copy(f any, off, n int64, src *os.File, srcOff int64) error {
	if c, ok := f.(interface {
		CopyRange(off, n int64, src *os.File, srcOff int64) error
	}); ok {
		return c.CopyRange(off, n, src, srcOff)
	}
	return errors.ErrUnsupported
}

// A Placer decides where the bytes of the disk lie, a run at a time.
type Placer interface {
	Place(off, n int64) (host, placed int64, err error)
	WriteHost(p []byte, host int64) error
}

// WriteAt writes p at off of the disk, to where w places it.
func WriteAt(w Placer, p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		host, n, err := w.Place(off+int64(done), int64(len(p)-done))
		if err == nil {
			err = w.WriteHost(p[done:done+int(n)], host)
		}
		if err != nil {
			return done, err
		}
		done += int(n)
	}
	return done, nil
}
