package btrfs

import (
	"io"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
)

// maxPart is how many bytes of a file are read before their checksums are
// compared: they are in the processor's cache then.
const maxPart = 128 << 10

// content is the bytes of a file.
type content struct {
	n    *inode
	size int64
	near atomic.Pointer[window] // the extents that were used last
	sums atomic.Pointer[sumRun] // and their checksums
}

func (c *content) Size() int64 { return c.size }

// extent returns the extent that holds off.
func (c *content) extent(off int64) (*extent, error) {
	w := c.near.Load()
	if w == nil || off < w.from || off >= w.end {
		var err error
		if w, err = c.n.window(off); err != nil {
			return nil, err
		}
		c.near.Store(w)
	}
	return w.find(off), nil
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, c.size)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		e, err := c.extent(pos)
		if err != nil {
			return done, err
		}
		in := pos - e.off
		part := q[done:]
		part = part[:min(int64(len(part)), e.n-in)]
		switch {
		case e.zero():
			clear(part)
		case e.compression != compressNone:
			err = c.readPacked(part, e, in)
		case e.typ == extentInline:
			copy(part, e.inline[in:])
		default:
			part = part[:min(len(part), maxPart)]
			var n int
			if n, err = c.readPlain(part, e, in); err == nil {
				part = part[:n]
			}
		}
		if err != nil {
			return done, block.Locate(format, c.n.name(), -1, err)
		}
		done += len(part)
	}
	return len(q), eof
}

// readPlain reads the beginning of p, which starts at in of an extent that is not
// compressed, and returns how many bytes that were.
func (c *content) readPlain(p []byte, e *extent, in int64) (int, error) {
	f := c.n.fs
	logical := e.disk + e.skip + uint64(in)
	if c.n.flags&flagNodatasum != 0 {
		return len(p), f.readData(p, logical, nil)
	}
	sector := uint64(f.sb.sectorSize)
	head := logical % sector
	if head == 0 && uint64(len(p)) >= sector {
		p = p[:uint64(len(p))/sector*sector]
		if f.checked.has(logical, uint64(len(p))) {
			if err := f.readCopy(p, logical, 0); err == nil {
				return len(p), nil
			}
		}
		sums, err := c.sumsOf(logical, uint64(len(p)))
		if err != nil {
			return 0, err
		}
		return len(p), f.readData(p, logical, sums)
	}
	// A part of one sector, which is checked as a whole.
	p = p[:min(uint64(len(p)), sector-head)]
	sums, err := c.sumsOf(logical-head, sector)
	if err != nil {
		return 0, err
	}
	b := make([]byte, sector)
	if err := f.readData(b, logical-head, sums); err != nil {
		return 0, err
	}
	return copy(p, b[head:]), nil
}

// sumsOf returns checksums, and keeps the run that they are of.
func (c *content) sumsOf(logical, n uint64) ([]byte, error) {
	var r sumRun
	old := c.sums.Load()
	if old != nil {
		r = *old
	}
	sums, err := c.n.fs.sums(&r, logical, n)
	if err == nil && (old == nil || r.from != old.from) {
		c.sums.Store(&r)
	}
	return sums, err
}

type extentKey struct {
	disk uint64
	ram  uint64
	pack uint8
	sums bool
}

// readPacked fills p from a compressed extent, from in on.
func (c *content) readPacked(p []byte, e *extent, in int64) error {
	f := c.n.fs
	at := int64(e.skip) + in
	if e.typ == extentInline {
		b := make([]byte, e.ram)
		if err := c.unpack(b, e.inline, e); err != nil {
			return err
		}
		copy(p, b[at:])
		return nil
	}
	if at == 0 && len(p) == int(e.ram) { // all of it is wanted
		return c.loadPacked(p, e)
	}
	sums := c.n.flags&flagNodatasum == 0
	b, err := f.extents.Get(extentKey{e.disk, e.ram, e.compression, sums}, func() ([]byte, int64, error) {
		b := make([]byte, e.ram)
		return b, int64(len(b)), c.loadPacked(b, e)
	})
	copy(p, b[min(at, int64(len(b))):])
	return err
}

// loadPacked reads and decompresses a whole extent.
func (c *content) loadPacked(dst []byte, e *extent) error {
	f := c.n.fs
	var sums []byte
	if c.n.flags&flagNodatasum == 0 {
		var err error
		if sums, err = c.sumsOf(e.disk, e.diskLen); err != nil {
			return err
		}
	}
	bufp, _ := f.packed.Get().(*[]byte)
	if bufp == nil {
		b := make([]byte, maxCompressed)
		bufp = &b
	}
	defer f.packed.Put(bufp)
	b := (*bufp)[:e.diskLen]
	if err := f.readData(b, e.disk, sums); err != nil {
		return err
	}
	return c.unpack(dst, b, e)
}

// unpack decompresses an extent. Linux cuts the last sector of a file where it
// compresses, but no more: the rest of that is zeros.
func (c *content) unpack(dst, src []byte, e *extent) error {
	sector := int(c.n.fs.sb.sectorSize)
	n, err := c.n.fs.packers.unpack(dst, src, e.compression, sector)
	if err == nil && len(dst)-n >= sector {
		err = block.ErrTruncated
	}
	if err != nil {
		return c.n.fault(err, "%s extent at %d, logical address %#x", compressionName(e.compression), e.off, e.disk)
	}
	clear(dst[n:])
	return nil
}

// Extent implements block.Device. Data lies verbatim where one device has it in
// one piece; its checksums are compared by ReadAt alone.
func (c *content) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= c.size {
		return block.Extent{}, io.EOF
	}
	e, err := c.extent(off)
	if err != nil {
		return block.Extent{}, err
	}
	in := off - e.off
	x := block.Extent{Off: off, Len: min(e.n-in, c.size-off)}
	switch {
	case e.zero():
		x.Zero, x.Unset = true, e.typ == extentHole
		return x, nil
	case e.compression != compressNone:
		x.Compressed = true
		return x, nil
	case e.typ == extentInline:
		return x, nil
	}
	logical := e.disk + e.skip + uint64(in)
	ch := c.n.fs.chunks.find(logical)
	if ch == nil {
		return x, nil // reading it is an error
	}
	pl := ch.at(logical-ch.start, 0)
	x.Len = min(x.Len, pl.n)
	if pl.s.dev == nil || pl.off >= pl.s.dev.r.Size() {
		return x, nil
	}
	h, err := pl.s.dev.r.Extent(pl.off)
	if err != nil {
		return block.Extent{}, block.Locate(format, c.n.name(), pl.off, err)
	}
	h.Off, h.Len = off, min(x.Len, h.Len)
	return h, nil
}
