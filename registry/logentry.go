package registry

import (
	"encoding/binary"
	"iter"

	"github.com/guestkit/guestkit/block"
)

const entrySize = 40

// A logEntry is one transaction of a new log: pages that were changed together.
type logEntry struct {
	signature [4]byte // 0x00 "HvLE"
	size      uint32  // 0x04 of the entry, a multiple of 512
	flags     uint32  // 0x08
	seq       uint32  // 0x0c one more than that of the entry before
	bins      uint32  // 0x10 size of all hive bins afterwards
	count     uint32  // 0x14 of pages
	hash1     uint64  // 0x18 Marvin32 of all behind this head
	hash2     uint64  // 0x20 Marvin32 of the 32 bytes before
	// 0x28 for each page, its offset from the first bin and its size
	// then the pages

	r    block.Reader
	off  int64
	head uint64 // what hash2 should be
}

func (e *logEntry) decode(p []byte) {
	le := binary.LittleEndian
	copy(e.signature[:], p)
	e.size = le.Uint32(p[0x04:])
	e.flags = le.Uint32(p[0x08:])
	e.seq = le.Uint32(p[0x0c:])
	e.bins = le.Uint32(p[0x10:])
	e.count = le.Uint32(p[0x14:])
	e.hash1 = le.Uint64(p[0x18:])
	e.hash2 = le.Uint64(p[0x20:])
	m := newMarvin()
	e.head = m.sum(m.write(p[:0x20]))
}

func (e *logEntry) fail(class error, detail string, args ...any) error {
	return block.Errorf(format, "log entry", e.off, class, detail, args...)
}

// validate checks the head of an entry.
func (e *logEntry) validate() error {
	switch {
	case e.hash2 != e.head:
		return e.fail(block.ErrCorrupt, "the hash of its head is %#x, not %#x", e.hash2, e.head)
	case e.size < entrySize || e.size%sector != 0:
		return e.fail(block.ErrCorrupt, "its size is %d bytes", e.size)
	case int64(e.size) > e.r.Size()-e.off:
		return e.fail(block.ErrTruncated, "it has %d bytes, %d are there", e.size, e.r.Size()-e.off)
	case e.bins == 0 || e.bins%binAlign != 0 || e.bins > maxBins:
		return e.fail(block.ErrCorrupt, "the hive bins have a size of %d bytes", e.bins)
	case int64(e.count) > int64(e.size-entrySize)/8:
		return e.fail(block.ErrCorrupt, "it has no room for %d pages", e.count)
	}
	return nil
}

// entries yields the entries of a log whose sequence numbers go on from want.
// What lies behind them is of an earlier round. An error ends them: the entry
// was not written to the end, is damaged, or is not there though later ones are.
func entries(r block.Reader, want uint32) iter.Seq2[*logEntry, error] {
	return func(yield func(*logEntry, error) bool) {
		p := make([]byte, entrySize)
		for off := int64(sector); r.Size()-off >= entrySize; want++ {
			if err := block.ReadFull(r, p, off); err != nil {
				yield(nil, block.Locate(format, "log entry", off, err))
				return
			}
			e := &logEntry{r: r, off: off}
			e.decode(p)
			if string(e.signature[:]) != "HvLE" || e.seq != want {
				if later := laterEntry(r, off+sector, want); later != nil {
					yield(nil, block.Errorf(format, "log entry", off, block.ErrCorrupt, "entry %d is not there, and entry %d is whole at %#x: they are not replayed", want, later.seq, later.off))
				}
				return
			}
			err := e.validate()
			if err == nil {
				err = e.verify()
			}
			if !yield(e, err) || err != nil {
				return
			}
			off += int64(e.size)
		}
	}
}

// maxLater bounds how far behind the end of a log later entries are looked for.
const maxLater = 16 << 20

// laterEntry returns the first whole entry from off on that comes after entry
// want, nil if there is none.
func laterEntry(r block.Reader, off int64, want uint32) *logEntry {
	p := make([]byte, entrySize)
	tried := 0
	for end := min(r.Size(), off+maxLater); end-off >= entrySize && tried < 64; off += sector {
		if block.ReadFull(r, p, off) != nil {
			return nil
		}
		e := &logEntry{r: r, off: off}
		e.decode(p)
		if string(e.signature[:]) != "HvLE" || !before(want, e.seq) || e.validate() != nil {
			continue
		}
		if tried++; e.verify() == nil {
			return e
		}
	}
	return nil
}

// verify compares the hash of the entry's content.
func (e *logEntry) verify() error {
	m := newMarvin()
	buf := make([]byte, min(64<<10, int64(e.size)))
	var rest []byte
	for at, end := e.off+entrySize, e.off+int64(e.size); at < end; {
		p := buf[:min(int64(len(buf)), end-at)]
		if err := block.ReadFull(e.r, p, at); err != nil {
			return block.Locate(format, "log entry", e.off, err)
		}
		rest = m.write(p)
		at += int64(len(p))
	}
	if sum := m.sum(rest); sum != e.hash1 {
		return e.fail(block.ErrCorrupt, "the hash of its content is %#x, not %#x", e.hash1, sum)
	}
	return nil
}

// pages appends where the pages of the entry belong, all or none of them.
func (e *logEntry) pages(changes []change) ([]change, error) {
	if int64(e.count) > maxChanges-int64(len(changes)) {
		return changes, e.fail(block.ErrLimit, "the logs have more than %d changed pages", maxChanges)
	}
	refs, err := block.ReadBytes(e.r, e.off+entrySize, 8*int64(e.count), 8*maxChanges)
	if err != nil {
		return changes, block.Locate(format, "log entry", e.off, err)
	}
	out := changes
	at, end := e.off+entrySize+int64(len(refs)), e.off+int64(e.size)
	for ; len(refs) > 0; refs = refs[8:] {
		off, n := int64(binary.LittleEndian.Uint32(refs)), int64(binary.LittleEndian.Uint32(refs[4:]))
		if n > end-at || off > int64(e.bins) || n > int64(e.bins)-off {
			return changes, e.fail(block.ErrCorrupt, "a page of %d bytes at %#x does not fit", n, baseSize+off)
		}
		out = append(out, change{off, n, e.r, at})
		at += n
	}
	return out, nil
}
