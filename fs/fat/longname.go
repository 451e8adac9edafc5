package fat

import (
	"encoding/binary"
	"slices"
)

// A slot is a directory entry that holds 13 characters of a long name. The
// slots of one name come last part first, right before the 8.3 entry.
//
//	0x00  number from 1, 0x40 set in the last part
//	0x01  5 characters
//	0x0B  attributes 0x0F
//	0x0C  0
//	0x0D  checksum of the 8.3 name
//	0x0E  6 characters
//	0x1A  first cluster, 0
//	0x1C  2 characters
type slot []byte

const lastSlot = 0x40

// slots collects the parts of a long name until the 8.3 entry comes.
type slots struct {
	units []uint16 // of the name, filled from the end
	next  int      // the number that must come next; 0 if the name is complete
	sum   byte
	any   bool   // a slot has come since the last 8.3 entry
	wrong string // what broke the name
}

// add takes the next slot.
func (l *slots) add(s slot) {
	n := int(s[0] &^ lastSlot)
	switch {
	case s[0]&lastSlot != 0:
		broken := ""
		if l.any && l.wrong == "" {
			broken = "a new name starts before the 8.3 entry of the last one"
		}
		*l = slots{any: true, next: n, sum: s[0x0D], wrong: broken}
		if n < 1 || n > maxSlots {
			l.wrong = "too many parts"
			return
		}
		l.units = make([]uint16, n*charsPerSlot)
	case !l.any:
		l.any, l.wrong = true, "its last part is missing"
	}
	switch {
	case l.units == nil:
		return
	case n != l.next || n == 0:
		l.wrong = "its parts are out of order"
	case s[0x0D] != l.sum:
		l.wrong = "its parts have different checksums"
	case binary.LittleEndian.Uint16(s[0x1A:]) != 0 || s[0x0C] != 0:
		l.wrong = "a part is malformed"
	default:
		u := slotChars(s)
		copy(l.units[(n-1)*charsPerSlot:], u[:])
		l.next--
		return
	}
	l.units = nil
}

// name ends the collection at the 8.3 entry with that raw name. It returns ""
// and what is wrong if there is no long name to go with it.
func (l *slots) name(raw [11]byte) (name, wrong string) {
	done := *l
	*l = slots{}
	switch {
	case !done.any:
		return "", ""
	case done.wrong != "":
		return "", done.wrong
	case done.next != 0:
		return "", "its first parts are missing"
	case done.sum != checksum(raw):
		return "", "its checksum is not that of the 8.3 name"
	}
	u := done.units
	if i := slices.Index(u, 0); i >= 0 {
		u = u[:i]
	}
	switch {
	case len(u) == 0 || len(u) > maxName:
		return "", "it has " + utoa(uint32(len(u))) + " characters"
	case len(u) <= len(done.units)-charsPerSlot:
		return "", "it ends before its last part"
	}
	return wtf8(u), ""
}
