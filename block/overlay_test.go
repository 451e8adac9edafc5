package block_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestOverlay lays random ranges over a base and, in the same order, into a
// copy of it.
func TestOverlay(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		base := pattern(1 + rng.IntN(4000))
		size := len(base)/2 + rng.IntN(4000)
		want := make([]byte, size)
		copy(want, base)
		src := pattern(5000)[1000:]
		o := block.NewOverlay(bytes.NewReader(base), int64(size), 100)
		for range rng.IntN(60) {
			off := rng.IntN(size)
			n := rng.IntN(min(size-off, 600) + 1)
			if rng.IntN(4) == 0 {
				clear(want[off : off+n])
				if err := o.Set(int64(off), int64(n), nil, 0); err != nil {
					t.Fatal(err)
				}
				continue
			}
			from := rng.IntN(len(src) - n)
			copy(want[off:], src[from:from+n])
			if err := o.Set(int64(off), int64(n), bytes.NewReader(src), int64(from)); err != nil {
				t.Fatal(err)
			}
		}
		testimg.TestDevice(t, o.Device(), bytes.NewReader(want), 256)
	}
}

func TestOverlayIsASnapshot(t *testing.T) {
	o := block.NewOverlay(bytes.NewReader(make([]byte, 10)), 10, 10)
	before := o.Device()
	if err := o.Set(0, 3, bytes.NewReader([]byte("abc")), 0); err != nil {
		t.Fatal(err)
	}
	b, _ := block.ReadBytes(before, 0, 3, 3)
	if !bytes.Equal(b, make([]byte, 3)) {
		t.Error("a later Set changed a Device that was made before")
	}
}

func TestOverlayBounds(t *testing.T) {
	src := bytes.NewReader(make([]byte, 100))
	o := block.NewOverlay(bytes.NewReader(make([]byte, 1000)), 1000, 2)
	for _, c := range []struct{ off, n, srcOff int64 }{{-1, 1, 0}, {0, -1, 0}, {1000, 1, 0}, {999, 1 << 62, 0}, {0, 1, 100}, {0, 101, 0}, {0, 1, -1}} {
		if err := o.Set(c.off, c.n, src, c.srcOff); !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("Set(%d, %d, %d) = %v, want ErrCorrupt", c.off, c.n, c.srcOff, err)
		}
	}
	for i, want := range []error{nil, nil, block.ErrLimit} {
		if err := o.Set(0, 1, src, 0); !errors.Is(err, want) {
			t.Errorf("Set number %d = %v, want %v", i+1, err, want)
		}
	}
}
