// Package wide turns UTF-16 into text and back.
package wide

import (
	"encoding/binary"
	"unicode/utf16"
)

// Append appends s to b in UTF-16 of the byte order given.
func Append(b []byte, s string, order binary.AppendByteOrder) []byte {
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return b
}

// Len is how many units of 16 bits s takes.
func Len(s string) int { return len(utf16.Encode([]rune(s))) }

// String decodes all of b; a last odd byte is left out. Halves of surrogate
// pairs become U+FFFD.
func String(b []byte, order binary.ByteOrder) string { return string(utf16.Decode(units(b, order))) }

// Terminated is String up to the first NUL.
func Terminated(b []byte, order binary.ByteOrder) string {
	u := units(b, order)
	for i, c := range u {
		if c == 0 {
			u = u[:i]
			break
		}
	}
	return string(utf16.Decode(u))
}

func units(b []byte, order binary.ByteOrder) []uint16 {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = order.Uint16(b[2*i:])
	}
	return u
}
