package block

import (
	"container/heap"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
)

// An Overlay collects changed ranges that will lie over a Reader: the entries
// of a log or a journal, in the order in which they apply. It holds an index
// (range to where the bytes are), never copies of them. Once all are added,
// [Overlay.Device] gives the result.
type Overlay struct {
	base   Reader
	size   int64
	max    int
	ranges []overRange
}

// overRange says that the n bytes at off come from src at srcOff; src is nil
// for zeros.
type overRange struct {
	off, n int64
	src    Reader
	srcOff int64
	seq    int
}

// NewOverlay starts an overlay of base whose result has the given size in
// bytes, which may differ from that of base; what lies past base and under no
// range reads as zeros. At most maxRanges may be added, so that a hostile log
// cannot make the index grow without bound.
func NewOverlay(base Reader, size int64, maxRanges int) *Overlay {
	return &Overlay{base: base, size: size, max: maxRanges}
}

// Set lays the n bytes of src at srcOff over the range that starts at off. A
// nil src means zeros. A later Set wins over an earlier one. Ranges that leave
// the overlay or src wrap ErrCorrupt, too many of them ErrLimit.
func (o *Overlay) Set(off, n int64, src Reader, srcOff int64) error {
	if off < 0 || n < 0 || n > o.size-off {
		return &Error{What: "overlay range", Off: off, Err: fmt.Errorf("%w: %d bytes do not lie inside %d", ErrCorrupt, n, o.size)}
	}
	if src != nil && (srcOff < 0 || srcOff > src.Size() || n > src.Size()-srcOff) {
		return &Error{What: "overlay source", Off: srcOff, Err: ErrCorrupt}
	}
	if n == 0 {
		return nil
	}
	if len(o.ranges) >= o.max {
		return &Error{What: "overlay", Off: -1, Err: fmt.Errorf("%w: more than %d changed ranges", ErrLimit, o.max)}
	}
	o.ranges = append(o.ranges, overRange{off, n, src, srcOff, len(o.ranges)})
	return nil
}

// Len returns how many ranges were set.
func (o *Overlay) Len() int { return len(o.ranges) }

// Device returns the base with all ranges laid over it. It is immutable; later
// calls of Set do not change it.
func (o *Overlay) Device() Device {
	return &overlaid{base: Plain(o.base), size: o.size, ranges: flatten(o.ranges)}
}

// flatten turns ranges that may overlap into disjoint ones in rising order,
// the latest on top. It sweeps over the starts with a heap of the ranges that
// are open, so it takes n log n steps.
func flatten(in []overRange) []overRange {
	rs := slices.Clone(in)
	sort.SliceStable(rs, func(i, j int) bool { return rs[i].off < rs[j].off })
	var out []overRange
	var open overHeap
	pos := int64(0)
	for i := 0; i < len(rs) || len(open) > 0; {
		if len(open) == 0 {
			pos = rs[i].off
		}
		for i < len(rs) && rs[i].off <= pos {
			heap.Push(&open, rs[i])
			i++
		}
		top := open[0]
		if top.off+top.n <= pos {
			heap.Pop(&open)
			continue
		}
		next := int64(math.MaxInt64)
		if i < len(rs) {
			next = rs[i].off
		}
		end := min(top.off+top.n, next)
		out = appendRange(out, overRange{pos, end - pos, top.src, top.srcOff + (pos - top.off), 0})
		pos = end
	}
	return out
}

// appendRange adds r, which starts at or past the end of the last one, and
// merges it with that where it continues it.
func appendRange(out []overRange, r overRange) []overRange {
	if len(out) > 0 {
		l := &out[len(out)-1]
		if l.off+l.n == r.off && l.src == r.src && (r.src == nil || l.srcOff+l.n == r.srcOff) {
			l.n += r.n
			return out
		}
	}
	return append(out, r)
}

// overHeap has the latest range on top.
type overHeap []overRange

func (h overHeap) Len() int           { return len(h) }
func (h overHeap) Less(i, j int) bool { return h[i].seq > h[j].seq }
func (h overHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *overHeap) Push(x any)        { *h = append(*h, x.(overRange)) }
func (h *overHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

type overlaid struct {
	base   Device
	size   int64
	ranges []overRange
}

func (o *overlaid) Size() int64     { return o.size }
func (o *overlaid) SectorSize() int { return SectorSize(o.base) }

// at returns the range that holds off, if any, and where the next change of
// source comes.
func (o *overlaid) at(off int64) (r *overRange, end int64) {
	i := sort.Search(len(o.ranges), func(i int) bool { return o.ranges[i].off+o.ranges[i].n > off })
	if i == len(o.ranges) {
		return nil, o.size
	}
	if r := &o.ranges[i]; r.off <= off {
		return r, r.off + r.n
	}
	return nil, o.ranges[i].off
}

func (o *overlaid) ReadAt(p []byte, off int64) (int, error) {
	q, eof := Clip(p, off, o.size)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		r, end := o.at(pos)
		part := q[done:min(len(q), done+int(min(end-pos, int64(len(q)))))]
		var err error
		switch {
		case r == nil:
			err = o.readBase(part, pos)
		case r.src == nil:
			clear(part)
		default:
			err = ReadFull(r.src, part, r.srcOff+(pos-r.off))
		}
		if err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(q), eof
}

func (o *overlaid) readBase(p []byte, off int64) error {
	n := int(min(max(o.base.Size()-off, 0), int64(len(p))))
	clear(p[n:])
	return ReadFull(o.base, p[:n], off)
}

func (o *overlaid) Extent(off int64) (Extent, error) {
	if off < 0 || off >= o.size {
		return Extent{}, io.EOF
	}
	r, end := o.at(off)
	switch {
	case r == nil && off >= o.base.Size():
		return Extent{Off: off, Len: end - off, Zero: true, Unset: true}, nil
	case r == nil:
		e, err := o.base.Extent(off)
		e.Len = min(e.Len, end-off, o.base.Size()-off)
		return e, err
	case r.src == nil:
		return Extent{Off: off, Len: end - off, Zero: true}, nil
	}
	return Extent{Off: off, Len: end - off, Host: r.src, HostOff: r.srcOff + (off - r.off)}, nil
}
