package ntfs

import (
	"bytes"
	"io"

	"github.com/guestkit/guestkit/block"
)

// resident is a stream whose bytes lie in its MFT record. Fixups interrupt
// them there, so they lie nowhere verbatim.
type resident struct{ *bytes.Reader }

func (r resident) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= r.Size() {
		return block.Extent{}, io.EOF
	}
	return block.Extent{Off: off, Len: r.Size() - off}, nil
}

// plain is a non-resident stream that is stored as it is, perhaps with holes.
// From byte valid on it reads as zeros, whatever the clusters hold.
type plain struct {
	*mapping
	size, valid int64
}

func (s *plain) Size() int64 { return s.size }

func (s *plain) ReadAt(p []byte, off int64) (int, error) {
	q, end := block.Clip(p, off, s.size)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		if pos >= s.valid {
			clear(q[done:])
			break
		}
		vcn := pos / s.v.cluster
		r, err := s.at(vcn)
		if err != nil {
			return done, err
		}
		skip := pos - vcn*s.v.cluster
		n := min(r.n*s.v.cluster-skip, s.valid-pos, int64(len(q)-done))
		part := q[done : done+int(n)]
		if r.lcn == sparse {
			clear(part)
		} else if err := block.ReadFull(s.v.r, part, r.lcn*s.v.cluster+skip); err != nil {
			return done, block.Locate("ntfs", s.what(), r.lcn*s.v.cluster+skip, err)
		}
		done += int(n)
	}
	return len(q), end
}

func (s *plain) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= s.size {
		return block.Extent{}, io.EOF
	}
	vcn := off / s.v.cluster
	r, err := s.at(vcn)
	if err != nil {
		return block.Extent{}, err
	}
	skip := off - vcn*s.v.cluster
	e := block.Extent{Off: off, Len: r.n*s.v.cluster - skip}
	switch {
	case r.lcn == sparse:
		e.Zero, e.Unset = true, true
	case off >= s.valid:
		e.Zero = true
	default:
		e.Len = min(e.Len, s.valid-off)
		e.Host, e.HostOff = s.v.r, r.lcn*s.v.cluster+skip
		if e.HostOff >= s.v.r.Size() {
			return block.Extent{}, block.Errorf("ntfs", s.what(), e.HostOff, block.ErrTruncated, "")
		}
	}
	return e, nil
}
