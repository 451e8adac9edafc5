package raw

import (
	"fmt"
	"io"
	"os"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/sink"
)

// A File is what an image is written to: an *os.File, or something like it.
// What is never written to it reads as zeros, unless it has
// ZeroRange(off, n int64) error, which it must have then.
//
// It may also have Allocate(off, n int64) error, which reserves room,
// CloneRange(off, n int64, src *os.File, srcOff int64) error, which shares
// blocks with another file, and CopyRange, with the same parameters, which lets
// the kernel copy them.
type File interface {
	io.WriterAt
	Truncate(size int64) error
	Sync() error
}

// A Layout says what an image to be written is like.
type Layout struct {
	Size          int64  // in bytes
	Growing       bool   // Size is but a bound; Writer.SetSize tells the size at the end
	Preallocation string // "off" (also if empty), "falloc" or "full"
}

// A Writer writes a raw image: holes where the disk is zero. All methods but
// Commit and Close are safe for concurrent use, at any offset.
type Writer struct {
	f      File
	l      Layout
	closed bool
}

// NewWriter starts an image. f stays open after Commit.
func NewWriter(f File, l *Layout) (*Writer, error) {
	w := &Writer{f: f, l: *l}
	switch {
	case l.Size < 0:
		return nil, fmt.Errorf("raw: %w: the size is negative", block.ErrOption)
	case l.Preallocation != "" && l.Preallocation != "off" && l.Preallocation != "falloc" && l.Preallocation != "full":
		return nil, fmt.Errorf("raw: %w: preallocation %q is not off, falloc or full", block.ErrOption, l.Preallocation)
	}
	if l.Growing {
		return w, nil
	}
	return w, f.Truncate(l.Size)
}

// SetSize tells the size of a disk that was Growing.
func (w *Writer) SetSize(size int64) error {
	if w.closed || !w.l.Growing || size > w.l.Size {
		return fmt.Errorf("raw: a disk of %d bytes cannot get the size %d", w.l.Size, size)
	}
	w.l.Size, w.l.Growing = size, false
	return w.f.Truncate(size)
}

// Granularity is the size of the pieces in which zeros are left out.
func (w *Writer) Granularity() int64 { return 4096 }

// Place returns where the n bytes of the disk at off lie in the file: there.
func (w *Writer) Place(off, n int64) (host, placed int64, err error) { return off, n, nil }

// WriteHost writes bytes to where Place has put them.
func (w *Writer) WriteHost(p []byte, host int64) error {
	_, err := w.f.WriteAt(p, host)
	return err
}

// CloneHost fills the n bytes at host with those of src, by sharing blocks. It
// returns an error that wraps errors.ErrUnsupported where that cannot be done.
func (w *Writer) CloneHost(host, n int64, src *os.File, srcOff int64) error {
	return sink.Clone(w.f, host, n, src, srcOff)
}

// CopyHost is CloneHost that copies, in the kernel.
func (w *Writer) CopyHost(host, n int64, src *os.File, srcOff int64) error {
	return sink.Copy(w.f, host, n, src, srcOff)
}

// WriteAt implements io.WriterAt.
func (w *Writer) WriteAt(p []byte, off int64) (int, error) { return w.f.WriteAt(p, off) }

// Zero says that the n bytes at off are zeros.
func (w *Writer) Zero(off, n int64) error {
	switch w.l.Preallocation {
	case "falloc":
		if a, ok := w.f.(interface{ Allocate(off, n int64) error }); ok {
			return a.Allocate(off, n)
		}
		fallthrough
	case "full":
		zeros := make([]byte, min(n, 1<<20))
		for n > 0 {
			part := min(n, int64(len(zeros)))
			if _, err := w.f.WriteAt(zeros[:part], off); err != nil {
				return err
			}
			off, n = off+part, n-part
		}
		return nil
	}
	if z, ok := w.f.(interface{ ZeroRange(off, n int64) error }); ok {
		return z.ZeroRange(off, n)
	}
	return nil
}

// Commit makes the image durable.
func (w *Writer) Commit() error {
	if w.closed {
		return os.ErrClosed
	}
	return w.f.Sync()
}

// Close ends the use of the Writer.
func (w *Writer) Close() error {
	w.closed = true
	return nil
}
