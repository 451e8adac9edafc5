package vmdk

import (
	"io"

	"github.com/guestkit/guestkit/block"
)

// A place says where a grain lies.
type place struct {
	kind placeKind
	off  int64 // bytes in the file, if stored
	// same is how many grains from this one on are certain to be of the same
	// kind without another look, at least 1; only for kinds that are not
	// stored.
	same int64
}

type placeKind int

const (
	placeUnset placeKind = iota
	placeZero
	placeStored
)

// A grainMap finds the grains of one kind of sparse extent.
type grainMap interface {
	// find returns where grain i lies, of which need bytes are used.
	find(i, need int64) (place, error)
}

// grains is a sparse extent as a device. Grains that are stored nowhere are
// Unset: the image asks its parent for them.
type grains struct {
	r     block.Reader
	size  int64 // bytes
	grain int64 // bytes
	table grainMap
	inf   *inflater // nil unless the grains are compressed
}

func (g *grains) Size() int64 { return g.size }

// need is how many bytes of grain i belong to the extent.
func (g *grains) need(i int64) int64 { return min(g.grain, g.size-i*g.grain) }

// run returns the run of the same kind that starts at off, at most about n
// bytes long. Runs that are stored verbatim go on in the file.
func (g *grains) run(off, n int64) (p place, length int64, err error) {
	i, in := off/g.grain, off%g.grain
	p, err = g.table.find(i, g.need(i))
	if err != nil {
		return p, 0, err
	}
	length = g.need(i) - in
	if p.kind != placeStored {
		length = min((i+p.same)*g.grain, g.size) - off
	} else if g.inf != nil {
		return p, length, nil
	}
	for at := i + max(p.same, 1); length < n && off+length < g.size; {
		q, err := g.table.find(at, g.need(at))
		if err != nil || q.kind != p.kind || p.kind == placeStored && q.off != p.off+(at-i)*g.grain {
			break // an error shows when its grain is read
		}
		at += max(q.same, 1)
		length = min(at*g.grain, g.size) - off
	}
	p.off += in
	return p, length, nil
}

func (g *grains) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, g.size)
	var w *workspace
	if g.inf != nil {
		w = g.inf.take()
		defer g.inf.give(w)
	}
	last := int64(0)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		at, n, err := g.run(pos, int64(len(q)-done))
		if err != nil {
			return done, err
		}
		part := q[done:min(int64(len(q)), int64(done)+n)]
		switch {
		case at.kind != placeStored:
			clear(part)
		case g.inf != nil:
			i := pos / g.grain
			if last <= at.off {
				last = g.lookAhead(i, at.off, pos+int64(len(q)-done))
			}
			err = g.inf.read(w, part, pos%g.grain, i, g.need(i), at.off, last)
		default:
			err = block.Locate(format, "grain", at.off, block.ReadFull(g.r, part, at.off))
		}
		if err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(q), eof
}

// lookAhead returns where the grains from i on, which lies at off, end in the
// file at the latest, as far as they lie in a row and near, and before end on
// the disk.
func (g *grains) lookAhead(i, off, end int64) int64 {
	last := off
	for i++; (i+1)*g.grain <= end; i++ {
		p, err := g.table.find(i, g.need(i))
		if err != nil || p.kind == placeStored && (p.off <= last || p.off-off > maxWindow) {
			break // an error shows when its grain is read
		}
		if p.kind == placeStored {
			last = p.off
		}
	}
	if last == off {
		return off // alone
	}
	return last + markerSize + g.inf.most()
}

// maxRun bounds how far Extent looks ahead, in bytes.
const maxRun = 64 << 20

func (g *grains) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= g.size {
		return block.Extent{}, io.EOF
	}
	p, n, err := g.run(off, maxRun)
	if err != nil {
		return block.Extent{}, err
	}
	e := block.Extent{Off: off, Len: n}
	switch {
	case p.kind == placeUnset:
		e.Zero, e.Unset = true, true
	case p.kind == placeZero:
		e.Zero = true
	case g.inf != nil:
		e.Compressed = true
	default:
		return g.hostExtent(e, p.off)
	}
	return e, nil
}

// hostExtent fills in where the data at off of the file lies furthest down. A
// hole of the host's file system is Zero.
func (g *grains) hostExtent(e block.Extent, off int64) (block.Extent, error) {
	below, err := block.Plain(g.r).Extent(off)
	if err != nil {
		return block.Extent{}, block.Locate(format, "grain", off, err)
	}
	e.Len = min(e.Len, below.Len)
	e.Zero = below.Zero
	e.Host, e.HostOff = below.Host, below.HostOff
	if below.Host == nil && below.Zero {
		e.Host, e.HostOff = g.r, off
	}
	return e, nil
}

// zeros is an extent of the kind ZERO.
type zeros int64

func (z zeros) Size() int64 { return int64(z) }

func (z zeros) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, int64(z))
	clear(q)
	return len(q), eof
}

func (z zeros) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= int64(z) {
		return block.Extent{}, io.EOF
	}
	return block.Extent{Off: off, Len: int64(z) - off, Zero: true}, nil
}
