// Package terminal is the one way by which text that an image or a host file
// name controls reaches a person: no control character, no bidirectional
// override and no broken UTF-8 gets through, on a terminal, in a pipe and in
// an error message alike.
package terminal

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// vfsEscape is the private-use block in which package vfs keeps the bytes of
// names that are not UTF-8.
const vfsEscape = 0xEF00

// Escape returns s on one line and safe to print. Bytes that are no UTF-8 and
// ASCII control characters become \xNN, other controls and the characters that
// reorder text become \uNNNN; all else stays. It is for people: a backslash
// stays as it is, so what was escaped cannot be told for sure from what only
// looks so.
func Escape(s string) string {
	clean := true
	for i, r := range s {
		if dangerous(r) || r == utf8.RuneError && invalidAt(s[i:]) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !dangerous(r):
			b.WriteString(s[i : i+n])
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r >= vfsEscape && r <= vfsEscape+0xFF:
			fmt.Fprintf(&b, `\x%02x`, r-vfsEscape)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

func invalidAt(s string) bool {
	_, n := utf8.DecodeRuneInString(s)
	return n == 1
}

// dangerous tells which characters control a terminal, or the order in which
// it shows others. The stand-ins for bytes of names count too, so that people
// see the byte.
func dangerous(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7F && r <= 0x9F:
		return true
	case r == 0x61C, r == 0x200E, r == 0x200F, r >= 0x2028 && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
		return true
	case r == 0xFEFF, r >= vfsEscape && r <= vfsEscape+0xFF:
		return true
	}
	return false
}

// EscapeJSON takes a JSON text and writes the characters that a terminal would
// obey as \uNNNN. They can stand only inside strings, so the meaning stays.
func EscapeJSON(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r >= 0x7F && dangerous(r) && !(r >= vfsEscape && r <= vfsEscape+0xFF) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}
