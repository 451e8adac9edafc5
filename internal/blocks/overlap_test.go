package blocks

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestOverlap has more blocks than are looked at in one walk, in any order of
// the file.
func TestOverlap(t *testing.T) {
	const blocks, size = 1000, 512
	rng := rand.New(rand.NewPCG(1, 1))
	for _, window := range []int{1, 7, 100, blocks - 1, blocks, blocks + 1} {
		order := rng.Perm(blocks)
		var moved, by int // this block lies by bytes further back
		walk := func(use func(off, n, at int64) error) error {
			for i, k := range order {
				off := int64(k * size)
				if i == moved {
					off -= int64(by)
				}
				if err := use(off, size, int64(i)); err != nil {
					return err
				}
			}
			return nil
		}
		if err := overlap(context.Background(), "test", "table", window, walk); err != nil {
			t.Fatalf("window %d: %v", window, err)
		}
		for range 20 {
			moved = rng.IntN(blocks)
			if by = []int{1, size / 2, size, 100 * size}[rng.IntN(4)]; order[moved] < 100 {
				continue
			}
			if err := overlap(context.Background(), "test", "table", window, walk); !errors.Is(err, block.ErrCorrupt) {
				t.Errorf("window %d, block %d at %d moved by %d: %v", window, moved, order[moved], by, err)
			}
		}
		moved, by = 0, 0
	}
}

// TestOverlapStops ends with its context.
func TestOverlapStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := Overlap(ctx, "test", "table", func(use func(off, n, at int64) error) error {
		for i := int64(0); ; i++ {
			if err := use(i, 1, i); err != nil {
				return err
			}
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
}
