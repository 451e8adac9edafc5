package vdi

import (
	"bytes"
	"testing"
)

// TestHeaderLayout says that encode mirrors decode: every byte of the structure has its
// place in both.
func TestHeaderLayout(t *testing.T) {
	b := make([]byte, headerSize)
	for i := range b {
		b[i] = byte(i*7 + 1)
	}
	var h header
	h.decode(b)
	got := h.encode()
	clear(b[0x1c8:]) // not used
	if !bytes.Equal(got, b) {
		for i := range b {
			if got[i] != b[i] {
				t.Fatalf("byte %#x is %#x, want %#x", i, got[i], b[i])
			}
		}
	}
}
