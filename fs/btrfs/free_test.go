package btrfs

import (
	"bytes"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestFreeOfLargeChunk: a chunk of exabytes is not gone through by stripes: none is
// on this device, or it does not fit there.
func TestFreeOfLargeChunk(t *testing.T) {
	for name, c := range map[string]struct {
		here bool
		want error
	}{"elsewhere": {false, nil}, "here": {true, block.ErrCorrupt}} {
		t.Run(name, func(t *testing.T) {
			f, err := open([]block.Reader{bytes.NewReader(testimg.Unpack(t, "testdata/single.img.gz"))}, nil)
			if err != nil {
				t.Fatal(err)
			}
			yield := func(off, n int64) error { return nil }
			if err := f.Free(yield); err != nil {
				t.Fatal(err)
			}
			large := &chunk{start: 1 << 61, length: 1 << 61, profile: groupRAID0, ways: 1, stripes: make([]stripe, 2)}
			if c.here {
				large.stripes[0] = stripe{offset: 1 << 40, dev: f.devices[0]}
			}
			f.chunks = append(f.chunks, large)
			if err := f.Free(yield); !errors.Is(err, c.want) || c.here && !bytes.Contains([]byte(err.Error()), []byte("past the end")) {
				t.Error(err)
			}
		})
	}
}
