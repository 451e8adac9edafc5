package registry

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// Data is the data of a value in the form that its type asks for. The form is
// nil where there is none, or the bytes are not of it.
type Data struct {
	Text    *string  // of REG_SZ, REG_EXPAND_SZ and REG_LINK, up to the first NUL
	Strings []string // of REG_MULTI_SZ, up to the first that is empty; not nil
	Number  *uint64  // of REG_DWORD, REG_DWORD_BIG_ENDIAN and REG_QWORD
	Bytes   []byte   // as it is on disk
	Whole   bool     // the form says all that the bytes do
}

// Decode gives bytes the form that a type asks for, as far as they have it.
func Decode(typ Type, b []byte) Data {
	d := Data{Bytes: b}
	switch typ {
	case SZ, ExpandSZ, Link:
		s, ok := decodeText(b)
		text, _, _ := strings.Cut(s, "\x00")
		d.Text, d.Whole = &text, ok && s == text+"\x00"
	case MultiSZ:
		s, ok := decodeText(b)
		d.Strings = []string{}
		whole := 0
		for text := range strings.SplitSeq(s, "\x00") {
			if text == "" {
				break
			}
			d.Strings = append(d.Strings, text)
			whole += len(text) + 1
		}
		d.Whole = ok && len(d.Strings) > 0 && s[whole:] == "\x00"
	case DWORD, DWORDBigEndian:
		if len(b) == 4 {
			n := uint64(binary.LittleEndian.Uint32(b))
			if typ == DWORDBigEndian {
				n = uint64(binary.BigEndian.Uint32(b))
			}
			d.Number, d.Whole = &n, true
		}
	case QWORD:
		if len(b) == 8 {
			n := binary.LittleEndian.Uint64(b)
			d.Number, d.Whole = &n, true
		}
	}
	return d
}

// decodeText decodes UTF-16, and tells whether the text is all that the bytes
// say.
func decodeText(b []byte) (string, bool) {
	s := utf16le(b)
	return s, bytes.Equal(encodeText(s), b)
}

func encodeText(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
