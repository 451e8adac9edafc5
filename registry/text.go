package registry

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

// latin1 is the text of a compressed name, one byte a character.
func latin1(b []byte) string {
	ascii := true
	for _, c := range b {
		ascii = ascii && c < 0x80
	}
	if ascii {
		return string(b)
	}
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

// utf16le is the text of UTF-16 in little-endian order. An odd byte at the end
// is left out.
func utf16le(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

// name decodes the name of a key or a value.
func name(b []byte, compressed bool) string {
	if compressed {
		return latin1(b)
	}
	return utf16le(b)
}

// fold puts a name into the upper case by which the registry compares names.
// As in Windows, a character has one that is a single UTF-16 unit, or none.
func fold(s string) string { return strings.Map(upper, s) }

func upper(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z':
		return r - 'a' + 'A'
	case r < 0x80 || r > 0xffff:
		return r
	}
	if u := unicode.ToUpper(r); u >= 0x80 && u <= 0xffff {
		return u
	}
	return r
}

// compare orders folded names by their UTF-16 units.
func compare(a, b string) int {
	if !strings.ContainsFunc(a+b, func(r rune) bool { return r > 0xd7ff }) {
		return strings.Compare(a, b)
	}
	x, y := utf16.Encode([]rune(a)), utf16.Encode([]rune(b))
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return int(x[i]) - int(y[i])
		}
	}
	return len(x) - len(y)
}

// filetime is a time in units of 100 ns since 1601. 0, and what lies past the
// year 9999, is no time.
func filetime(v uint64) time.Time {
	const (
		unit  = 10_000_000
		epoch = 11_644_473_600  // seconds from 1601 to 1970
		end   = 265_046_774_400 // seconds from 1601 to the year 10000
	)
	if v == 0 || v/unit >= end {
		return time.Time{}
	}
	return time.Unix(int64(v/unit)-epoch, int64(v%unit)*100).UTC()
}
