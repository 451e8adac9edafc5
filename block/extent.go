package block

import (
	"io"
	"iter"
)

// Extents walks the runs of d that cover the n bytes at off, clipped to that
// range and to the end of d. Neighbours that continue each other are merged.
// After an error nothing more is yielded.
func Extents(d Device, off, n int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		size := d.Size()
		if off < 0 || n < 0 {
			yield(Extent{}, errNegative)
			return
		}
		if off >= size {
			return
		}
		end := off + min(n, size-off)
		var cur Extent
		for pos := off; pos < end; {
			e, err := d.Extent(pos)
			if err == nil && (e.Off != pos || e.Len < 1) {
				err = &Error{What: "extent", Off: pos, Err: ErrCorrupt}
			}
			if err != nil {
				if cur.Len > 0 && !yield(cur, nil) {
					return
				}
				if err == io.EOF {
					err = &Error{What: "extent", Off: pos, Err: ErrTruncated}
				}
				yield(Extent{}, err)
				return
			}
			e.Len = min(e.Len, end-pos)
			pos += e.Len
			switch {
			case cur.Len == 0:
				cur = e
			case continues(cur, e):
				cur.Len += e.Len
			default:
				if !yield(cur, nil) {
					return
				}
				cur = e
			}
		}
		if cur.Len > 0 {
			yield(cur, nil)
		}
	}
}

// continues reports whether b carries on where a ends, so that both are one
// run.
func continues(a, b Extent) bool {
	return a.Zero == b.Zero && a.Unset == b.Unset && a.Compressed == b.Compressed && a.Depth == b.Depth && a.Room == b.Room &&
		sameReader(a.Host, b.Host) && (a.Host == nil && !a.Room || a.HostOff+a.Len == b.HostOff)
}

// sameReader reports whether two Readers are one. Those of a type that cannot be
// compared, such as a slice, never are.
func sameReader(a, b Reader) (same bool) {
	defer func() {
		if recover() != nil { // nothing but the comparison can panic here
			same = false
		}
	}()
	return a == b
}

// Section returns the n bytes of d at off as a Device of their own: a
// partition. It never reads outside that window, and a window that reaches
// past the end of d is cut there.
func Section(d Device, off, n int64) Device {
	off = min(max(off, 0), d.Size())
	n = min(max(n, 0), d.Size()-off)
	if s, ok := d.(*section); ok {
		return &section{s.d, s.off + off, n}
	}
	return &section{d, off, n}
}

type section struct {
	d      Device
	off, n int64
}

func (s *section) Size() int64     { return s.n }
func (s *section) SectorSize() int { return SectorSize(s.d) }

func (s *section) ReadAt(p []byte, off int64) (int, error) {
	q, end := Clip(p, off, s.n)
	if len(q) == 0 {
		return 0, end
	}
	n, err := s.d.ReadAt(q, s.off+off)
	if n == len(q) {
		err = end
	}
	return n, err
}

func (s *section) Extent(off int64) (Extent, error) {
	if off < 0 || off >= s.n {
		return Extent{}, io.EOF
	}
	e, err := s.d.Extent(s.off + off)
	if err != nil {
		return Extent{}, err
	}
	e.Off -= s.off
	e.Len = min(e.Len, s.n-off)
	return e, nil
}
