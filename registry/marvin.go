package registry

import (
	"encoding/binary"
	"math/bits"
)

// marvin is the state of a Marvin32 hash, by which new logs are protected.
type marvin struct{ lo, hi uint32 }

// newMarvin starts the hash with the seed of the registry, 0x82EF4D887A4E55C5.
func newMarvin() marvin { return marvin{0x7a4e55c5, 0x82ef4d88} }

func (m *marvin) mix(word uint32) {
	m.lo += word
	m.hi ^= m.lo
	m.lo = bits.RotateLeft32(m.lo, 20) + m.hi
	m.hi = bits.RotateLeft32(m.hi, 9) ^ m.lo
	m.lo = bits.RotateLeft32(m.lo, 27) + m.hi
	m.hi = bits.RotateLeft32(m.hi, 19)
}

// write takes more input. Only the last call may have a length that is no
// multiple of 4, whose rest is left to sum.
func (m *marvin) write(p []byte) (rest []byte) {
	for ; len(p) >= 4; p = p[4:] {
		m.mix(binary.LittleEndian.Uint32(p))
	}
	return p
}

// sum ends the hash with the bytes that write left over.
func (m *marvin) sum(rest []byte) uint64 {
	last := [4]byte{}
	copy(last[:], rest)
	last[len(rest)] = 0x80
	m.mix(binary.LittleEndian.Uint32(last[:]))
	m.mix(0)
	return uint64(m.hi)<<32 | uint64(m.lo)
}
