package qcow2

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
)

// TestResizeOverlay grows overlays of a larger backing file, which must not show
// past the old end.
func TestResizeOverlay(t *testing.T) {
	ctx := context.Background()
	backing := bytes.Repeat([]byte("backing "), 1<<20/8)
	for name, l := range map[string]Layout{
		"small clusters": {ClusterSize: 512}, "large clusters": {ClusterSize: 64 << 10}, "extended L2": {ClusterSize: 16 << 10, ExtendedL2: true}, "version 2": {ClusterSize: 4096, Version: 2},
	} {
		for _, old := range []int64{0, 512, 32 << 10, 100<<10 + 512, 2 << 20} {
			for _, grow := range []int64{512, 300<<10 + 512, 2 << 20} {
				l := l
				l.Size, l.Backing, l.BackingFormat = old, "base.raw", "raw"
				m := &memory{}
				w, err := NewWriter(m, nil, &l)
				if err != nil {
					t.Fatal(err)
				}
				if old > 0 { // a cluster of its own, which may be the last one
					b := bytes.Repeat([]byte("o"), int(min(old, w.Granularity())))
					off := (old - 1) / w.Granularity() * w.Granularity()
					if old == 32<<10 { // or not
						off = 0
					}
					if _, err := w.WriteAt(b[:min(int64(len(b)), old-off)], off); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Commit(); err != nil {
					t.Fatal(err)
				}
				o := &Options{Opener: func(block.Ref) (block.Device, error) { return block.Plain(bytes.NewReader(backing)), nil }}
				read := func() []byte {
					im, err := Open(m, o)
					if err != nil {
						t.Fatal(err)
					}
					b := make([]byte, im.Size())
					if err := block.ReadFull(im, b, 0); err != nil {
						t.Fatal(err)
					}
					return b
				}
				want := append(read(), make([]byte, grow)...)
				if err := Resize(ctx, m, old+grow, nil); !errors.Is(err, block.ErrParent) {
					t.Fatalf("%s, without the backing file: %v, want ErrParent", name, err)
				}
				err = Resize(ctx, m, old+grow, &ResizeOptions{Backing: bytes.NewReader(backing)})
				if l.Version == 2 && old < int64(len(backing)) {
					if !errors.Is(err, block.ErrUnsupported) {
						t.Errorf("%s: %v, want ErrUnsupported", name, err)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%s, %d+%d: %v", name, old, grow, err)
				}
				if !bytes.Equal(read(), want) {
					t.Errorf("%s, %d+%d: another disk", name, old, grow)
				}
				if res, faults := mustCheck(t, m.b); !res.Clean() {
					t.Errorf("%s, %d+%d: %+v %v", name, old, grow, res, faults)
				}
			}
		}
	}
}

// TestResizeSnapshots gives images with snapshots another size, with the power gone
// at any moment; the snapshots stay as they are.
func TestResizeSnapshots(t *testing.T) {
	ctx := context.Background()
	backing, _ := baseDisk(block.Ref{})
	for name, l := range layouts {
		if l.Version == 2 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			b := written(t, l, false).b
			snapshot := func(name string) []byte {
				im, err := Open(&memory{b: b}, &Options{Opener: baseDisk, Snapshot: name})
				if err != nil {
					t.Fatal(err)
				}
				defer im.Close()
				disk := make([]byte, im.Size())
				if err := block.ReadFull(im, disk, 0); err != nil {
					t.Fatal(err)
				}
				return disk
			}
			kept := map[string][]byte{}
			for i, size := range []int64{10<<10 + 512, 3 << 20} {
				name := string(rune('a' + i))
				b = survives(t, "create", b, baseDisk, func(f Storage) error {
					_, err := CreateSnapshot(ctx, f, name, time.Unix(0, 0))
					return err
				})
				kept[name] = snapshot(name)
				b = survives(t, "resize", b, baseDisk, func(f Storage) error {
					return Resize(ctx, f, size, &ResizeOptions{Shrink: true, Backing: backing})
				})
				for name, want := range kept {
					if !bytes.Equal(snapshot(name), want) {
						t.Errorf("%d bytes: the snapshot %s has changed", size, name)
					}
				}
			}
			b = survives(t, "apply", b, baseDisk, func(f Storage) error { return ApplySnapshot(ctx, f, "a") })
			if !bytes.Equal(snapshot(""), kept["a"]) {
				t.Error("applied, the snapshot is another disk")
			}
		})
	}
}
