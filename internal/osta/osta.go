// Package osta decodes the strings of UDF: OSTA compressed Unicode, and what
// blkid makes of the identifier of a volume set.
package osta

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// Dstring decodes a string of a field of fixed size, whose length is its last
// byte.
func Dstring(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return Text(b[:min(int(b[len(b)-1]), len(b)-1)])
}

// Text decodes a string: its first byte says how wide the characters are. 254 and
// 255 mark names of files that were deleted. What is none of these is "".
func Text(b []byte) string {
	if len(b) < 2 {
		return ""
	}
	switch text := b[1:]; b[0] {
	case 8, 254:
		r := make([]rune, len(text))
		for i, c := range text {
			r[i] = rune(c)
		}
		return string(r)
	case 16, 255:
		u := make([]uint16, len(text)/2)
		for i := range u {
			u[i] = uint16(text[2*i])<<8 | uint16(text[2*i+1])
		}
		return string(utf16.Decode(u))
	}
	return ""
}

// UUID makes 16 hexadecimal digits of the identifier of a volume set, as blkid
// does: of the first 16 bytes what is not such digits (all of them, or the half
// behind the time) is written by its bytes.
func UUID(set string) string {
	if len(set) < 8 {
		return ""
	}
	b := make([]byte, 16)
	copy(b, set)
	digits := 0
	for digits < 16 && strings.IndexByte("0123456789abcdefABCDEF", b[digits]) >= 0 {
		digits++
	}
	switch {
	case digits < 8:
		return fmt.Sprintf("%x", b[:8])
	case digits < 16:
		return strings.ToLower(string(b[:8])) + fmt.Sprintf("%x", b[8:12])
	}
	return strings.ToLower(string(b))
}
