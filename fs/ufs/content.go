package ufs

import (
	"io"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/runs"
)

const pointerCost = 100 // of a cached block of addresses, beside its bytes

// content is the bytes of a file.
type content struct {
	n      *inode
	reader runs.Reader
}

func (c *content) Size() int64 { return c.n.stat.Size }

// Place implements [runs.Layout].
func (c *content) Place(off int64) (at, n int64, err error) {
	s, size := c.n.f.sb, c.n.stat.Size
	bs := int64(s.bsize)
	lbn, in := off/bs, off%bs
	address, blocks, err := c.n.address(lbn)
	if err != nil {
		return 0, 0, err
	}
	n = min(blocks*bs-in, size-off)
	if address == 0 {
		return -1, n, nil
	}
	// Of the last block there may be some fragments only.
	inside := func() bool { // of 64 bits, an address in bytes may come round
		return address > 0 && address < s.size && n <= (s.size-address)*int64(s.fsize)-in
	}
	if !inside() && blocks > 1 { // only the block that was asked for decides
		n = min(bs-in, size-off)
	}
	if !inside() {
		return 0, 0, c.n.errorf(block.ErrCorrupt, "block %d lies at fragment %d of %d", lbn, address, s.size)
	}
	return address*int64(s.fsize) + in, n, nil
}

// address returns the fragment at which a block of the file lies, 0 if there is
// none, and how many blocks lie side by side from there on.
func (n *inode) address(lbn int64) (address, blocks int64, err error) {
	s := n.f.sb
	if lbn < direct {
		return n.f.neighbours(func(i int64) int64 { return n.d.addresses[i] }, lbn, direct)
	}
	lbn -= direct
	for level, span := 0, s.nindir; level < 3; level, span = level+1, span*s.nindir {
		if lbn >= span {
			lbn -= span
			continue
		}
		at := n.d.addresses[direct+level]
		for {
			if at == 0 {
				return 0, span - lbn, nil
			}
			b, err := n.pointers(at)
			if err != nil {
				return 0, 0, err
			}
			pointer := func(i int64) int64 {
				if s.ufs2() {
					return int64(s.order.Uint64(b[8*i:]))
				}
				return int64(s.order.Uint32(b[4*i:]))
			}
			if span == s.nindir {
				return n.f.neighbours(pointer, lbn, s.nindir)
			}
			span /= s.nindir
			at, lbn = pointer(lbn/span), lbn%span
		}
	}
	return 0, 0, n.errorf(block.ErrCorrupt, "a block past what addresses can reach")
}

// neighbours returns the i-th of a row of addresses, and how many follow it on
// the disk as in the file.
func (f *filesystem) neighbours(pointer func(i int64) int64, i, end int64) (address, blocks int64, err error) {
	address, blocks = pointer(i), 1
	for i++; i < end; i++ {
		p := pointer(i)
		if address == 0 && p != 0 || address != 0 && p != address+blocks*int64(f.sb.frag) {
			break
		}
		blocks++
	}
	return address, blocks, nil
}

// pointers reads a block of addresses. It is shared.
func (n *inode) pointers(at int64) ([]byte, error) {
	s := n.f.sb
	if at < 0 || at > s.size-int64(s.frag) {
		return nil, n.errorf(block.ErrCorrupt, "addresses at fragment %d of %d", at, s.size)
	}
	return n.f.blocks.Get(at, func() ([]byte, int64, error) {
		off := at * int64(s.fsize)
		b, err := block.ReadBytes(n.f.dev, off, int64(s.bsize), int64(s.bsize))
		return b, int64(s.bsize) + pointerCost, block.Locate(format, "block of addresses", off, err)
	})
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	q, end := block.Clip(p, off, c.n.stat.Size)
	n, err := c.reader.Read(c.n.f.dev, c, q, off)
	if err != nil {
		return n, err
	}
	return n, end
}

// Locate implements [runs.Layout].
func (c *content) Locate(at int64, err error) error {
	return block.Locate(format, "block", at, err)
}

func (c *content) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= c.n.stat.Size {
		return block.Extent{}, io.EOF
	}
	at, n, err := c.Place(off)
	if err != nil {
		return block.Extent{}, err
	}
	if at < 0 {
		return block.Extent{Off: off, Len: n, Zero: true, Unset: true}, nil
	}
	e, err := c.n.f.dev.Extent(at)
	e.Off, e.Len = off, min(e.Len, n)
	return e, err
}
