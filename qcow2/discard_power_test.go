package qcow2

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
)

// discarded are the parts that the tests give back, in clusters.
func discarded(size, cs int64) []Range {
	return []Range{{cs, 5 * cs}, {7*cs + 1, 2*cs - 1}, {10*cs - 1, 2}, {12 * cs, 8 * cs}, {size - 3*cs, 3 * cs}}
}

// TestDiscardPower gives clusters back and packs the file, with the power gone at
// any moment.
func TestDiscardPower(t *testing.T) {
	ctx := context.Background()
	for name, l := range layouts {
		for _, compress := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %v", name, compress), func(t *testing.T) {
				b := written(t, l, compress).b
				im, err := Open(&memory{b: b}, &Options{Opener: baseDisk})
				if err != nil {
					t.Fatal(err)
				}
				size, cs := im.Size(), l.ClusterSize
				want := make([]byte, size)
				if err := block.ReadFull(im, want, 0); err != nil {
					t.Fatal(err)
				}
				parts := discarded(size, cs)
				for _, p := range parts {
					for c := (p.Off + cs - 1) / cs; (c+1)*cs <= p.Off+p.Len || p.Off+p.Len == size && c*cs < size; c++ {
						if e, err := im.Extent(c * cs); err != nil || e.Depth > 0 || e.Unset || l.Version == 2 && l.Backing != "" {
							continue
						}
						clear(want[c*cs : min((c+1)*cs, size)])
					}
				}
				im.Close()
				if l.Version != 2 {
					b = survives(t, "add", b, baseDisk, func(f Storage) error {
						return ChangeBitmap(ctx, f, "a", []BitmapAction{{Do: "add"}})
					})
				}
				b = survives(t, "discard", b, baseDisk, func(f Storage) error {
					n, err := Discard(ctx, f, parts)
					if err == nil && n == 0 {
						t.Error("nothing was given back")
					}
					return err
				})
				b = packed(t, b)
				if used := usedClusters(t, b); !compress && int64(len(b)) > (used+5)*cs {
					t.Errorf("the file has %d bytes, and %d clusters of %d bytes are in use", len(b), used, cs)
				}
				im, err = Open(&memory{b: b}, &Options{Opener: baseDisk})
				if err != nil {
					t.Fatal(err)
				}
				defer im.Close()
				got := make([]byte, size)
				if err := block.ReadFull(im, got, 0); err != nil || !bytes.Equal(got, want) {
					t.Errorf("another disk, %v", err)
				}
				held := bytes.Clone(got)
				// What a snapshot holds stays.
				b = survives(t, "snapshot", b, baseDisk, func(f Storage) error {
					_, err := CreateSnapshot(ctx, f, "s", time.Unix(1, 0))
					return err
				})
				before := state(t, b, baseDisk)
				b = survives(t, "discard beside a snapshot", b, baseDisk, func(f Storage) error {
					_, err := Discard(ctx, f, []Range{{0, size}})
					return err
				})
				b = packed(t, b)
				b = survives(t, "apply", b, baseDisk, func(f Storage) error { return ApplySnapshot(ctx, f, "s") })
				if im, err = Open(&memory{b: b}, &Options{Opener: baseDisk}); err != nil {
					t.Fatal(err)
				}
				defer im.Close()
				if err := block.ReadFull(im, got, 0); err != nil || !bytes.Equal(got, held) {
					t.Errorf("the disk of the snapshot is another one, %v", err)
				}
				if l.Version == 2 { // no bitmaps, which are soiled
					if after := state(t, b, baseDisk); after != before {
						t.Errorf("the snapshot is another:\n%s\nbefore:\n%s", after, before)
					}
				}
			})
		}
	}
}

// packed packs an image, of which only the file changes.
func packed(t *testing.T, b []byte) []byte {
	t.Helper()
	return survives(t, "pack", b, baseDisk, func(f Storage) error { return Pack(context.Background(), f) })
}

// TestPackEnds: a packed image has no room left to give back.
func TestPackEnds(t *testing.T) {
	ctx := context.Background()
	m := written(t, Layout{ClusterSize: 4096, Size: 4 << 20}, false)
	if _, err := Discard(ctx, m, []Range{{0, 2 << 20}}); err != nil {
		t.Fatal(err)
	}
	if err := Pack(ctx, m); err != nil {
		t.Fatal(err)
	}
	n := int64(len(m.b))
	used := usedClusters(t, m.b)
	if n > (used+4)*4096 {
		t.Errorf("the file has %d bytes, and %d clusters are in use", n, used)
	}
}

func usedClusters(t *testing.T, b []byte) int64 {
	t.Helper()
	c, err := check(context.Background(), &memory{b: b}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.counts.used()
}
