package ova

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestSharedChunks: files that share their chunks are looked for once, however
// many there are and however their name is written.
func TestSharedChunks(t *testing.T) {
	const n = 6000
	files := `<File ovf:id="a" ovf:href="c" ovf:chunkSize="1"/><File ovf:id="b" ovf:href="c" ovf:chunkSize="1"/><File ovf:id="c" ovf:href="%63" ovf:chunkSize="1"/>`
	parts := []part{{name: "vm.ovf", data: descriptor(files, "")}}
	for i := range n {
		parts = append(parts, part{name: fmt.Sprintf("c.%09d", i), data: "x"})
	}
	p, err := Open(bytes.NewReader(pack(t, parts...)), nil)
	if err != nil {
		t.Fatal(err)
	}
	var first block.Device
	for _, f := range p.Files[:2] {
		d, err := p.Open(f)
		if err != nil || d.Size() != n || first != nil && d != first {
			t.Errorf("%s: %v, %v", f.ID, d, err)
		}
		first = d
		if err := block.Close(d); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Open(p.Files[2]); !errors.Is(err, block.ErrLimit) {
		t.Errorf("chunks of another file: %v", err)
	}
}
