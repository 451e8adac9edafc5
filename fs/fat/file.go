package fat

import (
	"io"

	"github.com/guestkit/guestkit/block"
)

// file is the content of a regular file.
type file struct {
	*chain
	size int64
}

func (f *file) Size() int64 { return f.size }

// place returns where on the volume the byte at off lies, and how many bytes of
// the file follow there.
func (f *file) place(off int64) (pos, n int64, err error) {
	cluster, count, err := f.at(off / f.v.cluster)
	if err != nil {
		return 0, 0, err
	}
	in := off % f.v.cluster
	return f.v.offset(cluster) + in, min(count*f.v.cluster-in, f.size-off), nil
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, f.size)
	for done := 0; done < len(q); {
		pos, n, err := f.place(off + int64(done))
		if err != nil {
			return done, err
		}
		part := q[done:min(int64(len(q)), int64(done)+n)]
		if err := block.ReadFull(f.v.r, part, pos); err != nil {
			return done, block.Locate(format, "cluster", pos, err)
		}
		done += len(part)
	}
	return len(q), eof
}

func (f *file) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= f.size {
		return block.Extent{}, io.EOF
	}
	pos, n, err := f.place(off)
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
