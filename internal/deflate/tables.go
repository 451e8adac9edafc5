package deflate

// The alphabets of RFC 1951, 3.2.5 and 3.2.7.
const (
	maxLitLen  = 286 // literals, end of block, lengths
	maxDist    = 30
	endOfBlock = 256
	minMatch   = 3
	maxMatch   = 258
	maxStored  = 65535
)

// What the codes of lengths, from 257 on, and of distances stand for: the least
// value, and how many bits say what is more (3.2.5).
var LengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
var LengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
var DistBase = [maxDist]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
var DistExtra = [maxDist]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}

// CodeOrder is the order in which the lengths of the code length code are
// written (3.2.7).
var CodeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// lengthCode maps a match length less 3 to its index in LengthBase.
var lengthCode = func() (t [256]uint8) {
	for c, base := range LengthBase {
		for l := int(base); l <= maxMatch; l++ {
			t[l-minMatch] = uint8(c)
		}
	}
	return t
}()

// distCode maps a distance less 1 to its index in DistBase: the first half by
// distance, the second by distance/128.
var distCode = func() (t [512]uint8) {
	for c, base := range DistBase {
		for d := int(base) - 1; d < 256; d++ {
			t[d] = uint8(c)
		}
		for d := (int(base) - 1 + 127) >> 7; d < 256; d++ {
			t[256+d] = uint8(c)
		}
	}
	return t
}()

// distSymbol returns the distance code of a distance less 1.
func distSymbol(d uint32) uint8 {
	if d < 256 {
		return distCode[d&511]
	}
	return distCode[(256+d>>7)&511]
}

// fixedLens returns the lengths of the fixed codes (3.2.6).
func fixedLens() (lit [maxLitLen]uint8, dist [maxDist]uint8) {
	for s := range lit {
		switch {
		case s < 144:
			lit[s] = 8
		case s < 256:
			lit[s] = 9
		case s < 280:
			lit[s] = 7
		default:
			lit[s] = 8
		}
	}
	for s := range dist {
		dist[s] = 5
	}
	return lit, dist
}
