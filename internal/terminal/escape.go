// Package terminal is the one way by which text that an image or a host file
// name controls reaches a person: no control character, no bidirectional
// override and no broken UTF-8 gets through, on a terminal, in a pipe and in
// an error message alike.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// vfsEscape is the private-use block in which package vfs keeps the bytes of
// names that are not UTF-8.
const vfsEscape = 0xEF00

// Escape returns s on one line and safe to print. Bytes that are no UTF-8 and
// ASCII control characters become \xNN, other controls and the characters that
// reorder text or are invisible become \uNNNN or \UNNNNNNNN; all else stays. It is for people: a backslash
// stays as it is, so what was escaped cannot be told for sure from what only
// looks so.
func Escape(s string) string {
	if plain(s) {
		return s
	}
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
		case r > 0xFFFF:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

// plain reports whether s is ASCII without control characters, as most text is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i]-0x20 > 0x7E-0x20 {
			return false
		}
	}
	return true
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
	case r == 0x61C, r == 0x2028, r == 0x2029, r >= vfsEscape && r <= vfsEscape+0xFF:
		return true
	}
	return r >= 0xAD && unicode.Is(invisible, r)
}

// invisible are the characters that Unicode lets fonts show as nothing
// (Default_Ignorable_Code_Point, DerivedCoreProperties.txt), those that reorder
// text among them: two names that differ in them alone look the same. The blank
// pattern of Braille is none of them, and shows as nothing everywhere.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00AD, 0x00AD, 1}, {0x034F, 0x034F, 1}, {0x061C, 0x061C, 1}, {0x115F, 0x1160, 1}, {0x17B4, 0x17B5, 1}, {0x180B, 0x180F, 1},
		{0x200B, 0x200F, 1}, {0x202A, 0x202E, 1}, {0x2060, 0x206F, 1}, {0x2800, 0x2800, 1}, {0x3164, 0x3164, 1}, {0xFE00, 0xFE0F, 1}, {0xFEFF, 0xFEFF, 1},
		{0xFFA0, 0xFFA0, 1}, {0xFFF0, 0xFFFB, 1},
	},
	R32:         []unicode.Range32{{0x1BCA0, 0x1BCA3, 1}, {0x1D173, 0x1D17A, 1}, {0xE0000, 0xE0FFF, 1}},
	LatinOffset: 1,
}

// EscapeJSON takes a JSON text and writes the characters that a terminal would
// obey as \uNNNN. They can stand only inside strings, so the meaning stays. What has
// none may come back as it is.
func EscapeJSON(b []byte) []byte {
	return escapeText(b, func(out []byte, r rune) []byte {
		for _, u := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, `\u%04x`, u)
		}
		return out
	})
}

// EscapeXML takes an XML text without CDATA sections and writes the characters that a
// terminal would obey as references. They can stand only in text and in attributes,
// so the meaning stays.
func EscapeXML(b []byte) []byte {
	return escapeText(b, func(out []byte, r rune) []byte { return fmt.Appendf(out, "&#x%x;", r) })
}

// escapeText has write write the characters that a terminal would obey. A text without
// them, as most are, is returned as it is.
func escapeText(b []byte, write func(out []byte, r rune) []byte) []byte {
	var out []byte
	done := 0
	for i := 0; i < len(b); {
		if b[i] < 0x7F { // controls among them are the text's own
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if dangerous(r) && !(r >= vfsEscape && r <= vfsEscape+0xFF) {
			out = write(append(out, b[done:i]...), r)
			done = i + n
		}
		i += n
	}
	if done == 0 {
		return b
	}
	return append(out, b[done:]...)
}

// A JSONWriter passes on JSON texts, each of which comes as one Write, as
// json.Encoder writes them, as EscapeJSON has them.
type JSONWriter struct{ io.Writer }

func (w JSONWriter) Write(b []byte) (int, error) {
	if _, err := w.Writer.Write(EscapeJSON(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Controls reports whether a terminal would obey something in s.
func Controls(s string) bool { return Escape(s) != s }
