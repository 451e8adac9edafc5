package ntfs

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// Names are UTF-16 and need not be valid. As raw bytes they are WTF-8: UTF-8,
// in which a surrogate without its partner has the three bytes that its code
// point would have. vfs escapes those reversibly.

// decodeName turns UTF-16LE into WTF-8. An odd byte at the end is dropped.
func decodeName(b []byte) string {
	n := len(b) / 2
	out := make([]byte, 0, n+8)
	for i := 0; i < n; i++ {
		r := rune(binary.LittleEndian.Uint16(b[2*i:]))
		if utf16.IsSurrogate(r) {
			if i+1 < n {
				if pair := utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(b[2*i+2:]))); pair != utf8.RuneError {
					out = utf8.AppendRune(out, pair)
					i++
					continue
				}
			}
			out = append(out, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

// encodeName turns WTF-8 into UTF-16. It reports whether s is WTF-8 at all; a
// name that is not exists on no NTFS volume.
func encodeName(s string) ([]uint16, bool) {
	out := make([]uint16, 0, len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			if len(s)-i < 3 || s[i] != 0xED || s[i+1]&0xE0 != 0xA0 || s[i+2]&0xC0 != 0x80 {
				return nil, false
			}
			r, n = 0xD000|rune(s[i+1]&0x3F)<<6|rune(s[i+2]&0x3F), 3
			out = append(out, uint16(r))
		} else {
			out = utf16.AppendRune(out, r)
		}
		i += n
	}
	return out, true
}

// nameEqual reports whether the UTF-16LE of an attribute's name is s, which is
// ASCII.
func nameEqual(b []byte, s string) bool {
	if len(b) != 2*len(s) {
		return false
	}
	for i := range len(s) {
		if b[2*i] != s[i] || b[2*i+1] != 0 {
			return false
		}
	}
	return true
}
