package vhdx_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vhdx"
)

func TestOverlap(t *testing.T) {
	for name, c := range map[string]struct {
		from, to int // BAT entries, one is copied
		want     error
	}{
		"clean":  {0, 0, nil},
		"shared": {3, 0, block.ErrCorrupt},
		"none":   {2, 0, nil},
	} {
		image, _ := build("dd.d", 4*blockSize, nil, func(b []byte) {
			le.PutUint64(b[tableAt+8*c.to:], le.Uint64(b[tableAt+8*c.from:]))
		})
		im, err := vhdx.Open(bytes.NewReader(image), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := im.Overlap(context.Background()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
