package udf

import (
	"errors"
	"io"
	"sort"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/runs"
)

const (
	maxRuns    = 1 << 20 // of a file; pieces that packets divide it into, too
	maxChained = 1 << 12 // extents of allocation descriptors
)

// A run is a stretch of a file that lies in one piece; off is -1 where nothing
// was recorded.
type run struct{ from, n, off int64 }

func (r run) end() int64 { return r.from + r.n }

// eachAD calls fn with the extents of an entry, in order, those in further extents
// of allocation descriptors included.
func (f *filesystem) eachAD(e *entry, fn func(x extent) error) error {
	descs, size := e.descs, 8
	switch e.icb.flags & 7 {
	case longADs:
		size = 16
	case extendedADs:
		size = 20
	}
	for range maxChained {
		var next *extent
		for ; len(descs) >= size; descs = descs[size:] {
			var x extent
			switch size {
			case 8:
				x = extentOf(le.Uint32(descs), place{le.Uint32(descs[4:]), e.at.partition})
			case 16:
				x = longAD(descs)
			case 20:
				var at place
				at.decode(descs[12:])
				x = extentOf(le.Uint32(descs), at)
			}
			if x.n == 0 {
				return nil
			}
			if x.kind == extentNext {
				next = &x
				break
			}
			if err := fn(x); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		b, off, err := f.readBlock(next.at)
		if err != nil {
			return err
		}
		id, err := checkTag(b, off)
		if err != nil {
			return err
		}
		n := int64(le.Uint32(b[20:]))
		if id != tagAllocExtent || n > int64(len(b))-24 {
			return e.errorf(block.ErrCorrupt, "descriptor %d with %d bytes in place of allocation descriptors", id, n)
		}
		descs = b[24 : 24+n]
	}
	return e.errorf(block.ErrLoop, "more than %d extents of allocation descriptors", maxChained)
}

// errWhole ends a walk over extents: the file has all it needs.
var errWhole = errors.New("whole")

// runsOf returns where the content of an entry lies. What it has no extents for
// is not recorded.
func (f *filesystem) runsOf(e *entry) ([]run, error) {
	var runs []run
	pos, pieces := int64(0), 0
	add := func(n, off int64) error {
		if k := len(runs) - 1; k >= 0 && (off < 0 && runs[k].off < 0 || off >= 0 && runs[k].off >= 0 && runs[k].off+runs[k].n == off) {
			runs[k].n += n
		} else if runs = append(runs, run{pos, n, off}); len(runs) > maxRuns {
			return e.errorf(block.ErrLimit, "more than %d extents", maxRuns)
		}
		pos += n
		return nil
	}
	err := f.eachAD(e, func(x extent) error {
		n := min(int64(x.n), e.size-pos)
		if n == 0 {
			return errWhole
		}
		if x.kind != extentRecorded {
			return add(n, -1)
		}
		for at := x.at; n > 0; {
			off, blocks, err := f.locate(at, (n+f.bs-1)/f.bs)
			if err != nil {
				return err
			}
			if pieces++; pieces > maxRuns { // those that lie side by side are one run
				return e.errorf(block.ErrLimit, "more than %d extents", maxRuns)
			}
			m := min(n, blocks*f.bs)
			if err := add(m, off); err != nil {
				return err
			}
			n -= m
			at.block += uint32(blocks)
		}
		return nil
	})
	if err != nil && err != errWhole {
		return nil, err
	}
	if pos < e.size {
		return runs, add(e.size-pos, -1)
	}
	return runs, nil
}

// content is the bytes of a file that has extents.
type content struct {
	f      *filesystem
	size   int64
	runs   []run
	b      []byte // of one that is in its entry
	reader runs.Reader
}

// streamOf opens the content of an entry.
func (f *filesystem) streamOf(e *entry) (*content, error) {
	c := &content{f: f, size: e.size}
	if e.icb.flags&7 == embedded {
		c.b = e.descs[:e.size]
		return c, nil
	}
	var err error
	c.runs, err = f.runsOf(e)
	return c, err
}

func (c *content) Size() int64 { return c.size }

// at returns the run that holds off.
func (c *content) at(off int64) run {
	return c.runs[sort.Search(len(c.runs), func(i int) bool { return c.runs[i].end() > off })]
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	q, end := block.Clip(p, off, c.size)
	if c.b != nil {
		if len(q) > 0 {
			copy(q, c.b[off:])
		}
		return len(q), end
	}
	n, err := c.reader.Read(c.f.dev, c, q, off)
	if err != nil {
		return n, err
	}
	return n, end
}

// Place implements [runs.Layout].
func (c *content) Place(off int64) (at, n int64, err error) {
	r := c.at(off)
	if r.off < 0 {
		return -1, r.end() - off, nil
	}
	return r.off + off - r.from, r.end() - off, nil
}

// Locate implements [runs.Layout].
func (c *content) Locate(at int64, err error) error {
	return block.Locate(format, "block", at, err)
}

func (c *content) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= c.size {
		return block.Extent{}, io.EOF
	}
	if c.b != nil {
		return block.Extent{Off: off, Len: c.size - off}, nil
	}
	r := c.at(off)
	in, n := off-r.from, r.end()-off
	if r.off < 0 {
		return block.Extent{Off: off, Len: n, Zero: true, Unset: true}, nil
	}
	if r.off+in >= c.f.dev.Size() {
		return block.Extent{}, block.Errorf(format, "block", r.off+in, block.ErrTruncated, "")
	}
	e, err := c.f.dev.Extent(r.off + in)
	e.Off, e.Len = off, min(e.Len, n)
	return e, err
}
