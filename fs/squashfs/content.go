package squashfs

import (
	"encoding/binary"
	"io"
	"sync"

	"github.com/guestkit/guestkit/block"
)

const (
	blockStored = 1 << 24 // in the size of a block: it is not compressed
	blockCost   = 128     // of one in the cache, beside its bytes
	maxMarks    = 4096    // of one open file
	minStep     = 256     // blocks between two marks
	zeroRun     = 4096    // how many sparse blocks are looked at for one extent
)

// Content implements vfs.Inode.
func (n *inode) Content() (block.Device, error) {
	c := &content{n: n, size: n.stat.Size, blockSize: int64(n.f.sb.blockSize)}
	c.blocks = c.size / c.blockSize
	if n.fragment == none && c.size%c.blockSize != 0 {
		c.blocks++
	}
	c.step = minStep
	for c.blocks/c.step > maxMarks {
		c.step *= 2
	}
	if n.fragment != none && c.size%c.blockSize > 0 {
		if err := c.findFragment(); err != nil {
			return nil, err
		}
	}
	c.last = mark{at: n.sizes, off: int64(n.start)}
	c.marks = []mark{c.last}
	return c, nil
}

// content is the bytes of a file.
type content struct {
	n         *inode
	size      int64
	blockSize int64
	blocks    int64
	frag      piece // where the fragment's block lies
	step      int64 // blocks between marks

	mu    sync.Mutex
	marks []mark // at every step blocks, as far as was looked
	last  mark   // where the last search ended
}

// A mark is the place of one block: where its size is, and where it lies.
type mark struct {
	block int64
	at    place
	off   int64
}

// A piece is one block of a file.
type piece struct {
	off    int64
	n      int64 // on the disk; 0 is a hole
	stored bool  // it is not compressed
}

func toPiece(off int64, size uint32) piece {
	return piece{off, int64(size &^ blockStored), size&blockStored != 0}
}

// check says whether a piece can be: no more than a block is on the disk.
func (c *content) check(p piece, want int64) error {
	if p.n > c.blockSize || p.stored && p.n != want {
		return c.n.corrupt("a block of %d bytes at %#x, of %d", p.n, p.off, want)
	}
	return nil
}

// findFragment reads where the tail of the file lies.
func (c *content) findFragment() error {
	n := c.n
	m, err := n.f.item(n.f.sb.fragmentTable, n.fragment, 16)
	if err != nil {
		return err
	}
	b, err := m.view(16)
	if err != nil {
		return err
	}
	start, size := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])
	c.frag = toPiece(int64(start), size)
	end := int64(n.fragOff) + c.size%c.blockSize
	if start > n.f.sb.bytesUsed || size&^(1<<25-1) != 0 || c.frag.n == 0 || c.frag.n > c.blockSize || end > c.blockSize || c.frag.stored && end > c.frag.n {
		return n.corrupt("bytes %d to %d of fragment %d, %d bytes at %#x", n.fragOff, end, n.fragment, c.frag.n, start)
	}
	return nil
}

// piece returns where block i lies. A run of sparse blocks is found whole, up
// to some length: count tells how many blocks are the same hole.
func (c *content) piece(i int64) (p piece, count int64, err error) {
	c.mu.Lock()
	from := c.last
	if known := c.marks[min(i/c.step, int64(len(c.marks)-1))]; from.block > i || known.block > from.block {
		from = known
	}
	c.mu.Unlock()
	m, err := c.n.f.cursorAt(from.at.off, from.at.pos)
	if err != nil {
		return piece{}, 0, err
	}
	var fresh []mark
	for at := from.block; ; at++ {
		here := mark{at, m.place(), from.off}
		if at%c.step == 0 && at > 0 {
			fresh = append(fresh, here)
		}
		b, err := m.view(4)
		if err != nil {
			return piece{}, 0, err
		}
		size := binary.LittleEndian.Uint32(b)
		if size&^(1<<25-1) != 0 {
			return piece{}, 0, c.n.corrupt("block %d has the size %#x", at, size)
		}
		p = toPiece(from.off, size)
		if from.off += p.n; from.off > int64(c.n.f.sb.bytesUsed) {
			return piece{}, 0, c.n.corrupt("block %d ends at %#x", at, from.off)
		}
		if at < i {
			continue
		}
		c.remember(fresh, here)
		for count = 1; p.n == 0 && count < zeroRun && i+count < c.blocks; count++ {
			if b, err := m.view(4); err != nil || binary.LittleEndian.Uint32(b) != 0 {
				break
			}
		}
		return p, count, c.check(p, min(c.blockSize, c.size-i*c.blockSize))
	}
}

func (c *content) remember(fresh []mark, last mark) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range fresh {
		if m.block == int64(len(c.marks))*c.step {
			c.marks = append(c.marks, m)
		}
	}
	c.last = last
}

func (c *content) Size() int64 { return c.size }

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	q, end := block.Clip(p, off, c.size)
	done := 0
	for done < len(q) {
		n, err := c.readSome(q[done:], off+int64(done))
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, end
}

// readSome reads up to the end of one block, or of one hole.
func (c *content) readSome(q []byte, off int64) (int, error) {
	i, in := off/c.blockSize, off%c.blockSize
	if i >= c.blocks {
		return len(q), c.copy(q, c.frag, int64(c.n.fragOff)+in, -1)
	}
	p, count, err := c.piece(i)
	if err != nil {
		return 0, err
	}
	holds := min(c.blockSize, c.size-i*c.blockSize)
	if p.n == 0 {
		q = q[:min(int64(len(q)), count*c.blockSize-in)]
		clear(q)
		return len(q), nil
	}
	q = q[:min(int64(len(q)), holds-in)]
	return len(q), c.copy(q, p, in, holds)
}

// copy fills q from byte in of what a piece holds, which is to be holds bytes
// if that is not negative.
func (c *content) copy(q []byte, p piece, in, holds int64) error {
	f := c.n.f
	switch {
	case p.stored:
		return f.read("block", q, p.off+in)
	case in == 0 && int64(len(q)) == holds: // all of it: not through the cache
		got, err := f.unpack(q, "block", p.off, p.n)
		if err == nil && int64(got) != holds {
			err = c.n.corrupt("the block at %#x holds %d bytes of %d", p.off, got, holds)
		}
		return err
	}
	b, err := f.data.Get(p.off, func() ([]byte, int64, error) {
		size := c.blockSize
		if holds >= 0 {
			size = holds
		}
		b := make([]byte, size)
		got, err := f.unpack(b, "block", p.off, p.n)
		return b[:got:got], size + blockCost, err
	})
	if err != nil {
		return err
	}
	if holds >= 0 && int64(len(b)) != holds || in+int64(len(q)) > int64(len(b)) {
		return c.n.corrupt("the block at %#x holds %d bytes", p.off, len(b))
	}
	copy(q, b[in:])
	return nil
}

// Extent implements block.Device.
func (c *content) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= c.size {
		return block.Extent{}, io.EOF
	}
	i, in := off/c.blockSize, off%c.blockSize
	if i >= c.blocks {
		return c.extent(c.frag, off, int64(c.n.fragOff)+in, c.size-off)
	}
	p, count, err := c.piece(i)
	if err != nil {
		return block.Extent{}, err
	}
	if p.n == 0 {
		return block.Extent{Off: off, Len: min(count*c.blockSize-in, c.size-off), Zero: true, Unset: true}, nil
	}
	return c.extent(p, off, in, min(c.blockSize-in, c.size-off))
}

// extent describes n bytes at off, which are those from byte in of a piece on.
func (c *content) extent(p piece, off, in, n int64) (block.Extent, error) {
	if !p.stored {
		return block.Extent{Off: off, Len: n, Compressed: true}, nil
	}
	at := p.off + in
	if at >= c.n.f.dev.Size() {
		return block.Extent{}, block.Errorf(format, "block", at, block.ErrTruncated, "")
	}
	e, err := c.n.f.dev.Extent(at)
	if err != nil {
		return block.Extent{}, err
	}
	e.Off, e.Len = off, min(e.Len, n)
	return e, nil
}
