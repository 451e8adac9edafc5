package vhd

import (
	"bytes"
	"testing"
)

// TestDynamicHeaderLayout says that encode mirrors decode: every byte of the structure has its
// place in both.
func TestDynamicHeaderLayout(t *testing.T) {
	b := make([]byte, dynamicSize)
	for i := range b {
		b[i] = byte(i*7 + 1)
	}
	var h dynamicHeader
	h.decode(b)
	got := h.encode()
	copy(b[0x24:0x28], got[0x24:]) // the checksum
	if !bytes.Equal(got, b) {
		for i := range b {
			if got[i] != b[i] {
				t.Fatalf("byte %#x is %#x, want %#x", i, got[i], b[i])
			}
		}
	}
}
