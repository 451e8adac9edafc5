package ntfs

import (
	"encoding/binary"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

// Record numbers of the system files. Files below firstUser are not listed.
const (
	recMFT       = 0
	recMirror    = 1
	recLogFile   = 2
	recVolume    = 3
	recRoot      = 5
	recBitmap    = 6
	recBoot      = 7
	recSecure    = 9
	recUpCase    = 10
	firstUser    = 24
	mirrorLength = 4 // records that $MFTMirr repeats
)

// A ref names an MFT record: the number in 48 bits, above it the sequence
// number that the record has while the reference is good.
type ref uint64

func (r ref) num() uint64 { return uint64(r) & (1<<48 - 1) }
func (r ref) seq() uint16 { return uint16(r >> 48) }

const (
	flagInUse     = 0x0001
	flagDirectory = 0x0002
)

// recordHeader starts an MFT record.
type recordHeader struct {
	magic      [4]byte // 0x00 "FILE", or "BAAD" after a failed fixup
	usaOffset  uint16  // 0x04
	sequence   uint16  // 0x10
	links      uint16  // 0x12 names, those for DOS counted too
	attrOffset uint16  // 0x14
	flags      uint16  // 0x16
	used       uint32  // 0x18 bytes
	allocated  uint32  // 0x1C bytes: the size of a record
	base       ref     // 0x20 the record that this one extends, or 0
	number     uint32  // 0x2C low half of its own number, since NTFS 3.1
}

const recordHeaderSize = 0x30

func (h *recordHeader) decode(b []byte) {
	copy(h.magic[:], b)
	h.usaOffset = binary.LittleEndian.Uint16(b[0x04:])
	h.sequence = binary.LittleEndian.Uint16(b[0x10:])
	h.links = binary.LittleEndian.Uint16(b[0x12:])
	h.attrOffset = binary.LittleEndian.Uint16(b[0x14:])
	h.flags = binary.LittleEndian.Uint16(b[0x16:])
	h.used = binary.LittleEndian.Uint32(b[0x18:])
	h.allocated = binary.LittleEndian.Uint32(b[0x1C:])
	h.base = ref(binary.LittleEndian.Uint64(b[0x20:]))
	h.number = binary.LittleEndian.Uint32(b[0x2C:])
}

// validate checks the header of a record of the given size.
func (h *recordHeader) validate(size int) error {
	switch {
	case string(h.magic[:]) == "BAAD":
		return fmt.Errorf("%w: marked as bad: a fixup failed when it was read last", block.ErrCorrupt)
	case string(h.magic[:]) != "FILE":
		return fmt.Errorf("%w: no MFT record: magic %q", block.ErrCorrupt, h.magic[:])
	case h.allocated != uint32(size):
		return fmt.Errorf("%w: %d bytes allocated in a record of %d", block.ErrCorrupt, h.allocated, size)
	case h.used > h.allocated || uint32(h.attrOffset) > h.used || h.attrOffset < h.usaOffset || h.attrOffset&7 != 0 || h.used < recordHeaderSize:
		return fmt.Errorf("%w: attributes from %#x to %#x", block.ErrCorrupt, h.attrOffset, h.used)
	}
	return nil
}

// A record is one MFT record: fixed up, checked and cut into attributes.
type record struct {
	recordHeader
	num   uint64
	attrs []attribute
}

// parseRecord makes a record of b, which has its fixups applied and is kept.
func parseRecord(num uint64, b []byte) (*record, error) {
	r := &record{num: num}
	r.decode(b)
	if err := r.validate(len(b)); err != nil {
		return nil, err
	}
	var err error
	r.attrs, err = parseAttributes(b[r.attrOffset:r.used])
	return r, err
}

// first returns the first attribute of a type, or nil.
func (r *record) first(typ uint32) *attribute {
	for i := range r.attrs {
		if r.attrs[i].typ == typ {
			return &r.attrs[i]
		}
	}
	return nil
}

// byInstance returns the attribute of a type with an instance number, which no
// other attribute of the record has, or nil.
func (r *record) byInstance(typ uint32, instance uint16) *attribute {
	for i := range r.attrs {
		if r.attrs[i].typ == typ && r.attrs[i].instance == instance {
			return &r.attrs[i]
		}
	}
	return nil
}

func recordName(num uint64) string { return fmt.Sprintf("MFT record %d", num) }
