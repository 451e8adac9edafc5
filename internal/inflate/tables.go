package inflate

import "github.com/guestkit/guestkit/internal/deflate"

// The alphabets of RFC 1951, 3.2.5 to 3.2.7.
const (
	maxLit     = 288 // literals, end of block, lengths; the last two are in the fixed code alone
	maxDist    = 32  // distances; so are these
	usedLit    = 286
	usedDist   = 30
	maxPre     = 19
	maxCodeLen = 15
	endOfBlock = 256
	maxMatch   = 258
)

// An entry says what the low bits of the input stand for:
//
//	bits 0–5    how many bits it takes, extra bits included
//	literal:    bits 8–15 the byte
//	length,
//	distance:   bits 8–12 the bits of the code alone, 13–28 the base
//	subtable:   bits 0–5 the bits of the first table, 8–12 the bits of the
//	            second, 13–28 where it starts
//
// flagOther is set on all that is neither a literal nor a length: a subtable, the
// end of the block, a code that stands for nothing.
const (
	flagLiteral = 1 << 31
	flagOther   = 1 << 30
	takes       = 63
	codeShift   = 8
	codeMask    = 31
	baseShift   = 13
	baseMask    = 1<<16 - 1
)

// What flagOther stands for, in the bits of the base of an entry that has no
// code bits (a subtable has some).
const (
	invalid = flagOther | 1<<baseShift
	ended   = flagOther | 2<<baseShift
)

const (
	litBits  = 11
	distBits = 8
	preBits  = 7
	// The most entries that a table and its subtables need, rounded up to a
	// power of two, so that a mask bounds every index: 2,342 and 402.
	litSize  = 4096
	distSize = 512
	preSize  = 1 << preBits
)

// litEntries, distEntries and preEntries are the entries of the symbols, without
// how many bits their codes take: code adds that.
var litEntries = func() (t [maxLit]uint32) {
	for s := range t {
		switch {
		case s < endOfBlock:
			t[s] = flagLiteral | uint32(s)<<codeShift
		case s == endOfBlock:
			t[s] = ended
		case s < usedLit:
			t[s] = uint32(deflate.LengthBase[s-257])<<baseShift | uint32(deflate.LengthExtra[s-257])
		default:
			t[s] = invalid
		}
	}
	return t
}()

var distEntries = func() (t [maxDist]uint32) {
	for s := range t {
		t[s] = invalid
		if s < usedDist {
			t[s] = uint32(deflate.DistBase[s])<<baseShift | uint32(deflate.DistExtra[s])
		}
	}
	return t
}()

var preEntries = func() (t [maxPre]uint32) {
	for s := range t {
		t[s] = uint32(s) << baseShift
	}
	return t
}()
