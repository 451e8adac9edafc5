package vhd_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vhd"
)

func TestOverlap(t *testing.T) {
	for name, c := range map[string]struct {
		move int // the second block, by so many sectors
		want error
	}{
		"clean":          {0, nil},
		"shared":         {-129, block.ErrCorrupt},
		"over a bitmap":  {-1, block.ErrCorrupt},
		"over the third": {1, block.ErrCorrupt},
	} {
		image, _ := build("dd.d", 4*blockSize, 3, func(b []byte) {
			be.PutUint32(b[tableAt+4:], uint32(int(be.Uint32(b[tableAt+4:]))+c.move))
		})
		im, err := vhd.Open(bytes.NewReader(image), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := im.Overlap(context.Background()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
