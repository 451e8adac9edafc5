package xfs

import (
	"io"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/runs"
)

// content is the data of a regular file.
type content struct {
	fs     *filesystem
	node   *inode
	dev    block.Device           // where its blocks lie
	near   atomic.Pointer[window] // the records of the run that was used last
	reader runs.Reader
}

func (f *filesystem) content(n *inode) (block.Device, error) {
	c := &content{fs: f, node: n, dev: f.dev}
	if n.data.realtime && f.sb.rtstart == 0 {
		if f.opts.Realtime == nil {
			return nil, block.Errorf(format, inodeName(n.ino), n.off, block.ErrMissing, "its data is on the realtime device, which is not at hand")
		}
		c.dev = block.Plain(f.opts.Realtime)
	}
	if n.data.format != forkExtents && n.data.format != forkBtree {
		return nil, n.corrupt("a file in format %d", n.data.format)
	}
	return c, nil
}

func (c *content) Size() int64 { return c.node.stat.Size }

// run returns the mapping of the block that holds off.
func (c *content) run(off int64) (mapping, error) {
	blk := uint64(off) >> c.fs.sb.blocklog
	w := c.near.Load()
	if w == nil || blk < w.from || blk >= w.end {
		next, err := c.fs.window(&c.node.data, blk)
		if err != nil {
			return mapping{}, err
		}
		w = &next
		c.near.Store(w)
	}
	return c.fs.mapIn(&c.node.data, w, blk)
}

// place returns where the byte at off of a mapping lies, and how many bytes of
// the mapping follow it.
func (c *content) place(m *mapping, off int64) (at, n int64) {
	log := c.fs.sb.blocklog
	if left := m.end() - uint64(off)>>log; left > 1<<(62-uint(log)) { // a hole to the end
		n = 1 << 62
	} else {
		n = int64(left<<log) - off&(1<<log-1)
	}
	if m.hole || m.unwritten {
		return -1, n
	}
	in := off - int64(m.off<<log)
	if c.node.data.realtime { // mapAt has checked the run
		start, _, _ := c.fs.sb.realtimeOff(m.start)
		return start + in, n
	}
	start, _ := c.fs.sb.blockOff(m.start)
	return start + in, n
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, c.Size())
	n, err := c.reader.Read(c.dev, c, q, off)
	if err != nil {
		return n, err
	}
	return n, eof
}

// Place implements [runs.Layout].
func (c *content) Place(off int64) (at, n int64, err error) {
	m, err := c.run(off)
	if err != nil {
		return 0, 0, err
	}
	at, n = c.place(&m, off)
	return at, n, nil
}

// Locate implements [runs.Layout].
func (c *content) Locate(at int64, err error) error {
	return block.Locate(format, inodeName(c.node.ino)+" data", at, err)
}

// Extent implements [block.Device]. What lies beyond the end of the last block
// of a file is no part of it.
func (c *content) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= c.Size() {
		return block.Extent{}, io.EOF
	}
	m, err := c.run(off)
	if err != nil {
		return block.Extent{}, err
	}
	at, n := c.place(&m, off)
	n = min(n, c.Size()-off)
	if at < 0 {
		return block.Extent{Off: off, Len: n, Zero: true, Unset: m.hole}, nil
	}
	if at >= c.dev.Size() {
		return block.Extent{}, block.Errorf(format, inodeName(c.node.ino)+" data", at, block.ErrTruncated, "")
	}
	e, err := c.dev.Extent(at)
	if err != nil {
		return block.Extent{}, c.Locate(at, err)
	}
	e.Off, e.Len = off, min(e.Len, n)
	return e, nil
}
