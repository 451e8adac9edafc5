package ntfs

import (
	"bytes"
	"io"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/runs"
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
	reader      runs.Reader
}

func (s *plain) Size() int64 { return s.size }

func (s *plain) ReadAt(p []byte, off int64) (int, error) {
	q, end := block.Clip(p, off, s.size)
	n, err := s.reader.Read(s.v.r, s, q, off)
	if err != nil {
		return n, err
	}
	return n, end
}

// Place implements [runs.Layout].
func (s *plain) Place(off int64) (at, n int64, err error) {
	if off >= s.valid {
		return -1, s.size - off, nil
	}
	vcn := off / s.v.cluster
	r, err := s.at(vcn)
	if err != nil {
		return 0, 0, err
	}
	skip := off - vcn*s.v.cluster
	n = min(r.n*s.v.cluster-skip, s.valid-off)
	if r.lcn == sparse {
		return -1, n, nil
	}
	return r.lcn*s.v.cluster + skip, n, nil
}

// Locate implements [runs.Layout].
func (s *plain) Locate(at int64, err error) error {
	return block.Locate("ntfs", s.what(), at, err)
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
