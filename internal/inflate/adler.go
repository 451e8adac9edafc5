package inflate

import "encoding/binary"

const (
	adlerMod = 65521
	// In so many words a lane of 16 bits cannot overflow: the sum over them of
	// the sums before each is at most 255 × 22 × 23 / 2 = 64,515.
	adlerWords = 23
)

// adler returns the Adler-32 of b (RFC 1950, 8.2), eight bytes at a time: the
// even and the odd bytes of a word are added in lanes of 16 bits, and so are the
// sums before each word, which count eight times in the second half.
func adler(b []byte) uint32 {
	const lanes = 0x00FF00FF00FF00FF
	s1, s2 := uint64(1), uint64(0)
	for len(b) >= 8 {
		words := min(len(b)/8, adlerWords)
		var even, odd, evens, odds uint64
		for p := b[:8*words]; len(p) >= 8; p = p[8:] {
			w := binary.LittleEndian.Uint64(p)
			evens += even
			odds += odd
			even += w & lanes
			odd += w >> 8 & lanes
		}
		// A byte at place i of its word counts 8-i times more.
		s2 += 8 * (uint64(words)*s1 + sum(evens) + sum(odds))
		s2 += 8*(even&0xFFFF) + 6*(even>>16&0xFFFF) + 4*(even>>32&0xFFFF) + 2*(even>>48)
		s2 += 7*(odd&0xFFFF) + 5*(odd>>16&0xFFFF) + 3*(odd>>32&0xFFFF) + odd>>48
		s1 += sum(even) + sum(odd)
		s1, s2 = s1%adlerMod, s2%adlerMod
		b = b[8*words:]
	}
	for _, c := range b {
		s1 += uint64(c)
		s2 += s1
	}
	return uint32(s2%adlerMod<<16 | s1%adlerMod)
}

// sum adds the four lanes of 16 bits.
func sum(v uint64) uint64 { return v&0xFFFF + v>>16&0xFFFF + v>>32&0xFFFF + v>>48 }
