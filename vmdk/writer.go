package vmdk

import (
	"errors"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/sink"
)

// A Writer writes a new image of any subformat but streamOptimized in one pass
// over the disk, with memory for one grain table. The header or the descriptor
// is written last: until Commit the file is no image. Offsets of Place, WriteAt
// and Zero never fall, and these are not safe for concurrent use; WriteHost, CloneHost and
// CopyHost are.
type Writer struct {
	sink.Disk
	l       Layout
	f       block.File
	extents []extentLine
	parts   []outPart
	end     int64 // of the part of the disk that was placed or zeroed
	done    bool
}

// An outPart is one extent at its place on the disk.
type outPart struct {
	off, end int64
	f        block.File
	sparse   *sparseWriter // nil if it is flat
}

// stride tells the extents apart in what Place returns: an offset in the file
// of extent i lies between i and i+1 times the stride.
const stride = MaxSize

// NewWriter starts an image in f. It makes the files of extents that are files
// of their own by beside, which may be nil where there are none. All stay open
// after Commit.
func NewWriter(f block.File, beside func(name string) (block.File, error), l *Layout) (*Writer, error) {
	w := &Writer{l: l.withDefaults(), f: f}
	if err := w.l.validate(); err != nil {
		return nil, err
	}
	if w.l.Subformat == StreamOptimized {
		return nil, invalid("streamOptimized images are written by a StreamWriter")
	}
	if w.l.named() && beside == nil {
		return nil, invalid("%s images have files beside their descriptor", w.l.Subformat)
	}
	w.extents = w.l.extents()
	for off, i := int64(0), 0; i < len(w.extents); i++ {
		e := &w.extents[i]
		p := outPart{off: off, end: off + e.size, f: f}
		if w.l.named() {
			var err error
			if p.f, err = beside(e.file); err != nil {
				return nil, err
			}
		}
		if e.kind == kindSparse {
			p.sparse = newSparseWriter(p.f, &w.l, e.size)
		}
		w.parts = append(w.parts, p)
		off = p.end
	}
	w.Disk = sink.New(w.place, func(host int64) (block.File, int64) { return w.parts[host/stride].f, host % stride })
	return w, nil
}

// Granularity is the size of the pieces in which the disk is written: the
// grain, or 4 KiB of a flat disk. Offsets and lengths are multiples of it, but
// for the end of the disk.
func (w *Writer) Granularity() int64 {
	if w.l.flat() {
		return 4096
	}
	return w.l.GrainSize
}

var errOrder = errors.New("vmdk: the writer was called out of order or with a piece of the wrong size")

// accept checks a piece against the contract and notes it. The disk may end
// inside of the last sector.
func (w *Writer) accept(off, n int64) error {
	end, unit := off+n, w.Granularity()
	if w.done || off < w.end || n < 0 || n > w.l.Size-off || off%unit != 0 || end%unit != 0 && w.l.Size-end >= sectorSize {
		return errOrder
	}
	w.end = end
	return nil
}

// part is the number of the extent in which the byte of the disk at off lies.
func (w *Writer) part(off int64) int {
	if !w.l.split() {
		return 0
	}
	return int(max(min(off/w.l.SplitSize, int64(len(w.parts)-1)), 0))
}

// place gives the n bytes of the disk at off their place, or fewer of them.
func (w *Writer) place(off, n int64) (host, placed int64, err error) {
	i := int64(w.part(off))
	if end := w.parts[i].end; w.l.split() && off < end && end < w.l.Size {
		n = min(n, end-off)
	}
	if err := w.accept(off, n); err != nil {
		return 0, 0, err
	}
	p := &w.parts[i]
	host = off - p.off
	if p.sparse != nil && n > 0 {
		if host, err = p.sparse.place(off-p.off, n); err != nil {
			return 0, 0, err
		}
	}
	return i*stride + host, n, nil
}

// Zero says that the n bytes at off are zeros. What is never mentioned is too,
// unless there is a parent, from which it reads then.
func (w *Writer) Zero(off, n int64) error {
	if err := w.accept(off, n); err != nil || w.l.Parent == "" {
		return err
	}
	for n > 0 {
		p := &w.parts[w.part(off)]
		part := min(n, p.end-off)
		var err error
		if w.l.ZeroedGrain {
			err = p.sparse.zero(off-p.off, part)
		} else {
			_, err = p.sparse.place(off-p.off, part) // and nothing is written there
		}
		if err != nil {
			return err
		}
		off, n = off+part, n-part
	}
	return nil
}

// Commit writes the tables, and after everything else is on the disk the header
// or the descriptor.
func (w *Writer) Commit() error {
	if w.done {
		return errOrder
	}
	w.done = true
	text := w.l.descriptor(w.extents)
	for i, p := range w.parts {
		if p.sparse == nil {
			if err := p.f.Truncate(w.extents[i].size); err != nil {
				return err
			}
			if err := p.f.Sync(); err != nil {
				return err
			}
			continue
		}
		inside := text
		if w.l.named() {
			inside = nil
		}
		if err := p.sparse.commit(inside); err != nil {
			return err
		}
	}
	if !w.l.named() {
		return nil
	}
	if _, err := w.f.WriteAt(text, 0); err != nil {
		return err
	}
	return w.f.Sync()
}

// Close ends the use of the Writer. Without Commit the file is no image.
func (w *Writer) Close() error {
	w.done = true
	return nil
}
