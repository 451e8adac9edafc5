package ntfs

import (
	"encoding/binary"
	"errors"
)

// stride is the distance of the words that fixups protect. It is 512 bytes
// whatever the size of a sector.
const stride = 512

var (
	errFixupArray = errors.New("the update sequence array has the wrong size or place")
	errFixup      = errors.New("the update sequence does not match: a write was torn")
)

// applyFixups restores the last word of each 512 bytes of a multi-sector
// structure (MFT record, index block, restart page) from its update sequence
// array, whose place and length stand at 0x04 and 0x06. All words are compared
// before any is changed, and the array does not reach the first of them. len(b) is a multiple of 512.
func applyFixups(b []byte) error {
	off := int(binary.LittleEndian.Uint16(b[0x04:]))
	count := int(binary.LittleEndian.Uint16(b[0x06:]))
	if count != len(b)/stride+1 || off&1 != 0 || off < 8 || off+2*count > stride-2 {
		return errFixupArray
	}
	usn := binary.LittleEndian.Uint16(b[off:])
	for i := 1; i < count; i++ {
		if binary.LittleEndian.Uint16(b[i*stride-2:]) != usn {
			return errFixup
		}
	}
	for i := 1; i < count; i++ {
		copy(b[i*stride-2:i*stride], b[off+2*i:])
	}
	return nil
}
