package crypt

import (
	"io"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// A Kind says how the bytes of a Segment become readable.
type Kind uint8

const (
	Encrypted Kind = iota
	Plain          // they lie there as they are
	Zeros          // what lies there is not the volume's: zeros are read
	Patched        // they are in Data
)

// A Segment is a part of a decrypted volume.
type Segment struct {
	Kind  Kind
	Len   int64  // bytes
	Host  int64  // offset in the reader beneath; of all but Zeros and Patched
	First uint64 // number of the first sector; of an Encrypted one
	Data  []byte // of Len bytes; of a Patched one
	off   int64
}

// A Device is a volume that is decrypted while it is read.
type Device struct {
	r      block.Device
	size   int64
	segs   []Segment
	cipher Cipher
	sector int64
	step   uint64
}

// NewDevice makes a Device of segments that follow each other. Each is a whole
// number of sectors of the given size, which count as step numbers each.
func NewDevice(r block.Device, c Cipher, sector int, step uint64, segs []Segment) *Device {
	d := &Device{r: r, cipher: c, sector: int64(sector), step: step}
	for _, s := range segs {
		if s.Len <= 0 {
			continue
		}
		s.off = d.size
		d.size += s.Len
		d.segs = append(d.segs, s)
	}
	return d
}

// Size returns the size of the volume in bytes.
func (d *Device) Size() int64 { return d.size }

// SectorSize returns the size of the sectors that are encrypted as one, which
// the kernel makes the logical sectors of the volume.
func (d *Device) SectorSize() int { return max(int(d.sector), block.SectorSize(d.r)) }

func (d *Device) segment(off int64) *Segment {
	return &d.segs[sort.Search(len(d.segs), func(i int) bool { return d.segs[i].off+d.segs[i].Len > off })]
}

// ReadAt reads decrypted bytes.
func (d *Device) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, d.size)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		s := d.segment(pos)
		in := pos - s.off
		part := q[done:min(int64(len(q)), int64(done)+s.Len-in)]
		n, err := d.read(s, part, in)
		done += n
		if err != nil {
			return done, err
		}
	}
	return len(q), eof
}

// read fills p from in bytes into a segment, or the first sector of it.
func (d *Device) read(s *Segment, p []byte, in int64) (int, error) {
	switch s.Kind {
	case Zeros:
		clear(p)
		return len(p), nil
	case Patched:
		return copy(p, s.Data[in:]), nil
	case Plain:
		if err := block.ReadFull(d.r, p, s.Host+in); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	rest := in % d.sector
	first := s.First + uint64(in/d.sector)*d.step
	if rest != 0 || int64(len(p)) < d.sector {
		b := make([]byte, d.sector)
		if err := block.ReadFull(d.r, b, s.Host+in-rest); err != nil {
			return 0, err
		}
		d.cipher.Decrypt(b, first)
		return copy(p, b[rest:]), nil
	}
	p = p[:int64(len(p))/d.sector*d.sector]
	if err := block.ReadFull(d.r, p, s.Host+in); err != nil {
		return 0, err
	}
	d.cipher.Decrypt(p, first)
	return len(p), nil
}

// Extent says that encrypted bytes are data, whatever lies beneath: zeros there
// are not zeros here.
func (d *Device) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= d.size {
		return block.Extent{}, io.EOF
	}
	s := d.segment(off)
	in := off - s.off
	e := block.Extent{Off: off, Len: s.Len - in}
	switch s.Kind {
	case Zeros:
		e.Zero = true
	case Plain:
		x, err := d.r.Extent(s.Host + in)
		if err != nil {
			return block.Extent{}, err
		}
		x.Off, x.Len = off, min(x.Len, e.Len)
		return x, nil
	}
	return e, nil
}

var _ block.Device = (*Device)(nil)
