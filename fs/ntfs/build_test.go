package ntfs_test

import (
	"encoding/binary"
	"unicode/utf16"
)

func utf16le(s string) (b []byte) {
	for _, c := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}

// reparse builds the value of a $REPARSE_POINT.
func reparse(tag uint32, data []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, tag)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(data)))
	return append(append(b, 0, 0), data...)
}

// linkData builds the data of a junction, or with flags that of a symbolic
// link.
func linkData(substitute, print string, flags ...uint32) (b []byte) {
	s, p := utf16le(substitute), utf16le(print)
	for _, n := range []int{0, len(s), len(s) + 2, len(p)} {
		b = binary.LittleEndian.AppendUint16(b, uint16(n))
	}
	for _, f := range flags {
		b = binary.LittleEndian.AppendUint32(b, f)
	}
	return append(append(append(append(b, s...), 0, 0), p...), 0, 0)
}

func words(v ...uint32) (b []byte) {
	for _, w := range v {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}
