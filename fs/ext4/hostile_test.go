package ext4_test

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/internal/testimg"
)

func explore(r block.Reader) error { return testimg.Explore(r, openFS, true) }

// TestMutations damages the metadata of each fixture; every second mutant has
// its checksums repaired.
func TestMutations(t *testing.T) {
	const n = 100 // of each of six
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			image := testimg.Fixture(t, name)
			testimg.Mutate(t, testimg.Mutations{Image: image, Where: testimg.Metadata(t, image, openFS), Seed: 1, N: n, Run: explore, Open: openFS,
				Seal: ext4.NewSealer(t, image).Seal})
		})
	}
}

// FuzzExt4 opens, walks and reads the fixtures with damage to their metadata.
func FuzzExt4(f *testing.F) {
	var bases []testimg.Base
	for _, name := range fixtures {
		image := testimg.Fixture(f, name)
		bases = append(bases, testimg.Base{Image: image, Seal: ext4.NewSealer(f, image).Seal})
	}
	testimg.Fuzz(f, bases, openFS)
}

// FuzzJournal replays a damaged journal whose checksums are right.
func FuzzJournal(f *testing.F) {
	image := testimg.Fixture(f, "dirty")
	seal := ext4.NewSealer(f, image)
	where := seal.JournalRanges()
	slices.SortFunc(where, func(a, b testimg.Range) int { return cmp.Compare(a.Off, b.Off) })
	f.Add([]byte{0, 0, 0, 0, 1, 0xFF, 0xFF})
	f.Add([]byte{12, 1, 0, 0, 7, 0, 0, 0x7F, 0xFF, 0, 0, 0, 8})
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &testimg.Patch{Image: image}
		defer p.Undo()
		seal.Seal(p, p.Apply(where, data))
		fsys, err := ext4.Open(bytes.NewReader(image), nil)
		if err != nil {
			return
		}
		if info := fsys.Info(); !info.Replayed && info.Dirty {
			dirty := false
			for _, p := range fsys.Problems() {
				dirty = dirty || errors.Is(p, block.ErrDirty)
			}
			if !dirty {
				t.Errorf("a journal was not replayed, and no problem says so: %v", fsys.Problems())
			}
		}
		if _, err := fs.ReadDir(fsys, "."); err != nil && !errors.Is(err, block.ErrCorrupt) && !errors.Is(err, block.ErrLoop) {
			t.Logf("root: %v", err)
		}
	})
}
