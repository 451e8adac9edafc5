package qcow2

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// either opens the backing file that an image names: the old one or the new one.
func either(ref block.Ref) (block.Device, error) {
	if ref.Name == "new.raw" {
		b := bytes.Repeat([]byte("base disk"), 9<<10)
		copy(b[30<<10:], make([]byte, 20<<10))
		return block.Plain(bytes.NewReader(b)), nil
	}
	return baseDisk(ref)
}

// TestRebasePower rebases, amends, commits and empties with the power gone at any
// moment.
func TestRebasePower(t *testing.T) {
	ctx := context.Background()
	for name, l := range layouts {
		l.Backing, l.BackingFormat = "base.raw", "raw"
		for _, compress := range []bool{false, true} {
			if compress && name == "extended" {
				continue
			}
			t.Run(name, func(t *testing.T) {
				b := written(t, l, compress).b
				disk := func(b []byte) string {
					return strings.SplitN(state(t, b, either), "\n", 2)[0]
				}
				want := disk(b)
				old, _ := either(block.Ref{})
				next, _ := either(block.Ref{Name: "new.raw"})
				err := Rebase(ctx, &memory{b: b}, &RebaseOptions{Backing: "new.raw", BackingFormat: "raw", Old: old, New: next, Unsafe: true})
				if !errors.Is(err, block.ErrRefused) {
					t.Fatalf("%v, want ErrRefused", err)
				}
				upon := survives(t, "rebase", b, either, func(f Storage) error {
					return Rebase(ctx, f, &RebaseOptions{Backing: "new.raw", BackingFormat: "raw", Old: old, New: next})
				})
				alone := survives(t, "flatten", upon, either, func(f Storage) error { return Rebase(ctx, f, &RebaseOptions{Old: next}) })
				if l.ClusterSize >= 4096 {
					// A name that is longer than the first sector goes behind it.
					far := strings.Repeat("./", 495) + "base.raw"
					survives(t, "long name", upon, either, func(f Storage) error {
						return Rebase(ctx, f, &RebaseOptions{Backing: far, BackingFormat: "raw", Old: next, New: old})
					})
				}
				survives(t, "empty", upon, either, func(f Storage) error { return Empty(ctx, f) })
				base := written(t, Layout{ClusterSize: 4096, Size: int64(len(readDisk(t, upon)))}, false).b
				im, err := Open(&memory{b: upon}, &Options{Opener: either})
				if err != nil {
					t.Fatal(err)
				}
				below, err := Open(&memory{b: base}, nil)
				if err != nil {
					t.Fatal(err)
				}
				survives(t, "commit", base, either, func(f Storage) error { return CommitInto(ctx, f, im, below, 2) })
				for what, x := range map[string][]byte{"rebase": upon, "flatten": alone} {
					if disk(x) != want {
						t.Errorf("%s: another disk", what)
					}
				}
			})
		}
	}
}

func readDisk(t testing.TB, b []byte) []byte {
	im, err := Open(&memory{b: b}, &Options{Opener: either})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, im.Size())
	if err := block.ReadFull(im, out, 0); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAmendPower changes versions and refcounts, with the power gone at any moment.
func TestAmendPower(t *testing.T) {
	ctx := context.Background()
	two, three, on, wide, narrow := 2, 3, true, 64, 16
	for name, l := range layouts {
		l.Backing, l.BackingFormat = "base.raw", "raw"
		t.Run(name, func(t *testing.T) {
			b := written(t, l, false).b
			steps := []*Amendment{{Version: &three}, {LazyRefcounts: &on}, {RefcountBits: &wide}, {RefcountBits: &narrow}, {Version: &two}, {Version: &three}}
			for _, a := range steps {
				if a.Version != nil && *a.Version == 2 && (l.ExtendedL2) {
					continue
				}
				b = survives(t, "amend", b, either, func(f Storage) error { return Amend(ctx, f, a) })
			}
			if err := Amend(ctx, &memory{b: b}, &Amendment{Version: &two, RefcountBits: &wide}); !errors.Is(err, block.ErrOption) && !l.ExtendedL2 {
				t.Errorf("%v, want ErrOption", err)
			}
		})
	}
}
