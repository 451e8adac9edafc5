package journal

import (
	"encoding/binary"
	"iter"
	"time"

	"github.com/guestkit/guestkit/block"
)

const (
	entryHead = 0x40 // of an entry before its items
	maxItems  = 1 << 16
)

// An Entry is one entry of a journal.
type Entry struct {
	Seqnum    uint64
	SeqnumID  ID     // of the numbers: entries of one source have the same
	Realtime  uint64 // microseconds since 1970, by the clock of the machine
	Monotonic uint64 // microseconds since the boot
	BootID    ID
	XorHash   uint64 // of all fields

	f   *File
	off uint64
	n   uint64 // of fields
}

// Time is the time of the entry by the clock of the machine.
func (e *Entry) Time() time.Time { return Time(e.Realtime) }

// Len returns how many entries the file has.
func (f *File) Len() int64 { return f.listed + int64(len(f.found)) }

// Entry returns the entry of the number i, from 0, in the order in which they
// were written.
func (f *File) Entry(i int64) (*Entry, error) {
	var off uint64
	switch {
	case i < 0 || i >= f.Len():
		return nil, block.Errorf(format, "entry", -1, block.ErrCorrupt, "there is no entry %d", i)
	case i >= f.listed:
		off = f.found[i-f.listed]
	default:
		var err error
		if off, err = f.item(i); err != nil {
			return nil, err
		}
	}
	return f.entry(off)
}

func (f *File) entry(off uint64) (*Entry, error) {
	o, err := f.object(off, typeEntry, entryHead)
	if err != nil {
		return nil, err
	}
	e := &Entry{f: f, off: off, n: (o.size - entryHead) / f.fieldSize(), SeqnumID: f.header.seqnumID}
	if e.n > maxItems {
		return nil, block.Errorf(format, "entry", int64(off), block.ErrLimit, "it has %d fields, more than %d", e.n, maxItems)
	}
	b, err := f.pages.View(int64(off), entryHead)
	if err != nil {
		return nil, block.Locate(format, "entry", int64(off), err)
	}
	le := binary.LittleEndian
	e.Seqnum = le.Uint64(b[0x10:])
	e.Realtime = le.Uint64(b[0x18:])
	e.Monotonic = le.Uint64(b[0x20:])
	copy(e.BootID[:], b[0x28:])
	e.XorHash = le.Uint64(b[0x38:])
	return e, nil
}

// fieldSize is the size of what an entry holds for each field: an offset and a
// hash, or an offset alone.
func (f *File) fieldSize() uint64 {
	if f.header.has(flagCompact) {
		return 4
	}
	return 16
}

// Fields lists the fields in the order of the file. An error takes the place of
// each one that cannot be read.
func (e *Entry) Fields() iter.Seq2[*Field, error] {
	return func(yield func(*Field, error) bool) {
		width := e.f.fieldSize()
		items, err := e.f.bytes(int64(e.off+entryHead), int64(e.n*width))
		if err != nil {
			yield(nil, block.Locate(format, "entry", int64(e.off), err))
			return
		}
		var sum int64
		for ; len(items) > 0; items = items[width:] {
			var off uint64
			if width == 4 {
				off = uint64(binary.LittleEndian.Uint32(items))
			} else {
				off = binary.LittleEndian.Uint64(items)
			}
			v, err := e.f.data(off)
			if err == nil {
				if sum += int64(len(v.Value) + len(v.Name)); sum > e.f.o.MaxEntryBytes {
					yield(nil, block.Errorf(format, "entry", int64(e.off), block.ErrLimit, "its fields have more than %d bytes; the rest is left out", e.f.o.MaxEntryBytes))
					return
				}
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// Value returns the first value of a field, nil if the entry does not have it.
// An error is that of a field that could not be read, where no other has the
// name.
func (e *Entry) Value(name string) ([]byte, error) {
	var failed error
	for v, err := range e.Fields() {
		switch {
		case err != nil:
			failed = err
		case v.Name == name:
			return v.Value, nil
		}
	}
	return nil, failed
}

// Entries lists the entries in the order in which they were written, or the last
// first. An error takes the place of each one that cannot be read.
func (f *File) Entries(reverse bool) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		last := uint64(0) // offset of the entry before
		for k := range f.Len() {
			i := k
			if reverse {
				i = f.Len() - 1 - k
			}
			e, err := f.Entry(i)
			if err == nil && last != 0 && (e.off > last) == reverse || err == nil && e.off == last {
				err = block.Errorf(format, "entry", int64(e.off), block.ErrCorrupt, "it is listed out of order")
				e = nil
			}
			if err == nil {
				last = e.off
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
