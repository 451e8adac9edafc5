package linux

import (
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
)

// maxMounts bounds how many entries of an fstab are looked at.
const maxMounts = 1000

// A fstabEntry is one line of fstab(5).
type fstabEntry struct {
	spec, path, typ, options string
	line                     int
}

// parseFstab reads fstab(5): fields parted by blanks, in which a blank is
// written as \040. A line with fewer than two fields is no entry; the type
// and the options may be missing, as mount(8) allows.
func parseFstab(b []byte) []fstabEntry {
	var out []fstabEntry
	for line, text := range guest.Entries(b) {
		f := strings.Fields(text)
		if len(f) < 2 {
			continue
		}
		e := fstabEntry{spec: unoctal(f[0]), path: unoctal(f[1]), typ: "auto", line: line}
		if len(f) > 2 {
			e.typ = unoctal(f[2])
		}
		if len(f) > 3 {
			e.options = unoctal(f[3])
		}
		out = append(out, e)
	}
	return out
}

// unoctal undoes the escapes of fstab: a backslash and three octal digits.
func unoctal(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isOctal(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '7' {
			return false
		}
	}
	return s[0] <= '3'
}

// unhex undoes the escapes of udev's names in /dev/disk/by-label: \x20.
func unhex(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+3 < len(s) {
			hi, lo := strings.IndexByte(hexDigits, s[i+2]|0x20), strings.IndexByte(hexDigits, s[i+3]|0x20)
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

const hexDigits = "0123456789abcdef"

// hasOption reports whether a list of mount options holds one.
func hasOption(options, want string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if o == want {
			return true
		}
	}
	return false
}
