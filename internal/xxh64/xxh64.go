// Package xxh64 computes XXH64 with the seed 0, by doc/xxhash_spec.md of xxHash.
package xxh64

import (
	"encoding/binary"
	"math/bits"
)

// The primes of XXH64.
const (
	xxPrime1 uint64 = 0x9E3779B185EBCA87
	xxPrime2 uint64 = 0xC2B2AE3D27D4EB4F
	xxPrime3 uint64 = 0x165667B19E3779F9
	xxPrime4 uint64 = 0x85EBCA77C2B2AE63
	xxPrime5 uint64 = 0x27D4EB2F165667C5
)

func xxRound(acc, lane uint64) uint64 {
	return bits.RotateLeft64(acc+lane*xxPrime2, 31) * xxPrime1
}

func xxMerge(acc, v uint64) uint64 { return (acc^xxRound(0, v))*xxPrime1 + xxPrime4 }

// Sum is the checksum of b.
func Sum(b []byte) uint64 {
	le := binary.LittleEndian
	size := uint64(len(b))
	acc := xxPrime5
	if len(b) >= 32 {
		p1, p2 := xxPrime1, xxPrime2 // the sums below wrap around, which constants may not
		v1, v2, v3, v4 := p1+p2, p2, uint64(0), -p1
		for len(b) >= 32 {
			v1 = xxRound(v1, le.Uint64(b[0:8]))
			v2 = xxRound(v2, le.Uint64(b[8:16]))
			v3 = xxRound(v3, le.Uint64(b[16:24]))
			v4 = xxRound(v4, le.Uint64(b[24:32]))
			b = b[32:]
		}
		acc = bits.RotateLeft64(v1, 1) + bits.RotateLeft64(v2, 7) + bits.RotateLeft64(v3, 12) + bits.RotateLeft64(v4, 18)
		for _, v := range [...]uint64{v1, v2, v3, v4} {
			acc = xxMerge(acc, v)
		}
	}
	acc += size
	for ; len(b) >= 8; b = b[8:] {
		acc = bits.RotateLeft64(acc^xxRound(0, le.Uint64(b)), 27)*xxPrime1 + xxPrime4
	}
	if len(b) >= 4 {
		acc = bits.RotateLeft64(acc^uint64(le.Uint32(b))*xxPrime1, 23)*xxPrime2 + xxPrime3
		b = b[4:]
	}
	for _, c := range b {
		acc = bits.RotateLeft64(acc^uint64(c)*xxPrime5, 11) * xxPrime1
	}
	acc = (acc ^ acc>>33) * xxPrime2
	acc = (acc ^ acc>>29) * xxPrime3
	return acc ^ acc>>32
}
