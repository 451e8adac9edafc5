package journal

import (
	"encoding/binary"
	"sort"

	"github.com/guestkit/guestkit/block"
)

const (
	arrayHead = 0x18 // of an entry array before its items
	// maxParts bounds the arrays of a file, which journald makes twice as long
	// each time.
	maxParts = 1 << 16
	// maxFound bounds the entries that are found without the arrays, 8 bytes of
	// memory each.
	maxFound = 1 << 20
)

// arrayPart is one entry array, whose items are those from first on.
type arrayPart struct {
	off          uint64
	first, count int64
}

// claimed is how many entries the header says there are, as far as the file has
// room for them.
func (f *File) claimed() int64 {
	return int64(min(f.header.entries, uint64(f.end)/entryHead))
}

// itemSize is the size of an offset in arrays.
func (f *File) itemSize() int64 {
	if f.header.has(flagCompact) {
		return 4
	}
	return 8
}

// readArrays follows the chain of entry arrays.
func (f *File) readArrays() {
	if f.header.entries > uint64(f.claimed()) {
		f.problems.Add(block.Errorf(format, "header", 0x98, block.ErrCorrupt, "it says that there are %d entries, for which the file has no room", f.header.entries))
	}
	last := uint64(0)
	for off := f.header.entryArray; f.listed < f.claimed(); {
		fail := func(class error, detail string, args ...any) {
			f.problems.Add(block.Errorf(format, "entry array", int64(min(off, 1<<62)), class, detail, args...))
		}
		switch {
		case off == 0:
			fail(block.ErrCorrupt, "%d of %d entries are listed", f.listed, f.header.entries)
			return
		case off <= last: // the next one is always written behind
			fail(block.ErrLoop, "it lies before the array that names it as the next")
			return
		case len(f.parts) == maxParts:
			fail(block.ErrLimit, "there are more than %d arrays", maxParts)
			return
		}
		o, err := f.object(off, typeEntryArray, arrayHead+uint64(f.itemSize()))
		var b []byte
		if err == nil {
			b, err = f.pages.View(int64(off), arrayHead)
		}
		if err != nil {
			f.problems.Add(block.Locate(format, "entry array", int64(off), err))
			return
		}
		n := min(int64(o.size-arrayHead)/f.itemSize(), f.claimed()-f.listed)
		f.parts = append(f.parts, arrayPart{off, f.listed, n})
		f.listed += n
		last, off = off, binary.LittleEndian.Uint64(b[0x10:])
	}
}

// item returns the offset of the entry i, of those that the arrays list.
func (f *File) item(i int64) (uint64, error) {
	k := sort.Search(len(f.parts), func(k int) bool { return f.parts[k].first > i }) - 1
	p := f.parts[k]
	at := int64(p.off) + arrayHead + (i-p.first)*f.itemSize()
	b, err := f.pages.View(at, int(f.itemSize()))
	if err != nil {
		return 0, block.Locate(format, "entry array", int64(p.off), err)
	}
	off := uint64(0)
	if len(b) == 4 {
		off = uint64(binary.LittleEndian.Uint32(b))
	} else {
		off = binary.LittleEndian.Uint64(b)
	}
	if off == 0 {
		return 0, block.Errorf(format, "entry array", at, block.ErrCorrupt, "the place of entry %d was not written", i+1)
	}
	return off, nil
}

// search goes through the objects behind the last entry that the arrays list,
// and keeps those that are entries: what a damaged array leads to no more.
func (f *File) search() {
	off := f.header.headerSize
	for i := f.listed - 1; i >= 0 && i > f.listed-64; i-- {
		at, err := f.item(i)
		if err != nil {
			continue
		}
		if o, err := f.object(at, typeEntry, entryHead); err == nil {
			off = at + align(o.size)
			break
		}
	}
	for off < uint64(f.end) && uint64(f.end)-off >= objectSize {
		b, err := f.pages.View(int64(off), objectSize)
		if err != nil {
			f.problems.Add(block.Locate(format, "object", int64(off), err))
			return
		}
		var o objectHeader
		o.decode(b)
		if o.typ == 0 && o.size == 0 {
			return // room that is not used
		}
		if o.typ == 0 || o.typ > typeTag || o.size < objectSize || o.size > uint64(f.end)-off {
			f.problems.Add(block.Errorf(format, "object", int64(off), block.ErrCorrupt, "it is none; entries behind it are not found"))
			return
		}
		if o.typ == typeEntry {
			if len(f.found) == maxFound {
				f.problems.Add(block.Errorf(format, "entry", int64(off), block.ErrLimit, "more than %d entries are in no array", maxFound))
				return
			}
			f.found = append(f.found, off)
		}
		off += align(o.size)
	}
}

func align(n uint64) uint64 { return (n + 7) &^ 7 }
