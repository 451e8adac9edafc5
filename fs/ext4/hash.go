package ext4

import (
	"encoding/binary"
	"math/bits"
)

// Hash versions of a directory index.
const (
	hashLegacy = iota
	hashHalfMD4
	hashTea
	hashLegacyUnsigned
	hashHalfMD4Unsigned
	hashTeaUnsigned
	hashSip // keyed, for encrypted directories that ignore case
)

// hashEOF is kept out of the hashes, since the kernel uses it as a mark.
const hashEOF = 0x7FFFFFFF << 1

// nameHash computes the hash of a name in a directory index, and its second
// half. The lowest bit of a hash is 0: it marks collisions in the index.
func nameHash(version uint8, seed [16]byte, name []byte) (hash, minor uint32) {
	signed := version < hashLegacyUnsigned
	state := [4]uint32{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476}
	if seed != [16]byte{} {
		for i := range state {
			state[i] = binary.LittleEndian.Uint32(seed[4*i:])
		}
	}
	switch version {
	case hashLegacy, hashLegacyUnsigned:
		hash = legacyHash(name, signed)
	case hashHalfMD4, hashHalfMD4Unsigned:
		for p := name; len(p) > 0; p = p[min(len(p), 32):] {
			var in [8]uint32
			hashWords(in[:], p, signed)
			halfMD4(&state, &in)
		}
		hash, minor = state[1], state[2]
	case hashTea, hashTeaUnsigned:
		for p := name; len(p) > 0; p = p[min(len(p), 16):] {
			var in [4]uint32
			hashWords(in[:], p, signed)
			tea(&state, &in)
		}
		hash, minor = state[0], state[1]
	}
	if hash &^= 1; hash == hashEOF {
		hash = hashEOF - 2
	}
	return hash, minor
}

// widen extends a byte of a name as the C compiler of the kernel that made the
// directory did: char is signed on some machines.
func widen(c byte, signed bool) uint32 {
	if signed {
		return uint32(int32(int8(c)))
	}
	return uint32(c)
}

// legacyHash is the hash of the first htree directories.
func legacyHash(name []byte, signed bool) uint32 {
	prev, cur := uint32(0x37ABE8F9), uint32(0x12A3FE2D)
	for _, c := range name {
		next := prev + (cur ^ widen(c, signed)*7152373)
		if next&0x80000000 != 0 {
			next -= 0x7FFFFFFF
		}
		prev, cur = cur, next
	}
	return cur << 1
}

// hashWords packs the next bytes of a name into words, four to each from the
// top, and fills up with the length of what is left of the name.
func hashWords(out []uint32, p []byte, signed bool) {
	pad := uint32(len(p))
	pad |= pad << 8
	pad |= pad << 16
	p = p[:min(len(p), 4*len(out))]
	for i := range out {
		v := pad
		for _, c := range p[:min(4, len(p))] {
			v = widen(c, signed) + v<<8
		}
		out[i] = v
		p = p[min(4, len(p)):]
	}
}

// halfMD4 mixes eight words into the state by three rounds of eight of MD4's
// steps.
func halfMD4(state *[4]uint32, in *[8]uint32) {
	const k2, k3 = 0x5A827999, 0x6ED9EBA1 // the square roots of 2 and 3
	a, b, c, d := state[0], state[1], state[2], state[3]
	for i, shift := range [8]int{3, 7, 11, 19, 3, 7, 11, 19} {
		a, b, c, d = d, bits.RotateLeft32(a+(d^b&(c^d))+in[i], shift), b, c
	}
	order := [8]int{1, 3, 5, 7, 0, 2, 4, 6}
	for i, shift := range [8]int{3, 5, 9, 13, 3, 5, 9, 13} {
		a, b, c, d = d, bits.RotateLeft32(a+(b&c+(b^c)&d)+in[order[i]]+k2, shift), b, c
	}
	order = [8]int{3, 7, 2, 6, 1, 5, 0, 4}
	for i, shift := range [8]int{3, 9, 11, 15, 3, 9, 11, 15} {
		a, b, c, d = d, bits.RotateLeft32(a+(b^c^d)+in[order[i]]+k3, shift), b, c
	}
	state[0] += a
	state[1] += b
	state[2] += c
	state[3] += d
}

// tea mixes four words into the first half of the state by sixteen rounds of
// the Tiny Encryption Algorithm.
func tea(state *[4]uint32, in *[4]uint32) {
	const delta = 0x9E3779B9
	x, y, sum := state[0], state[1], uint32(0)
	for range 16 {
		sum += delta
		x += (y<<4 + in[0]) ^ (y + sum) ^ (y>>5 + in[1])
		y += (x<<4 + in[2]) ^ (x + sum) ^ (x>>5 + in[3])
	}
	state[0] += x
	state[1] += y
}
