package fat

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	lowerBase = 0x08 // Windows NT: the 8 are meant in lower case
	lowerExt  = 0x10 // and the 3

	charsPerSlot = 13
	maxSlots     = 20
	maxName      = 255 // UTF-16 units
)

func utoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// cp437 is the upper half of IBM's code page 437.
var cp437 = []rune("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
	"└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00A0")

// shortName writes an 8.3 name as people do.
func shortName(raw [11]byte, flags byte) string {
	if raw[0] == 0x05 { // stands for 0xE5, which marks a deleted entry
		raw[0] = 0xE5
	}
	base := oem(raw[:8], flags&lowerBase != 0)
	if ext := oem(raw[8:], flags&lowerExt != 0); ext != "" {
		return base + "." + ext
	}
	return base
}

func oem(b []byte, lower bool) string {
	var s strings.Builder
	for _, c := range bytes.TrimRight(b, " ") {
		switch {
		case c >= 0x80:
			s.WriteRune(cp437[c-0x80])
		case lower && c >= 'A' && c <= 'Z':
			s.WriteByte(c + 'a' - 'A')
		default:
			s.WriteByte(c)
		}
	}
	return s.String()
}

// checksum binds the slots of a long name to the 8.3 name behind them.
func checksum(raw [11]byte) byte {
	var sum byte
	for _, c := range raw {
		sum = sum>>1 | sum<<7
		sum += c
	}
	return sum
}

// slotChars returns the 13 characters in a slot of a long name.
func slotChars(b []byte) (u [charsPerSlot]uint16) {
	for i := range u {
		off := 1 + 2*i
		switch {
		case i >= 11:
			off = 28 + 2*(i-11)
		case i >= 5:
			off = 14 + 2*(i-5)
		}
		u[i] = binary.LittleEndian.Uint16(b[off:])
	}
	return u
}

// wtf8 writes UTF-16 as UTF-8, half a surrogate pair as if it were a character.
func wtf8(u []uint16) string {
	b := make([]byte, 0, len(u))
	for i := 0; i < len(u); i++ {
		r := rune(u[i])
		if !utf16.IsSurrogate(r) {
			b = utf8.AppendRune(b, r)
			continue
		}
		if i+1 < len(u) {
			if pair := utf16.DecodeRune(r, rune(u[i+1])); pair != unicode.ReplacementChar {
				b = utf8.AppendRune(b, pair)
				i++
				continue
			}
		}
		b = append(b, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return string(b)
}

// fold maps names that differ in case alone to one string. Bytes that are not
// UTF-8 stay as they are.
func fold(name string) string {
	var s strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		if r == utf8.RuneError {
			s.WriteString(name[i : i+n])
		} else {
			s.WriteRune(unicode.ToLower(unicode.ToUpper(r)))
		}
		i += n
	}
	return s.String()
}
