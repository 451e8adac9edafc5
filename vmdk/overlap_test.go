package vmdk_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vmdk"
)

func TestOverlap(t *testing.T) {
	const tableAt = (22 + 1 + 1) * sector
	text := descriptor("monolithicSparse", "", "RDONLY 512 SPARSE \"x.vmdk\"")
	for name, c := range map[string]struct {
		by   int // the second grain lies by so many sectors elsewhere
		want error
	}{
		"clean":  {0, nil},
		"shared": {-grain / sector, block.ErrCorrupt},
		"partly": {1, block.ErrCorrupt},
	} {
		image := hosted("ddzd", text, func(b []byte) {
			le.PutUint32(b[tableAt+4:], uint32(int(le.Uint32(b[tableAt+4:]))+c.by))
		})
		im, err := vmdk.Open(bytes.NewReader(image), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := im.Overlap(context.Background()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
