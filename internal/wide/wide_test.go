package wide

import (
	"encoding/binary"
	"testing"
)

func TestWide(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	for _, s := range []string{"", "a", "Gerät", "日本", "\U0001f4be x"} {
		b := Append(nil, s, be)
		if got := String(b, be); got != s || len(b) != 2*Len(s) {
			t.Errorf("%q became %q in %d bytes", s, got, len(b))
		}
	}
	if s := Terminated([]byte("a\x00b\x00\x00\x00c\x00"), le); s != "ab" {
		t.Errorf("%q", s)
	}
	if s := String([]byte{0x3d, 0xd8, 'x', 0, 'y'}, le); s != "\ufffdx" {
		t.Errorf("%q", s)
	}
}
