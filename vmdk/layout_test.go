package vmdk

import (
	"bytes"
	"testing"
)

// TestSparseHeaderLayout says that encode mirrors decode: every byte of the structure has its
// place in both.
func TestSparseHeaderLayout(t *testing.T) {
	b := make([]byte, headerSize)
	for i := range b {
		b[i] = byte(i*7 + 1)
	}
	var h sparseHeader
	h.decode(b)
	got := h.encode()
	clear(b[0x4f:]) // padding
	if !bytes.Equal(got, b) {
		for i := range b {
			if got[i] != b[i] {
				t.Fatalf("byte %#x is %#x, want %#x", i, got[i], b[i])
			}
		}
	}
}
