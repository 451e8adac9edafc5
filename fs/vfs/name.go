package vfs

import (
	"strings"
	"unicode/utf8"
)

// escapeBase is the private-use character that stands for byte 0.
const escapeBase = 0xEF00

// Escape turns the raw bytes of one file name into a path element that io/fs
// accepts: each byte that is not part of valid UTF-8, NUL, and "/" becomes the
// character U+EF00 plus its value, as do the bytes of such a character itself,
// and the dots of an entry that is named "." or "..". Other names stay as
// they are.
func Escape(raw string) string {
	if raw == "." || raw == ".." {
		return strings.ReplaceAll(raw, ".", string(rune(escapeBase+'.')))
	}
	return escape(raw, true)
}

// EscapeTarget is Escape for the target of a symbolic link, in which slashes
// and dots are meant.
func EscapeTarget(raw string) string { return escape(raw, false) }

func escape(raw string, slash bool) string {
	if plainName(raw, slash) {
		return raw
	}
	var b strings.Builder
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRuneInString(raw[i:])
		switch {
		case r == utf8.RuneError && n == 1, r == 0, r == '/' && slash, escaped(r):
			for _, c := range []byte(raw[i : i+n]) {
				b.WriteRune(escapeBase + rune(c))
			}
		default:
			b.WriteString(raw[i : i+n])
		}
		i += n
	}
	return b.String()
}

func plainName(s string, slash bool) bool {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
		if r == 0 || r == '/' && slash || escaped(r) {
			return false
		}
	}
	return true
}

func escaped(r rune) bool { return r >= escapeBase && r <= escapeBase+0xFF }

// Unescape gives the raw bytes of a name or target that Escape or EscapeTarget
// made. A string without such characters comes back unchanged.
func Unescape(name string) string {
	if strings.IndexFunc(name, escaped) < 0 {
		return name
	}
	b := make([]byte, 0, len(name))
	for _, r := range name {
		if escaped(r) {
			b = append(b, byte(r-escapeBase))
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}
