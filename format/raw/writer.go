package raw

import (
	"fmt"
	"os"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/sink"
)

// A Layout says what an image to be written is like.
type Layout struct {
	Size          int64  // in bytes
	Growing       bool   // Size is but a bound; Writer.SetSize tells the size at the end
	Preallocation string // "off" (also if empty), "falloc" or "full"
}

// A Writer writes a raw image: holes where the disk is zero. Where the file may
// hold something before it is written, as a device does, it is a
// [block.ZeroRanger]. All methods but
// Commit and Close are safe for concurrent use, at any offset.
type Writer struct {
	sink.Disk
	f      block.File
	l      Layout
	closed bool
}

// NewWriter starts an image. f stays open after Commit.
func NewWriter(f block.File, l *Layout) (*Writer, error) {
	w := &Writer{f: f, l: *l}
	w.Disk = sink.New(func(off, n int64) (int64, int64, error) { return off, n, nil }, sink.One(f))
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

// Zero says that the n bytes at off are zeros.
func (w *Writer) Zero(off, n int64) error {
	switch w.l.Preallocation {
	case "falloc":
		if a, ok := w.f.(block.Allocator); ok {
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
	if z, ok := w.f.(block.ZeroRanger); ok {
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
