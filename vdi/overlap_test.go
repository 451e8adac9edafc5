package vdi_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vdi"
)

func TestOverlap(t *testing.T) {
	for name, c := range map[string]struct {
		change func([]byte)
		want   error
	}{
		"clean":        {nil, nil},
		"shared":       {put32(0x200, 1), block.ErrCorrupt},
		"past the end": {put32(0x200, 0x0fffffff), nil}, // reading it says so
	} {
		image, _ := build("dd.dz", 5*64<<10, c.change)
		im, err := vdi.Open(bytes.NewReader(image), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := im.Overlap(context.Background()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
