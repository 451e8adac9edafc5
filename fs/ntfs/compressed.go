package ntfs

import (
	"io"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ntfs/internal/lznt1"
)

// maxUnit is the largest compression unit: 16 clusters of 4 KiB.
const maxUnit = 64 << 10

// A compressed stream is cut into compression units, most often 16 clusters.
// A unit with all of its clusters is stored as it is, one with none is a hole;
// the clusters of any other hold its bytes in LZNT1, then come sparse ones.
type compressed struct {
	*plain
	instance uint16
	unit     int64 // bytes
}

// unitKey names a decompressed part of a stream.
type unitKey struct {
	num      uint64
	instance uint16
	index    int64
}

func (v *volume) openCompressed(a *attribute, s *plain) (block.Device, error) {
	if method := a.flags & attrCompressionMask; method != attrLZNT1 {
		return nil, block.Errorf("ntfs", s.what(), v.recordOffset(s.owner), block.ErrUnsupported, "compression method %d", method)
	}
	unit := v.cluster << min(a.unit, 32)
	if a.unit == 0 || unit > maxUnit {
		return nil, corrupt(s.what(), v.recordOffset(s.owner), "compression units of 2^%d clusters", a.unit)
	}
	return &compressed{s, a.instance, unit}, nil
}

// stored returns how many clusters of unit i hold something: all, if it is not
// compressed.
func (s *compressed) stored(i int64) (int64, error) {
	clusters := s.unit / s.v.cluster
	first := i * clusters
	stored, hole := int64(0), false
	for vcn := first; vcn < min(first+clusters, s.clusters); {
		r, err := s.at(vcn)
		if err != nil {
			return 0, err
		}
		n := min(r.n, first+clusters-vcn)
		switch {
		case r.lcn == sparse:
			hole = true
		case hole:
			return 0, corrupt(s.what(), r.lcn*s.v.cluster, "compression unit %d has clusters after a hole", i)
		default:
			stored += n
		}
		vcn += n
	}
	return stored, nil
}

// hole returns how many bytes from unit i on, which is a hole, are one in whole
// units: a file may be nothing else, of any size.
func (s *compressed) hole(i int64) (int64, error) {
	r, err := s.at(i * (s.unit / s.v.cluster))
	if err != nil {
		return 0, err
	}
	return max(s.unit, r.n*s.v.cluster/s.unit*s.unit), nil
}

// content returns the bytes of unit i, which is compressed into so many
// clusters.
func (s *compressed) content(i, stored int64) ([]byte, error) {
	return s.v.units.Get(unitKey{s.owner, s.instance, i}, func() ([]byte, int64, error) {
		in := make([]byte, stored*s.v.cluster)
		raw := &plain{mapping: s.mapping, size: s.clusters * s.v.cluster, valid: s.clusters * s.v.cluster}
		if err := block.ReadFull(raw, in, i*s.unit); err != nil {
			return nil, 0, err
		}
		out := make([]byte, s.unit)
		if err := lznt1.Decode(out, in); err != nil {
			return nil, 0, corrupt(s.what(), -1, "compression unit %d: %v", i, err)
		}
		return out, s.unit, nil
	})
}

func (s *compressed) ReadAt(p []byte, off int64) (int, error) {
	q, end := block.Clip(p, off, s.size)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		if pos >= s.valid {
			clear(q[done:])
			break
		}
		i := pos / s.unit
		n := min((i+1)*s.unit-pos, s.valid-pos, int64(len(q)-done))
		if err := s.readUnit(q[done:done+int(n)], i, pos-i*s.unit); err != nil {
			return done, err
		}
		done += int(n)
	}
	return len(q), end
}

// readUnit reads from byte skip of unit i on.
func (s *compressed) readUnit(p []byte, i, skip int64) error {
	stored, err := s.stored(i)
	switch {
	case err != nil:
		return err
	case stored == 0:
		clear(p)
		return nil
	case stored == s.unit/s.v.cluster:
		return block.ReadFull(s.plain, p, i*s.unit+skip)
	}
	b, err := s.content(i, stored)
	if err != nil {
		return err
	}
	copy(p, b[skip:])
	return nil
}

func (s *compressed) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= s.size {
		return block.Extent{}, io.EOF
	}
	i := off / s.unit
	stored, err := s.stored(i)
	if err != nil {
		return block.Extent{}, err
	}
	e := block.Extent{Off: off, Len: (i+1)*s.unit - off}
	switch {
	case stored == 0:
		e.Zero, e.Unset = true, true
		e.Len, err = s.hole(i)
		e.Len -= off - i*s.unit
		return e, err
	case off >= s.valid:
		e.Zero = true
	case stored == s.unit/s.v.cluster:
		e, err = s.plain.Extent(off)
		e.Len = min(e.Len, (i+1)*s.unit-off)
		return e, err
	default:
		e.Len = min(e.Len, s.valid-off)
		e.Compressed = true
	}
	return e, nil
}
