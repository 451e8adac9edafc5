package ntfs

import (
	"encoding/binary"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

// Types of attributes.
const (
	attrStandardInformation = 0x10
	attrAttributeList       = 0x20
	attrFileName            = 0x30
	attrSecurityDescriptor  = 0x50
	attrVolumeName          = 0x60
	attrVolumeInformation   = 0x70
	attrData                = 0x80
	attrIndexRoot           = 0x90
	attrIndexAllocation     = 0xA0
	attrBitmap              = 0xB0
	attrReparsePoint        = 0xC0
	attrEA                  = 0xE0
	attrEnd                 = 0xFFFFFFFF
)

// Flags of an attribute.
const (
	attrCompressionMask = 0x00FF
	attrLZNT1           = 0x0001 // the only method
	attrEncrypted       = 0x4000
	attrSparse          = 0x8000
)

// An attribute is one part of a file: a header, and the value or where it
// lies.
type attribute struct {
	typ        uint32 // 0x00
	length     uint32 // 0x04
	nonRes     bool   // 0x08
	nameLength uint8  // 0x09 UTF-16 units
	nameOffset uint16 // 0x0A
	flags      uint16 // 0x0C
	instance   uint16 // 0x0E

	// resident
	valueLength uint32 // 0x10
	valueOffset uint16 // 0x14

	// non-resident
	lowest      int64  // 0x10 VCN
	highest     int64  // 0x18 VCN
	pairsOffset uint16 // 0x20
	unit        uint8  // 0x22 binary logarithm of clusters, 0 if not compressed
	allocated   int64  // 0x28 this and what follows only where lowest is 0
	size        int64  // 0x30
	initialized int64  // 0x38
	stored      int64  // 0x40 where the flags say compressed or sparse

	name  []byte // UTF-16LE
	value []byte // resident
	pairs []byte // mapping pairs, non-resident
}

// decode reads the header; b has length bytes, at least as many as the form
// needs (see headerSize).
func (a *attribute) decode(b []byte) {
	a.typ = binary.LittleEndian.Uint32(b)
	a.length = binary.LittleEndian.Uint32(b[0x04:])
	a.nonRes = b[0x08] != 0
	a.nameLength = b[0x09]
	a.nameOffset = binary.LittleEndian.Uint16(b[0x0A:])
	a.flags = binary.LittleEndian.Uint16(b[0x0C:])
	a.instance = binary.LittleEndian.Uint16(b[0x0E:])
	if !a.nonRes {
		a.valueLength = binary.LittleEndian.Uint32(b[0x10:])
		a.valueOffset = binary.LittleEndian.Uint16(b[0x14:])
		return
	}
	a.lowest = int64(binary.LittleEndian.Uint64(b[0x10:]))
	a.highest = int64(binary.LittleEndian.Uint64(b[0x18:]))
	a.pairsOffset = binary.LittleEndian.Uint16(b[0x20:])
	a.unit = b[0x22]
	a.allocated = int64(binary.LittleEndian.Uint64(b[0x28:]))
	a.size = int64(binary.LittleEndian.Uint64(b[0x30:]))
	a.initialized = int64(binary.LittleEndian.Uint64(b[0x38:]))
	a.stored = a.allocated
	if a.lowest == 0 && a.flags&(attrCompressionMask|attrSparse) != 0 && len(b) >= 0x48 {
		a.stored = int64(binary.LittleEndian.Uint64(b[0x40:]))
	}
}

const (
	residentHeaderSize    = 0x18
	nonResidentHeaderSize = 0x40
)

// validate checks the header and cuts name and value out of b.
func (a *attribute) validate(b []byte) error {
	length := a.length
	if a.nameLength > 0 {
		end := uint32(a.nameOffset) + 2*uint32(a.nameLength)
		if end > length || a.nameOffset < residentHeaderSize {
			return fmt.Errorf("%w: name of attribute %#x outside of it", block.ErrCorrupt, a.typ)
		}
		a.name = b[a.nameOffset:end:end]
	}
	if !a.nonRes {
		if uint32(a.valueOffset) > length || a.valueLength > length-uint32(a.valueOffset) || a.valueLength > 0 && a.valueOffset < residentHeaderSize {
			return fmt.Errorf("%w: value of attribute %#x outside of it", block.ErrCorrupt, a.typ)
		}
		end := uint32(a.valueOffset) + a.valueLength
		a.value = b[a.valueOffset:end:end]
		a.size, a.initialized = int64(a.valueLength), int64(a.valueLength)
		return nil
	}
	switch {
	case uint32(a.pairsOffset) > length || a.pairsOffset < nonResidentHeaderSize:
		return fmt.Errorf("%w: mapping pairs of attribute %#x outside of it", block.ErrCorrupt, a.typ)
	case a.lowest < 0 || a.highest < a.lowest-1:
		return fmt.Errorf("%w: attribute %#x maps clusters %#x to %#x", block.ErrCorrupt, a.typ, a.lowest, a.highest)
	case a.lowest == 0 && (a.initialized < 0 || a.initialized > a.size || a.size > a.allocated):
		return fmt.Errorf("%w: attribute %#x has %d bytes allocated, %d used, %d valid", block.ErrCorrupt, a.typ, a.allocated, a.size, a.initialized)
	}
	a.pairs = b[a.pairsOffset:length:length]
	return nil
}

// parseAttributes cuts the attributes of a record, up to the end marker, out
// of b.
func parseAttributes(b []byte) ([]attribute, error) {
	out := make([]attribute, 0, 4)
	for {
		if len(b) < 4 {
			return nil, fmt.Errorf("%w: the attributes have no end marker", block.ErrCorrupt)
		}
		if binary.LittleEndian.Uint32(b) == attrEnd {
			return out, nil
		}
		if len(b) < residentHeaderSize {
			return nil, fmt.Errorf("%w: an attribute is cut off", block.ErrCorrupt)
		}
		length := binary.LittleEndian.Uint32(b[0x04:])
		least := uint32(residentHeaderSize)
		if b[0x08] != 0 {
			least = nonResidentHeaderSize
		}
		if length < least || length&7 != 0 || uint64(length) > uint64(len(b)) {
			return nil, fmt.Errorf("%w: attribute %#x is %d bytes long", block.ErrCorrupt, binary.LittleEndian.Uint32(b), length)
		}
		out = append(out, attribute{})
		a := &out[len(out)-1]
		a.decode(b[:length])
		if err := a.validate(b[:length]); err != nil {
			return nil, err
		}
		b = b[length:]
	}
}
