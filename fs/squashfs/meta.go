package squashfs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// metaBlock is what one metadata block holds.
type metaBlock struct {
	data []byte // shared, not to be changed
	next int64  // where the next one lies
}

const metaCost = 128 // of one in the cache, beside its bytes

// metaAt returns the metadata block at off.
func (f *filesystem) metaAt(off int64) (*metaBlock, error) {
	return f.meta.Get(off, func() (*metaBlock, int64, error) {
		const what = "metadata block"
		var h [2]byte
		if err := f.read(what, h[:], off); err != nil {
			return nil, 0, err
		}
		v := binary.LittleEndian.Uint16(h[:])
		n := int64(v & 0x7FFF)
		if n == 0 {
			n = 0x8000
		}
		if n > metaLen {
			return nil, 0, block.Errorf(format, what, off, block.ErrCorrupt, "%d bytes", n)
		}
		m := &metaBlock{next: off + 2 + n}
		if v&0x8000 != 0 {
			m.data = make([]byte, n)
			if err := f.read(what, m.data, off+2); err != nil {
				return nil, 0, err
			}
		} else {
			m.data = make([]byte, metaLen)
			got, err := f.unpack(m.data, what, off+2, n)
			if err != nil {
				return nil, 0, err
			}
			m.data = m.data[:got]
		}
		return m, int64(cap(m.data)) + metaCost, nil
	})
}

// A cursor reads metadata from one place on, over the ends of blocks.
type cursor struct {
	f   *filesystem
	m   *metaBlock
	off int64 // of m
	pos int   // in it
	buf [64]byte
}

// cursorAt starts at a place: the offset of a metadata block, and one in it.
func (f *filesystem) cursorAt(off int64, pos int) (*cursor, error) {
	c := &cursor{f: f}
	return c, c.seek(off, pos)
}

func (c *cursor) seek(off int64, pos int) error {
	m, err := c.f.metaAt(off)
	if err != nil {
		return err
	}
	if pos > len(m.data) {
		return block.Errorf(format, "metadata block", off, block.ErrCorrupt, "byte %d of %d", pos, len(m.data))
	}
	c.m, c.off, c.pos = m, off, pos
	return nil
}

// view returns the next n bytes, of which there are few. They are valid until
// the next call.
func (c *cursor) view(n int) ([]byte, error) {
	if n <= len(c.m.data)-c.pos {
		b := c.m.data[c.pos : c.pos+n]
		c.pos += n
		return b, nil
	}
	b := c.buf[:]
	if n > len(b) {
		b = make([]byte, n)
	}
	b = b[:n]
	return b, c.read(b)
}

// read fills p.
func (c *cursor) read(p []byte) error {
	for len(p) > 0 {
		if err := c.more(); err != nil {
			return err
		}
		n := copy(p, c.m.data[c.pos:])
		c.pos += n
		p = p[n:]
	}
	return nil
}

// more goes on to the next block at the end of one.
func (c *cursor) more() error {
	for c.pos == len(c.m.data) {
		if err := c.seek(c.m.next, 0); err != nil {
			return err
		}
		if len(c.m.data) == 0 {
			return block.Errorf(format, "metadata block", c.off, block.ErrCorrupt, "it is empty")
		}
	}
	return nil
}

// skip passes over n bytes.
func (c *cursor) skip(n int64) error {
	for n > 0 {
		if err := c.more(); err != nil {
			return err
		}
		step := min(n, int64(len(c.m.data)-c.pos))
		c.pos += int(step)
		n -= step
	}
	return nil
}

// item returns a cursor at item i of a table of items of size bytes: table is
// where the offsets of its metadata blocks lie.
func (f *filesystem) item(table uint64, i, size uint32) (*cursor, error) {
	per := metaLen / size
	b, err := f.raw.View(int64(table)+int64(i/per)*8, 8)
	if err != nil {
		return nil, block.Locate(format, "table", int64(table), err)
	}
	at := binary.LittleEndian.Uint64(b)
	if at > f.sb.bytesUsed {
		return nil, block.Errorf(format, "table", int64(table), block.ErrCorrupt, "a block at %#x of %#x bytes", at, f.sb.bytesUsed)
	}
	return f.cursorAt(int64(at), int(i%per*size))
}

// ownerID returns the number of an owner.
func (f *filesystem) ownerID(i uint16) (uint32, error) {
	if i >= f.sb.noIDs {
		return 0, block.Errorf(format, "inode", -1, block.ErrCorrupt, "owner %d of %d", i, f.sb.noIDs)
	}
	c, err := f.item(f.sb.idTable, uint32(i), 4)
	if err != nil {
		return 0, err
	}
	b, err := c.view(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}
