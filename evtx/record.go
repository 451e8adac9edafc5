package evtx

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"iter"
	"slices"
	"time"

	"github.com/guestkit/guestkit/block"
)

const (
	recordMark = "**\x00\x00"
	recordHead = 0x18 // of a record before its event
	recordTail = 4    // a copy of its size
)

// A Record is one event of a log.
type Record struct {
	ID    uint64
	Time  time.Time // when it was written
	Event *Element  // the root of its XML
}

// recordHeader begins a record.
type recordHeader struct {
	mark    [4]byte // 0x00
	size    uint32  // 0x04 of all of it
	id      uint64  // 0x08
	written uint64  // 0x10 FILETIME
}

func (h *recordHeader) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.mark[:], b)
	h.size = le.Uint32(b[0x04:])
	h.id = le.Uint64(b[0x08:])
	h.written = le.Uint64(b[0x10:])
}

// Records lists the records by their numbers, or the last first. An error takes the
// place of each one, and of each chunk, that cannot be read.
func (f *File) Records(reverse bool) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		for k := range f.chunks {
			at := f.chunks[k]
			if reverse {
				at = f.chunks[len(f.chunks)-1-k]
			}
			if at.err != nil {
				if !yield(nil, at.err) {
					return
				}
				continue
			}
			c, err := f.chunk(at.off)
			if err != nil {
				if !yield(nil, err) {
					return
				}
				continue
			}
			if reverse {
				slices.Reverse(c.records)
			}
			for _, r := range c.records {
				var rec *Record
				err := r.err
				if err == nil {
					rec, err = c.record(r)
				}
				if !yield(rec, err) {
					return
				}
			}
		}
	}
}

// recordAt is where a record lies in its chunk.
type recordAt struct {
	off, size int
	header    recordHeader
	err       error // there is none
}

// A chunk is one in memory.
type chunk struct {
	off     int64
	b       []byte
	records []recordAt
	spent   cost // by its records so far
}

// chunk reads a chunk, and finds its records.
func (f *File) chunk(off int64) (*chunk, error) {
	n := min(f.r.Size()-off, chunkSize)
	if n < chunkHeaderSize {
		return nil, block.Errorf(format, "chunk", off, block.ErrTruncated, "%d bytes of it are there", n)
	}
	b, err := block.ReadBytes(f.r, off, n, chunkSize)
	if err != nil {
		return nil, block.Locate(format, "chunk", off, err)
	}
	c := &chunk{off: off, b: b}
	var h chunkHeader
	h.decode(b)
	if n < chunkSize {
		f.problems.Add(block.Errorf(format, "chunk", off, block.ErrTruncated, "%d of its %d bytes are there", n, chunkSize))
	}
	sums := f.header.flags&flagNoCRC == 0 && h.flags&flagNoCRC == 0
	if sum := headerSum(b); sums && sum != h.checksum {
		f.problems.Add(block.Errorf(format, "chunk", off, block.ErrCorrupt, "the checksum of its header is %#x, and should be %#x", h.checksum, sum))
	}
	end := int(h.free)
	if h.free < chunkHeaderSize || h.free > chunkSize {
		f.problems.Add(block.Errorf(format, "chunk", off, block.ErrCorrupt, "it says that its records end at %#x", h.free))
		end = len(b)
	}
	end = min(end, len(b))
	if sum := crc32.ChecksumIEEE(b[chunkHeaderSize:end]); sums && sum != h.recordsSum && n == chunkSize && f.header.flags&flagDirty == 0 {
		f.problems.Add(block.Errorf(format, "chunk", off, block.ErrCorrupt, "the checksum of its records is %#x, and should be %#x", h.recordsSum, sum))
	}
	c.find(end, f.header.flags&flagDirty != 0)
	return c, nil
}

// find finds the records before end. In a log that was not closed those that follow
// count too, which the header of the chunk does not know of yet.
func (c *chunk) find(end int, dirty bool) {
	pos := chunkHeaderSize
	last := uint64(0)
	for pos < len(c.b) {
		r, err := c.header(pos)
		if pos >= end && (!dirty || err != nil || r.header.id != last+1) {
			return
		}
		if err == nil {
			c.records = append(c.records, r)
			last = r.header.id
			pos += r.size
			continue
		}
		c.records = append(c.records, recordAt{off: pos, err: err})
		next := bytes.Index(c.b[pos+1:], []byte(recordMark))
		if next < 0 {
			return
		}
		pos += 1 + next
	}
}

// header reads the header of the record at pos.
func (c *chunk) header(pos int) (recordAt, error) {
	fail := func(class error, detail string, args ...any) (recordAt, error) {
		return recordAt{}, block.Errorf(format, "record", c.off+int64(pos), class, detail, args...)
	}
	if len(c.b)-pos < recordHead+recordTail {
		return fail(c.beyond(), "it reaches behind the end of its chunk")
	}
	r := recordAt{off: pos}
	r.header.decode(c.b[pos:])
	size := r.header.size
	switch {
	case string(r.header.mark[:]) != recordMark:
		return fail(block.ErrCorrupt, "it has no signature")
	case size < recordHead+recordTail:
		return fail(block.ErrCorrupt, "it says that it has %d bytes", size)
	case size > uint32(len(c.b)-pos):
		return fail(c.beyond(), "its %d bytes reach behind the end of its chunk", size)
	}
	r.size = int(size)
	if again := binary.LittleEndian.Uint32(c.b[pos+r.size-recordTail:]); again != size {
		return fail(block.ErrCorrupt, "it says at its start that it has %d bytes, and at its end %d", size, again)
	}
	return r, nil
}

// beyond is the class of what reaches behind the end of a chunk.
func (c *chunk) beyond() error {
	if len(c.b) < chunkSize {
		return block.ErrTruncated
	}
	return block.ErrCorrupt
}

// record reads the event of a record.
func (c *chunk) record(r recordAt) (*Record, error) {
	p := parser{c: c, pos: r.off + recordHead, end: r.off + r.size - recordTail}
	nodes, err := p.fragment(nil, true, 0)
	c.spent.add(p.spent)
	if err != nil {
		return nil, block.Errorf(format, "record", c.off+int64(r.off), err, "event %d", r.header.id)
	}
	out := &Record{ID: r.header.id, Time: filetime(r.header.written)}
	for _, n := range nodes {
		if n.Element == nil {
			continue
		}
		if out.Event != nil {
			return nil, block.Errorf(format, "record", c.off+int64(r.off), block.ErrCorrupt, "event %d has several roots", r.header.id)
		}
		out.Event = n.Element
	}
	if out.Event == nil {
		return nil, block.Errorf(format, "record", c.off+int64(r.off), block.ErrCorrupt, "event %d is empty", r.header.id)
	}
	return out, nil
}
