package journal

import (
	"encoding/binary"
	"math/bits"
)

// sipHash is SipHash-2-4 of b (Aumasson and Bernstein, 2012), the hash of files
// with the flag for keyed hashes. The key is the ID of the file.
func sipHash(key ID, b []byte) uint64 {
	le := binary.LittleEndian
	k0, k1 := le.Uint64(key[:]), le.Uint64(key[8:])
	v0, v1, v2, v3 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d, k0^0x6c7967656e657261, k1^0x7465646279746573
	round := func() {
		v0 += v1
		v2 += v3
		v1 = bits.RotateLeft64(v1, 13) ^ v0
		v3 = bits.RotateLeft64(v3, 16) ^ v2
		v0 = bits.RotateLeft64(v0, 32)
		v2 += v1
		v0 += v3
		v1 = bits.RotateLeft64(v1, 17) ^ v2
		v3 = bits.RotateLeft64(v3, 21) ^ v0
		v2 = bits.RotateLeft64(v2, 32)
	}
	last := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		m := le.Uint64(b)
		v3 ^= m
		round()
		round()
		v0 ^= m
	}
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	v3 ^= last
	round()
	round()
	v0 ^= last
	v2 ^= 0xff
	for range 4 {
		round()
	}
	return v0 ^ v1 ^ v2 ^ v3
}

// jenkins is hashlittle2 of Bob Jenkins's lookup3.c (2006) with both seeds 0, the
// first result in the upper half: the hash of all other files.
func jenkins(b []byte) uint64 {
	le := binary.LittleEndian
	x := 0xdeadbeef + uint32(len(b))
	y, z := x, x
	if len(b) == 0 {
		return uint64(z)<<32 | uint64(y)
	}
	for ; len(b) > 12; b = b[12:] {
		x += le.Uint32(b)
		y += le.Uint32(b[4:])
		z += le.Uint32(b[8:])
		x -= z
		x ^= bits.RotateLeft32(z, 4)
		z += y
		y -= x
		y ^= bits.RotateLeft32(x, 6)
		x += z
		z -= y
		z ^= bits.RotateLeft32(y, 8)
		y += x
		x -= z
		x ^= bits.RotateLeft32(z, 16)
		z += y
		y -= x
		y ^= bits.RotateLeft32(x, 19)
		x += z
		z -= y
		z ^= bits.RotateLeft32(y, 4)
		y += x
	}
	var rest [12]byte
	copy(rest[:], b)
	x += le.Uint32(rest[:])
	y += le.Uint32(rest[4:])
	z += le.Uint32(rest[8:])
	z ^= y
	z -= bits.RotateLeft32(y, 14)
	x ^= z
	x -= bits.RotateLeft32(z, 11)
	y ^= x
	y -= bits.RotateLeft32(x, 25)
	z ^= y
	z -= bits.RotateLeft32(y, 16)
	x ^= z
	x -= bits.RotateLeft32(z, 4)
	y ^= x
	y -= bits.RotateLeft32(x, 14)
	z ^= y
	z -= bits.RotateLeft32(y, 24)
	return uint64(z)<<32 | uint64(y)
}
