package qcow2

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestResizeBitmaps gives images with bitmaps another size, with the power gone at
// any moment; the bitmaps then say that all may have changed.
func TestResizeBitmaps(t *testing.T) {
	ctx := context.Background()
	for name, l := range layouts {
		if l.Version == 2 || l.Backing != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			b := written(t, l, false).b
			for _, bitmap := range []string{"a", "b"} {
				b = survives(t, "add", b, baseDisk, func(f Storage) error {
					return ChangeBitmap(ctx, f, bitmap, []BitmapAction{{Do: "add", Granularity: 512}})
				})
			}
			for _, size := range []int64{3 << 20, 10 << 10} {
				b = survives(t, "resize", b, baseDisk, func(f Storage) error { return Resize(ctx, f, size, &ResizeOptions{Shrink: true}) })
				d, err := OpenBitmap(&memory{b: b}, "a", nil)
				if err != nil {
					t.Fatal(err)
				}
				for r, err := range d.Ranges() {
					if err != nil || r.Off != 0 || r.Len != size {
						t.Errorf("%+v %v, want all of %d", r, err, size)
					}
				}
			}
		})
	}
}

// TestResizeBitmapLimit refuses a size for which the table of a bitmap would be
// larger than one that may be added.
func TestResizeBitmapLimit(t *testing.T) {
	ctx := context.Background()
	m := written(t, Layout{ClusterSize: 64 << 10, Size: 1 << 20}, false)
	if err := ChangeBitmap(ctx, m, "a", []BitmapAction{{Do: "add", Granularity: 512}}); err != nil {
		t.Fatal(err)
	}
	before := bytes.Clone(m.b)
	if err := Resize(ctx, m, 1<<51, nil); !errors.Is(err, block.ErrLimit) {
		t.Errorf("2 PiB: %v", err)
	}
	if !bytes.Equal(m.b, before) {
		t.Error("the image has changed")
	}
	if _, err := OpenBitmap(m, "a", nil); err != nil {
		t.Error(err)
	}
}
