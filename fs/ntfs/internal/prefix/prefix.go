// Package prefix decodes canonical prefix (Huffman) codes from a stream of
// 16-bit words, the highest bit of each first, as XPRESS and LZX use them.
package prefix

import (
	"encoding/binary"
	"errors"
)

// Limits of the codes that a Table can hold.
const (
	MaxSymbols = 512
	MaxLength  = 16
)

const fastBits = 10

// ErrCode is returned for lengths that make no complete code.
var ErrCode = errors.New("invalid prefix code")

// A Table decodes one code. The zero value has none.
type Table struct {
	fast    [1 << fastBits]uint16 // symbol<<4 | length, 0 for longer codewords
	limit   [MaxLength + 2]uint32 // of codewords of a length, left-aligned in 16 bits
	first   [MaxLength + 2]int32  // index in symbols less codeword, for a length
	symbols [MaxSymbols]uint16    // in the order of their codewords
	valid   bool
}

// Build makes the table of the code in which symbol i has a codeword of
// lengths[i] bits, none if that is 0. The code must be complete, or empty: then
// Next fails. There are at most MaxSymbols lengths, none above MaxLength.
func (t *Table) Build(lengths []uint8) error {
	t.valid = false
	var count [MaxLength + 1]int32
	for _, n := range lengths {
		if n > MaxLength {
			return ErrCode
		}
		count[n]++
	}
	if len(lengths) > MaxSymbols {
		return ErrCode
	}
	if int(count[0]) == len(lengths) {
		return nil
	}
	var next [MaxLength + 2]int32 // index of the next symbol of a length
	code, index := uint32(0), int32(0)
	for n := 1; n <= MaxLength; n++ {
		t.first[n] = index - int32(code>>(MaxLength-n))
		next[n] = index
		index += count[n]
		code += uint32(count[n]) << (MaxLength - n)
		if code > 1<<MaxLength {
			return ErrCode
		}
		t.limit[n] = code
	}
	if code != 1<<MaxLength {
		return ErrCode
	}
	for s, n := range lengths {
		if n > 0 {
			t.symbols[next[n]] = uint16(s)
			next[n]++
		}
	}
	t.fill(&count)
	t.valid = true
	return nil
}

// fill makes the table of the short codewords.
func (t *Table) fill(count *[MaxLength + 1]int32) {
	at, index := 0, int32(0)
	for n := 1; n <= fastBits; n++ {
		for range count[n] {
			entry := t.symbols[index]<<4 | uint16(n)
			index++
			part := t.fast[at : at+1<<(fastBits-n)]
			for i := range part {
				part[i] = entry
			}
			at += len(part)
		}
	}
	clear(t.fast[at:])
}

// Bits reads a stream of 16-bit little-endian words. Words are taken from it
// only as they are needed, since both formats have whole bytes between them.
// Past the end it gives zeros; Overrun tells.
type Bits struct {
	src  []byte
	pos  int
	buf  uint32 // the next bits, left-aligned
	n    uint   // how many of them are there
	over int    // words that were not there
}

// NewBits starts to read src.
func NewBits(src []byte) Bits { return Bits{src: src} }

// Need makes at least n bits available, n <= 16.
func (b *Bits) Need(n uint) {
	if b.n >= n {
		return
	}
	if b.pos+2 <= len(b.src) {
		b.buf |= uint32(binary.LittleEndian.Uint16(b.src[b.pos:])) << (16 - b.n)
		b.pos += 2
	} else {
		b.over++
	}
	b.n += 16
}

// Take returns the next n bits, n <= 16, which Need has made available.
func (b *Bits) Take(n uint) uint32 {
	v := b.buf >> 16 >> (16 - n)
	b.buf <<= n
	b.n -= n
	return v
}

// Read returns the next n bits, n <= 16.
func (b *Bits) Read(n uint) uint32 {
	b.Need(n)
	return b.Take(n)
}

// Next decodes a symbol. It is -1 if the code is empty.
func (b *Bits) Next(t *Table) int {
	b.Need(MaxLength)
	if e := t.fast[b.buf>>(32-fastBits)]; e != 0 && t.valid {
		n := uint(e & 15)
		b.buf <<= n
		b.n -= n
		return int(e >> 4)
	}
	if !t.valid {
		return -1
	}
	w := b.buf >> 16
	n := uint(fastBits + 1)
	for n < MaxLength && w >= t.limit[n] {
		n++
	}
	b.buf <<= n
	b.n -= n
	return int(t.symbols[t.first[n]+int32(w>>(MaxLength-n))])
}

// Overrun reports whether bits were taken that the stream does not have.
func (b *Bits) Overrun() bool { return b.over > 0 && uint(16*b.over) > b.n }

// Align drops what is left of the current word; at the border of two, all of
// the next one.
func (b *Bits) Align() {
	b.Need(1)
	b.buf, b.n = 0, 0
}

// Bytes returns the next n bytes of the stream, which lie behind the words
// taken so far, or nil if there are less.
func (b *Bits) Bytes(n int) []byte {
	if n > len(b.src)-b.pos {
		return nil
	}
	p := b.src[b.pos : b.pos+n]
	b.pos += n
	return p
}

// Copy appends n bytes, each the one distance before it, to dst[:pos], and
// returns the new length. It reports false if that leaves dst.
func Copy(dst []byte, pos, distance, n int) (int, bool) {
	if distance < 1 || distance > pos || n > len(dst)-pos {
		return pos, false
	}
	all := dst[pos-distance : pos+n]
	if distance >= n {
		copy(all[distance:], all)
		return pos + n, true
	}
	for i := distance; i < len(all); {
		i += copy(all[i:], all[:i])
	}
	return pos + n, true
}
