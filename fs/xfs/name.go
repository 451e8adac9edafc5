package xfs

import "math/bits"

// hashName is the hash under which directories and attributes index a name.
func hashName(name string) uint32 {
	var h uint32
	for ; len(name) >= 4; name = name[4:] {
		h = uint32(name[0])<<21 ^ uint32(name[1])<<14 ^ uint32(name[2])<<7 ^ uint32(name[3]) ^ bits.RotateLeft32(h, 28)
	}
	switch len(name) {
	case 3:
		return uint32(name[0])<<14 ^ uint32(name[1])<<7 ^ uint32(name[2]) ^ bits.RotateLeft32(h, 21)
	case 2:
		return uint32(name[0])<<7 ^ uint32(name[1]) ^ bits.RotateLeft32(h, 14)
	case 1:
		return uint32(name[0]) ^ bits.RotateLeft32(h, 7)
	}
	return h
}

// hashNameCI is the hash of names that compare without case.
func hashNameCI(name string) uint32 {
	var h uint32
	for i := range len(name) {
		h = uint32(lower(name[i])) ^ bits.RotateLeft32(h, 7)
	}
	return h
}

// lower folds the case of ISO 8859-1, in which the kernel's table "ascii-ci"
// goes further than its name says.
func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' || c >= 0xc0 && c <= 0xde && c != 0xd7 {
		return c + 0x20
	}
	return c
}

func equalCI(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}
