package ext4

import (
	"bytes"
	"io"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/runs"
)

// Content implements vfs.Inode.
func (n *inode) Content() (block.Device, error) {
	if n.flags&flagEncrypt != 0 {
		return nil, n.fault(block.ErrEncrypted, "its content")
	}
	return n.content()
}

// content returns the bytes of anything that has blocks.
func (n *inode) content() (block.Device, error) {
	if n.flags&flagInlineData != 0 {
		b, err := n.inlineData()
		if err != nil {
			return nil, err
		}
		return memory{bytes.NewReader(b)}, nil
	}
	if size := n.stat.Size; uint64(size)>>(10+n.fs.sb.logBlockSize) > n.maxBlocks() {
		return nil, n.fault(block.ErrLimit, "size %d is larger than the format allows", size)
	}
	return &content{n: n, size: n.stat.Size}, nil
}

// memory is content that lies in an inode, and so nowhere verbatim.
type memory struct{ *bytes.Reader }

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	q, end := block.Clip(p, off, m.Size())
	if len(q) == 0 {
		return 0, end
	}
	n, err := m.Reader.ReadAt(q, off)
	if n == len(q) {
		err = end
	}
	return n, err
}

func (m memory) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= m.Size() {
		return block.Extent{}, io.EOF
	}
	return block.Extent{Off: off, Len: m.Size() - off}, nil
}

// content is the bytes of an inode that has blocks.
type content struct {
	n      *inode
	size   int64
	last   atomic.Pointer[run]  // the run that was used last
	near   atomic.Pointer[leaf] // where the extents are in a tree, the leaf that was used last
	reader runs.Reader
}

func (c *content) Size() int64 { return c.size }

// run returns the run that holds the byte at off, and the bytes from there to
// its end.
func (c *content) run(off int64) (r run, skip, n int64, err error) {
	shift := 10 + c.n.fs.sb.logBlockSize
	lblk := uint64(off) >> shift
	if c.n.inTree() {
		r, err = c.inTree(lblk)
	} else if last := c.last.Load(); last != nil && lblk-last.lblk < last.n {
		r = *last
	} else if r, err = c.n.mapWhole(lblk); err == nil {
		c.last.Store(&r)
	}
	if err != nil {
		return r, 0, 0, err
	}
	skip = off - int64(r.lblk)<<shift
	return r, skip, int64(r.n)<<shift - skip, nil
}

func (c *content) inTree(lblk uint64) (run, error) {
	l := c.near.Load()
	if l == nil || lblk < l.low || lblk >= l.high {
		next, err := c.n.leaf(lblk)
		if err != nil {
			return run{}, err
		}
		l = &next
		c.near.Store(l)
	}
	return l.run(lblk), nil
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, c.size)
	n, err := c.reader.Read(c.n.fs.dev, c, q, off)
	if err != nil {
		return n, err
	}
	return n, eof
}

// Place implements [runs.Layout].
func (c *content) Place(off int64) (at, n int64, err error) {
	r, skip, n, err := c.run(off)
	if err != nil {
		return 0, 0, err
	}
	if r.zero() {
		return -1, n, nil
	}
	return c.n.fs.blockOff(r.pblk) + skip, n, nil
}

// Locate implements [runs.Layout].
func (c *content) Locate(at int64, err error) error {
	return block.Locate("ext4", inodeName(c.n.ino), at, err)
}

// Extent implements block.Device.
func (c *content) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= c.size {
		return block.Extent{}, io.EOF
	}
	r, skip, n, err := c.run(off)
	if err != nil {
		return block.Extent{}, err
	}
	n = min(n, c.size-off)
	if r.zero() {
		return block.Extent{Off: off, Len: n, Zero: true, Unset: r.pblk == 0}, nil
	}
	e, err := c.n.fs.dev.Extent(c.n.fs.blockOff(r.pblk) + skip)
	if err != nil {
		return block.Extent{}, block.Locate("ext4", inodeName(c.n.ino), c.n.fs.blockOff(r.pblk)+skip, err)
	}
	e.Off, e.Len = off, min(n, e.Len)
	return e, nil
}
