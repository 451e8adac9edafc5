package bitlocker

import (
	"io"
	"sort"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/crypt"
)

// mixed is a volume of which a part is encrypted, by its offsets on the disk.
type mixed struct {
	plain, encrypted block.Device
	maps             []bitmap // of encrypt-on-write; nil if the watermark counts
	watermark        int64    // what lies behind it is plain
	log              span     // that cannot be read
}

func (d *mixed) Size() int64     { return d.plain.Size() }
func (d *mixed) SectorSize() int { return block.SectorSize(d.encrypted) }

// at returns the device that holds off, and for how many bytes.
func (d *mixed) at(off int64) (block.Device, int64, error) {
	if in := off - d.log.off; in >= 0 && in < d.log.size {
		return nil, 0, block.Errorf(format, "conversion log", off, block.ErrDirty, "these bytes were being converted; let Windows finish it")
	}
	n := d.Size() - off
	if off < d.log.off {
		n = min(n, d.log.off-off)
	}
	if d.maps == nil {
		if off < d.watermark {
			return d.encrypted, min(n, d.watermark-off), nil
		}
		return d.plain, n, nil
	}
	i := sort.Search(len(d.maps), func(i int) bool { return d.maps[i].off+d.maps[i].size > off })
	if i == len(d.maps) {
		return nil, 0, block.Errorf(format, "EOW bitmap", off, block.ErrCorrupt, "no bitmap says whether this is encrypted")
	}
	m := &d.maps[i]
	c := (off - m.off) / m.chunk
	set := m.set(c)
	end := c + 1
	for end*m.chunk < m.size && end*m.chunk-(off-m.off) < n && end-c < 4096 && m.set(end) == set {
		end++
	}
	n = min(n, min(end*m.chunk, m.size)-(off-m.off))
	if set {
		return d.encrypted, n, nil
	}
	return d.plain, n, nil
}

func (m *bitmap) set(chunk int64) bool { return m.bits[chunk/8]>>(chunk%8)&1 != 0 }

func (d *mixed) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, d.Size())
	for done := 0; done < len(q); {
		dev, n, err := d.at(off + int64(done))
		if err != nil {
			return done, err
		}
		part := q[done:min(int64(len(q)), int64(done)+n)]
		if err := block.ReadFull(dev, part, off+int64(done)); err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(q), eof
}

func (d *mixed) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= d.Size() {
		return block.Extent{}, io.EOF
	}
	dev, n, err := d.at(off)
	if err != nil { // for those who read it
		return block.Extent{Off: off, Len: 1}, nil
	}
	e, err := dev.Extent(off)
	e.Len = min(e.Len, n)
	return e, err
}

// layout lays the relocated first sectors to the front, and zeros over what is
// BitLocker's own.
func (v *Volume) layout(base block.Device) *crypt.Device {
	m, sector, size := v.meta, v.sector, v.size
	var segs []crypt.Segment
	at := int64(0)
	if m.version >= 2 {
		at = min(int64(m.virtualizedSectors)*sector, size)
		segs = append(segs, crypt.Segment{Kind: crypt.Plain, Len: at, Host: int64(m.virtualizedOffset)})
	} else {
		// Vista leaves the first 8 KiB as they are, but for two fields of the
		// boot sector.
		segs = append(segs, crypt.Segment{Kind: crypt.Patched, Len: int64(len(v.vista)), Data: v.vista})
		at = int64(len(v.vista))
	}
	for _, s := range v.reserved {
		end := min(s.off+s.size, size)
		if end <= at {
			continue
		}
		if s.off > at {
			segs = append(segs, crypt.Segment{Kind: crypt.Plain, Len: s.off - at, Host: at})
			at = s.off
		}
		segs = append(segs, crypt.Segment{Kind: crypt.Zeros, Len: end - at})
		at = end
	}
	segs = append(segs, crypt.Segment{Kind: crypt.Plain, Len: size - at, Host: at})
	return crypt.NewDevice(base, nil, int(sector), 1, segs)
}
