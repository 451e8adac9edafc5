package vhdx

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
	copy(b[0x04:0x08], got[0x04:]) // the checksum
	clear(b[0x50:])                // reserved
	if !bytes.Equal(got, b) {
		for i := range b {
			if got[i] != b[i] {
				t.Fatalf("byte %#x is %#x, want %#x", i, got[i], b[i])
			}
		}
	}
}
