package fat

import (
	"io"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/runs"
)

// file is the content of a regular file.
type file struct {
	*chain
	size   int64
	reader runs.Reader
}

func (f *file) Size() int64 { return f.size }

// Place implements [runs.Layout].
func (f *file) Place(off int64) (pos, n int64, err error) {
	cluster, count, err := f.at(off / f.v.cluster)
	if err != nil {
		return 0, 0, err
	}
	in := off % f.v.cluster
	return f.v.offset(cluster) + in, min(count*f.v.cluster-in, f.size-off), nil
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, f.size)
	n, err := f.reader.Read(f.v.r, f, q, off)
	if err != nil {
		return n, err
	}
	return n, eof
}

// Locate implements [runs.Layout].
func (f *file) Locate(at int64, err error) error {
	return block.Locate(format, "cluster", at, err)
}

func (f *file) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= f.size {
		return block.Extent{}, io.EOF
	}
	pos, n, err := f.Place(off)
	if err != nil {
		return block.Extent{}, err
	}
	if pos >= f.v.r.Size() {
		return block.Extent{}, block.Errorf(format, "cluster", pos, block.ErrTruncated, "")
	}
	e, err := f.v.r.Extent(pos)
	if err != nil {
		return block.Extent{}, err
	}
	e.Off, e.Len = off, min(e.Len, n)
	return e, nil
}
