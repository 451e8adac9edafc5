package vhd

import (
	"bytes"
	"testing"
)

// TestFooterLayout says that encode mirrors decode: every byte of the structure has its
// place in both.
func TestFooterLayout(t *testing.T) {
	b := make([]byte, footerSize)
	for i := range b {
		b[i] = byte(i*7 + 1)
	}
	var h footer
	h.decode(b)
	got := h.encode()
	copy(b[0x40:0x44], got[0x40:]) // the checksum
	if !bytes.Equal(got, b) {
		for i := range b {
			if got[i] != b[i] {
				t.Fatalf("byte %#x is %#x, want %#x", i, got[i], b[i])
			}
		}
	}
}
