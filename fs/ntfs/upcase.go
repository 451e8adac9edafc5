package ntfs

import (
	"encoding/binary"
	"unicode"
)

// upcase maps each UTF-16 unit to its upper case: the volume's $UpCase file.
type upcase [1 << 16]uint16

const upcaseSize = 2 << 16

// decode reads the table from the bytes of $UpCase.
func (u *upcase) decode(b []byte) {
	for i := range u {
		u[i] = uint16(i)
	}
	for i := 0; i < min(len(b)/2, len(u)); i++ {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
}

// standard fills the table from Unicode, for a volume whose own is lost.
func (u *upcase) standard() {
	for i := range u {
		u[i] = uint16(i)
		if r := unicode.ToUpper(rune(i)); r < 1<<16 {
			u[i] = uint16(r)
		}
	}
}

// fold puts name into upper case, in place.
func (u *upcase) fold(name []uint16) {
	for i, c := range name {
		name[i] = u[c]
	}
}

// compare orders a folded name and one as it is on disk (UTF-16LE) as
// COLLATION_FILE_NAME does, without regard to case.
func (u *upcase) compare(folded []uint16, name []byte) int {
	n := len(name) / 2
	for i := range min(len(folded), n) {
		if c := u[binary.LittleEndian.Uint16(name[2*i:])]; c != folded[i] {
			if folded[i] < c {
				return -1
			}
			return 1
		}
	}
	return len(folded) - n
}

// equalUnits reports whether name is, unit by unit, the one on disk.
func equalUnits(name []uint16, disk []byte) bool {
	if len(disk) != 2*len(name) {
		return false
	}
	for i, c := range name {
		if binary.LittleEndian.Uint16(disk[2*i:]) != c {
			return false
		}
	}
	return true
}
