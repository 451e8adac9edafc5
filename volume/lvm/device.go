package lvm

import (
	"io"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// mapped is a logical volume as a device.
type mapped struct {
	size   int64
	pieces []piece // in order, without gaps
}

// A piece is one segment: size bytes that rotate over its stripes, stripe bytes
// at a time.
type piece struct {
	off, size int64
	stripe    int64
	stripes   []stripe
}

// A stripe is where one physical volume's part of a segment begins.
type stripe struct {
	pv  *PhysicalVolume
	off int64
}

func (d *mapped) Size() int64 { return d.size }

func (d *mapped) SectorSize() int { return block.SectorSize(d.pieces[0].stripes[0].pv.Device) }

// at returns the physical volume and the offset there that hold off, and for
// how many bytes.
func (d *mapped) at(off int64) (dev block.Device, pos, n int64) {
	p := &d.pieces[sort.Search(len(d.pieces), func(i int) bool { return d.pieces[i].off+d.pieces[i].size > off })]
	in := off - p.off
	chunk, rest := in/p.stripe, in%p.stripe
	s := p.stripes[chunk%int64(len(p.stripes))]
	return s.pv.Device, s.off + chunk/int64(len(p.stripes))*p.stripe + rest, min(p.stripe-rest, p.size-in)
}

func (d *mapped) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, d.size)
	for done := 0; done < len(q); {
		dev, pos, n := d.at(off + int64(done))
		part := q[done:min(int64(len(q)), int64(done)+n)]
		if err := block.ReadFull(dev, part, pos); err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(q), eof
}

func (d *mapped) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= d.size {
		return block.Extent{}, io.EOF
	}
	dev, pos, n := d.at(off)
	e, err := dev.Extent(pos)
	e.Off, e.Len = off, min(e.Len, n)
	return e, err
}
