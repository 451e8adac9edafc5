package blocks

import (
	"cmp"
	"context"
	"slices"

	"github.com/guestkit/guestkit/block"
)

// window is how many places Overlap holds at a time, of 24 bytes each; while it
// collects them, twice as many.
const window = 256 << 10

// Overlap looks for two blocks of one file that lie over each other. The data of
// at most one of them can be right, so that an image with such is corrupt.
//
// It takes walk to call use for each block that is stored: n bytes at off, as
// the table entry at says. So that memory does not grow with the image it has
// the table walked once for each quarter million blocks, and looks at those in
// the order of the file. What is the same in every walk, such as entries that
// are corrupt, is for the reader to find.
func Overlap(ctx context.Context, format, what string, walk func(use func(off, n, at int64) error) error) error {
	return overlap(ctx, format, what, window, walk)
}

func overlap(ctx context.Context, format, what string, window int, walk func(use func(off, n, at int64) error) error) error {
	var places []place
	inOrder := func(a, b place) int { return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(a.at, b.at)) }
	end := int64(0)
	// look sorts the places and finds the first that begins before another ends.
	look := func() error {
		slices.SortFunc(places, inOrder)
		end := end
		for _, p := range places {
			if p.off < end {
				return block.Errorf(format, what, p.at, block.ErrCorrupt, "what lies at %#x is over something else, which ends at %#x", p.off, end)
			}
			end = max(end, p.off+p.n)
		}
		return nil
	}
	for low, more := int64(0), true; more; {
		places, more = places[:0], false
		high, steps := int64(-1), 0 // what lies at high or later is for the next walk
		err := walk(func(off, n, at int64) error {
			if steps++; steps%4096 == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			switch {
			case off < low:
				return nil
			case high >= 0 && off >= high:
				more = true
				return nil
			}
			if places = append(places, place{off, n, at}); len(places) < 2*window {
				return nil
			}
			if err := look(); err != nil {
				return err
			}
			high, more = places[window].off, true
			places = places[:window]
			return nil
		})
		if err == nil {
			err = look()
		}
		if err != nil {
			return err
		}
		for _, p := range places {
			end = max(end, p.off+p.n)
		}
		low = max(high, 0)
	}
	return nil
}
