package qcow2

import (
	"context"
	"testing"
	"time"
)

// TestBitmapPower changes bitmaps with the power gone at any moment.
func TestBitmapPower(t *testing.T) {
	ctx := context.Background()
	for name, l := range layouts {
		if l.Version == 2 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			b := written(t, l, false).b
			for _, step := range []struct {
				bitmap  string
				actions []BitmapAction
			}{
				{"a", []BitmapAction{{Do: "add", Granularity: 512}}},
				{"b", []BitmapAction{{Do: "add"}, {Do: "disable"}}},
				{"b", []BitmapAction{{Do: "enable"}}},
				{"a", []BitmapAction{{Do: "clear"}}},
			} {
				b = survives(t, step.bitmap+step.actions[0].Do, b, baseDisk, func(f Storage) error { return ChangeBitmap(ctx, f, step.bitmap, step.actions) })
			}
			b = survives(t, "snapshot", b, baseDisk, func(f Storage) error {
				_, err := CreateSnapshot(ctx, f, "s", time.Unix(1, 0))
				return err
			})
			// Both bitmaps are all dirty then, of which one merges into the other.
			b = survives(t, "apply", b, baseDisk, func(f Storage) error { return ApplySnapshot(ctx, f, "s") })
			d, err := OpenBitmap(&memory{b: b}, "a", nil)
			if err != nil {
				t.Fatal(err)
			}
			for r, err := range d.Ranges() {
				if err != nil || r.Off != 0 || r.Len != d.size {
					t.Errorf("%+v %v, want all of %d", r, err, d.size)
				}
			}
			b = survives(t, "clear", b, baseDisk, func(f Storage) error { return ChangeBitmap(ctx, f, "b", []BitmapAction{{Do: "clear"}}) })
			b = survives(t, "merge", b, baseDisk, func(f Storage) error { return ChangeBitmap(ctx, f, "b", []BitmapAction{{Do: "merge", From: "a"}}) })
			b = survives(t, "remove", b, baseDisk, func(f Storage) error { return ChangeBitmap(ctx, f, "a", []BitmapAction{{Do: "remove"}}) })
			survives(t, "remove the last", b, baseDisk, func(f Storage) error { return ChangeBitmap(ctx, f, "b", []BitmapAction{{Do: "remove"}}) })
		})
	}
}
