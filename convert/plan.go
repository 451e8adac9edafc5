package convert

import (
	"context"
	"os"

	"github.com/guestkit/guestkit/block"
)

// class says what is to be done with a range of the disk.
type class uint8

const (
	classData class = iota
	classZero
	classGap // left to the target's backing file
)

// A span is a range of one class. For data, host is the file in which it lies
// verbatim at hostOff, nil if in none.
type span struct {
	class   class
	off, n  int64
	host    *os.File
	hostOff int64
}

// follows reports whether b carries on where a ends.
func (a *span) follows(b *span) bool {
	return a.class == b.class && a.off+a.n == b.off && a.host == b.host && (a.host == nil || a.hostOff+a.n == b.hostOff)
}

// A planner turns the extents of a disk into spans whose borders are multiples
// of unit.
type planner struct {
	src     block.Device
	unit    int64
	keep    int  // see Options.KeepDepth
	salvage bool // take what has no readable extent for data
	emit    func(span) error
	cur     span // collects neighbours
	part    span // a unit that began inside of itself, or has begun
}

// run walks the extents. It stops between them when ctx is done.
func (p *planner) run(ctx context.Context) error {
	if s, ok := p.src.(*sequence); ok {
		return s.plan(ctx, p.emit)
	}
	size := p.src.Size()
	for off := int64(0); off < size; {
		var err error
		for e, xerr := range block.Extents(p.src, off, size-off) {
			if err = xerr; err != nil {
				break
			}
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if err := p.add(p.classify(e), size); err != nil {
				return err
			}
			off = e.Off + e.Len
		}
		if err == nil {
			break
		}
		if !p.salvage {
			return readError(off, err)
		}
		// Nothing is known here, so it is read, which finds out what is lost.
		n := min(64<<10-off%(64<<10), size-off)
		if err := p.add(span{class: classData, off: off, n: n}, size); err != nil {
			return err
		}
		off += n
	}
	return p.flush()
}

func (p *planner) classify(e block.Extent) span {
	s := span{off: e.Off, n: e.Len}
	switch {
	case p.keep > 0 && (e.Unset || e.Depth >= p.keep):
		s.class = classGap
	case e.Zero:
		s.class = classZero
	default:
		if f, ok := e.Host.(interface{ File() *os.File }); ok {
			s.host, s.hostOff = f.File(), e.HostOff
		}
	}
	return s
}

// add takes the next range, whatever its borders.
func (p *planner) add(s span, size int64) error {
	for s.n > 0 {
		end := s.off + s.n
		in := s.off & (p.unit - 1)
		if in == 0 {
			whole := end &^ (p.unit - 1)
			if end == size {
				whole = end
			}
			if whole > s.off {
				piece := s
				piece.n = whole - s.off
				if err := p.collect(piece); err != nil {
					return err
				}
				s.off, s.n, s.hostOff = whole, end-whole, s.hostOff+piece.n
				continue
			}
			p.part = s // the unit goes on behind s
			return nil
		}
		// Inside a unit: what is not all of one kind is data, to be read.
		n := min(s.n, p.unit-in)
		if !p.part.follows(&s) {
			if p.part.class != s.class {
				p.part.class = classData
			}
			p.part.host = nil
		}
		p.part.n += n
		s.off, s.n, s.hostOff = s.off+n, s.n-n, s.hostOff+n
		if s.off&(p.unit-1) == 0 || s.off == size {
			if err := p.collect(p.part); err != nil {
				return err
			}
		}
	}
	return nil
}

// collect joins neighbours.
func (p *planner) collect(s span) error {
	if p.cur.n > 0 && p.cur.follows(&s) {
		p.cur.n += s.n
		return nil
	}
	err := p.flush()
	p.cur = s
	return err
}

func (p *planner) flush() error {
	if p.cur.n == 0 {
		return nil
	}
	s := p.cur
	p.cur = span{}
	return p.emit(s)
}
