package qcow2

import (
	"iter"

	"github.com/guestkit/guestkit/block"
)

// A DirtyBitmap tells which parts of a disk were written to.
type DirtyBitmap struct {
	Bitmap
	r    block.Reader
	h    header
	size int64 // of the disk
}

// OpenBitmap finds a bitmap of the image in r. One that was in use when a
// program left the image, so that its bits may be wrong, is an error that wraps
// block.ErrCorrupt.
func OpenBitmap(r block.Reader, name string, opts *Options) (*DirtyBitmap, error) {
	if opts == nil {
		opts = &Options{}
	}
	m, err := readMetadata(r, opts)
	if err != nil {
		return nil, err
	}
	for _, b := range m.bitmaps {
		if b.Name != name {
			continue
		}
		need := m.hdr.bitmapEntries(int64(m.hdr.size), uint8(log2(b.Granularity)))
		switch {
		case b.InUse:
			return nil, block.Errorf(format, "bitmap", int64(b.table), block.ErrCorrupt, "%q was in use when the image was left, so its bits may be wrong", name)
		case int64(b.clusters) < need:
			return nil, corrupt("bitmap", int64(b.table), "the table of %q has %d entries, and the disk takes %d", name, b.clusters, need)
		}
		if err := m.hdr.validateTable("bitmap table", m.bitmapDir.start, b.table, int64(b.clusters)*8, r.Size()); err != nil && need > 0 {
			return nil, err
		}
		return &DirtyBitmap{b, r, m.hdr, int64(m.hdr.size)}, nil
	}
	return nil, block.Errorf(format, "bitmap", -1, ErrNoBitmap, "%q", name)
}

func log2(n int64) (bits int) {
	for ; n > 1; n >>= 1 {
		bits++
	}
	return bits
}

// A Range is a part of a disk, in bytes.
type Range struct{ Off, Len int64 }

// Ranges walks the parts of the disk that the bitmap says were written to, in
// order, clipped to the disk. After an error nothing more is yielded.
func (d *DirtyBitmap) Ranges() iter.Seq2[Range, error] {
	return func(yield func(Range, error) bool) {
		cs := d.h.clusterSize()
		need := d.h.bitmapEntries(d.size, uint8(log2(d.Granularity)))
		var cur Range
		add := func(bit, n int64) bool { // n bits that are set
			if bit > (d.size-1)/d.Granularity {
				return true
			}
			n = min(n, (d.size-1)/d.Granularity+1-bit)
			r := Range{bit * d.Granularity, n * d.Granularity}
			r.Len = min(r.Len, d.size-r.Off)
			if cur.Off+cur.Len == r.Off && cur.Len > 0 {
				cur.Len += r.Len
				return true
			}
			last := cur
			cur = r
			return last.Len == 0 || yield(last, nil)
		}
		table := make([]byte, 0, 4096)
		buf := make([]byte, cs)
		for i := int64(0); i < need; i++ {
			if at := i * 8 % 4096; at == 0 {
				table = table[:min(4096, (need-i)*8)]
				if err := block.ReadFull(d.r, table, int64(d.table)+i*8); err != nil {
					yield(Range{}, block.Locate(format, "bitmap table", int64(d.table)+i*8, err))
					return
				}
			}
			e := tableEntry(table, i*8%4096)
			off := int64(e & offsetMask)
			first := i * cs * 8
			switch {
			case e&^(offsetMask|allDirty) != 0 || off != 0 && e&allDirty != 0 || off&(cs-1) != 0:
				yield(Range{}, corrupt("bitmap table entry", int64(d.table)+i*8, "%#x has reserved bits, or is no multiple of the cluster size", e))
				return
			case e == allDirty:
				if !add(first, cs*8) {
					return
				}
			case off != 0:
				if err := block.ReadFull(d.r, buf, off); err != nil {
					yield(Range{}, block.Locate(format, "bitmap", off, err))
					return
				}
				for j, x := range buf {
					if x == 0 {
						continue
					}
					for k := range 8 {
						if x>>k&1 != 0 && !add(first+int64(j)*8+int64(k), 1) {
							return
						}
					}
				}
			}
		}
		if cur.Len > 0 {
			yield(cur, nil)
		}
	}
}
