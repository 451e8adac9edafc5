package journal

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// The types of objects that are read.
const (
	typeData       = 1
	typeEntry      = 3
	typeEntryArray = 6
	typeTag        = 7 // the last that there is
)

var typeNames = map[byte]string{typeData: "data object", typeEntry: "entry", typeEntryArray: "entry array"}

const objectSize = 16 // of the header of an object

// objectHeader begins an object.
type objectHeader struct {
	typ   byte   // 0x00
	flags byte   // 0x01 how data is compressed; 6 reserved bytes behind it
	size  uint64 // 0x08 with this header
}

func (o *objectHeader) decode(b []byte) {
	o.typ = b[0x00]
	o.flags = b[0x01]
	o.size = binary.LittleEndian.Uint64(b[0x08:])
}

// object reads the header of the object at off, which should be of a type and
// have at least the given size. The object lies in the file.
func (f *File) object(off uint64, typ byte, least uint64) (objectHeader, error) {
	what := typeNames[typ]
	var o objectHeader
	fail := func(class error, detail string, args ...any) (objectHeader, error) {
		return o, block.Errorf(format, what, int64(min(off, 1<<62)), class, detail, args...)
	}
	switch {
	case off < f.header.headerSize || off%8 != 0 || off > 1<<62:
		return fail(block.ErrCorrupt, "no object can lie there")
	case off > uint64(f.end) || uint64(f.end)-off < objectSize:
		return fail(f.beyond(off), "it lies behind the end of the file")
	}
	b, err := f.pages.View(int64(off), objectSize)
	if err != nil {
		return o, block.Locate(format, what, int64(off), err)
	}
	o.decode(b)
	switch {
	case o.typ != typ:
		return fail(block.ErrCorrupt, "an object of type %d lies there", o.typ)
	case o.size < least:
		return fail(block.ErrCorrupt, "it says that it has %d bytes", o.size)
	case o.size > uint64(f.end)-off:
		return fail(f.beyond(off+min(o.size, 1<<62)), "its %d bytes reach behind the end of the file", o.size)
	}
	return o, nil
}

// beyond is the class of a pointer behind the end of the file: it was cut, or
// the pointer is wrong.
func (f *File) beyond(off uint64) error {
	if off <= f.header.headerSize+f.header.arenaSize {
		return block.ErrTruncated
	}
	return block.ErrCorrupt
}
