// Package xpress decodes the Huffman form of XPRESS ([MS-XCA] 2.1), which WIM
// archives and compressed system files of Windows use.
//
//	chunk   = 256 bytes with a code length of 4 bits for each of 512 symbols,
//	          then a stream of 16-bit words
//	symbol  = below 256: a literal; else a match: 4 bits that say how many bits
//	          of distance follow, and 4 bits of length, more of which stands in
//	          whole bytes between the words
package xpress

import (
	"encoding/binary"
	"errors"

	"github.com/guestkit/guestkit/fs/ntfs/internal/prefix"
)

// ErrCorrupt is returned for input that no encoder makes.
var ErrCorrupt = errors.New("invalid XPRESS data")

const (
	symbols    = 512
	headerSize = symbols / 2
	minMatch   = 3
)

// A Decoder holds the tables of a chunk, for use by one goroutine at a time.
type Decoder struct {
	lengths [symbols]uint8
	table   prefix.Table
}

// Decode fills dst with the content of the chunk src.
func (d *Decoder) Decode(dst, src []byte) error {
	if len(src) < headerSize {
		return ErrCorrupt
	}
	for i, b := range src[:headerSize] {
		d.lengths[2*i], d.lengths[2*i+1] = b&15, b>>4
	}
	if d.table.Build(d.lengths[:]) != nil {
		return ErrCorrupt
	}
	in := prefix.NewBits(src[headerSize:])
	for pos := 0; pos < len(dst); {
		s := in.Next(&d.table)
		if s < 256 {
			if s < 0 {
				return ErrCorrupt
			}
			dst[pos] = byte(s)
			pos++
			continue
		}
		bits := uint(s >> 4 & 15)
		in.Need(16)
		distance := 1<<bits | int(in.Take(bits))
		n, ok := length(&in, s&15)
		if ok {
			pos, ok = prefix.Copy(dst, pos, distance, n)
		}
		if !ok {
			return ErrCorrupt
		}
	}
	if in.Overrun() {
		return ErrCorrupt
	}
	return nil
}

// length reads what is left of the length of a match.
func length(in *prefix.Bits, n int) (int, bool) {
	if n < 15 {
		return n + minMatch, true
	}
	b := in.Bytes(1)
	if b == nil {
		return 0, false
	}
	if b[0] < 255 {
		return 15 + int(b[0]) + minMatch, true
	}
	if b = in.Bytes(2); b == nil {
		return 0, false
	}
	n = int(binary.LittleEndian.Uint16(b))
	return n + minMatch, n >= 15
}
