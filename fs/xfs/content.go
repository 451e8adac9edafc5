package xfs

import (
	"io"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
)

// content is the data of a regular file.
type content struct {
	fs   *filesystem
	node *inode
	dev  block.Device            // where its blocks lie
	last atomic.Pointer[mapping] // the run that was used last
	near atomic.Pointer[window]  // the records that it is of
	span atomic.Pointer[[]byte]  // for readSpan, while nobody uses it
}

func (f *filesystem) content(n *inode) (block.Device, error) {
	c := &content{fs: f, node: n, dev: f.dev}
	if n.data.realtime {
		if f.opts.Realtime == nil {
			return nil, block.Errorf(format, inodeName(n.ino), n.off, block.ErrUnsupported, "its data is on the realtime device, which is not at hand")
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
	if m := c.last.Load(); m != nil && blk >= m.off && blk < m.end() {
		return *m, nil
	}
	w := c.near.Load()
	if w == nil || blk < w.from || blk >= w.end {
		next, err := c.fs.window(&c.node.data, blk)
		if err != nil {
			return mapping{}, err
		}
		w = &next
		c.near.Store(w)
	}
	m, err := c.fs.mapIn(&c.node.data, w, blk)
	if err == nil {
		c.last.Store(&m)
	}
	return m, err
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
	if c.node.data.realtime {
		return int64(m.start<<log) + in, n
	}
	start, _ := c.fs.sb.blockOff(m.start) // mapAt has checked the run
	return start + in, n
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, c.Size())
	for done := 0; done < len(q); {
		pos := off + int64(done)
		m, err := c.run(pos)
		if err != nil {
			return done, err
		}
		at, n := c.place(&m, pos)
		part := q[done:]
		part = part[:min(int64(len(part)), n)]
		switch {
		case at < 0:
			clear(part)
		case len(part) < maxSpan/2 && done+len(part) < len(q):
			k, err := c.readSpan(q[done:], pos)
			if err != nil {
				return done, err
			}
			done += k
			continue
		default:
			if err := c.readPart(part, at); err != nil {
				return done, err
			}
		}
		done += len(part)
	}
	return len(q), eof
}

func (c *content) readPart(part []byte, at int64) error {
	if err := block.ReadFull(c.dev, part, at); err != nil {
		return block.Locate(format, inodeName(c.node.ino)+" data", at, err)
	}
	return nil
}

const (
	maxSpan   = 256 << 10 // bytes that are read at once for short runs
	maxPieces = 128       // runs that are put together
	// maxGap is how many bytes may lie between two runs of a span. To read them
	// for nothing takes no longer than a read of its own would.
	maxGap = 8 << 10
)

// A piece is a run in a span: its place in the buffer and on the device.
type piece struct {
	part []byte
	at   int64
}

// readSpan reads the beginning of q from pos, where there is data. A file of many
// short runs has most of them one after the other on disk, with little between:
// those are read together. It returns how many bytes it has read.
func (c *content) readSpan(q []byte, pos int64) (int, error) {
	var buf [maxPieces]piece
	pieces := buf[:0]
	done := 0
	var end int64 // of the last piece
	for done < len(q) && len(pieces) < maxPieces {
		m, err := c.run(pos + int64(done))
		if err != nil && len(pieces) > 0 {
			break // it is met again, at its place
		} else if err != nil {
			return 0, err
		}
		at, n := c.place(&m, pos+int64(done))
		part := q[done:]
		part = part[:min(int64(len(part)), n)]
		if at < 0 {
			clear(part)
			done += len(part)
			continue
		}
		if len(pieces) > 0 && (at < end || at-end > maxGap || at+int64(len(part))-pieces[0].at > maxSpan) {
			break
		}
		pieces = append(pieces, piece{part, at})
		end = at + int64(len(part))
		done += len(part)
	}
	if len(pieces) > 1 && c.scatter(pieces, end) {
		return done, nil
	}
	for _, p := range pieces {
		if err := c.readPart(p.part, p.at); err != nil {
			return 0, err
		}
	}
	return done, nil
}

// scatter reads all pieces at once. If that fails, what lies between them may
// be at fault, and the pieces may read one by one.
func (c *content) scatter(pieces []piece, end int64) bool {
	span := c.span.Swap(nil)
	if span == nil {
		b := make([]byte, maxSpan)
		span = &b
	}
	defer c.span.Store(span)
	start := pieces[0].at
	b := (*span)[:end-start]
	if block.ReadFull(c.dev, b, start) != nil {
		return false
	}
	for _, p := range pieces {
		copy(p.part, b[p.at-start:])
	}
	return true
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
		return block.Extent{}, block.Locate(format, inodeName(c.node.ino)+" data", at, err)
	}
	e.Off, e.Len = off, min(e.Len, n)
	return e, nil
}
