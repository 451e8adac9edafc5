package ext4_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// explore reads all that it can reach of a filesystem, but no more than the head
// of each file, and returns the first error.
func explore(r block.Reader, contents bool) error {
	fsys, err := ext4.Open(r, nil)
	if err != nil {
		return err
	}
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	budget, paths := int64(4<<20), 20000
	note(fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		note(err)
		if paths--; paths < 0 {
			return fs.SkipAll
		}
		if d == nil {
			return nil
		}
		fi, err := d.Info()
		if err != nil {
			note(err)
			return nil
		}
		_, err = fsys.Xattrs(path)
		note(err)
		switch {
		case fi.Mode()&fs.ModeSymlink != 0:
			_, err = fsys.ReadLinkRaw(path)
			note(err)
		case fi.Mode().IsRegular() && contents && budget > 0:
			f, err := fsys.Open(path)
			if err != nil {
				note(err)
				return nil
			}
			defer f.Close()
			n := min(fi.Size(), 64<<10, budget)
			budget -= n
			_, err = f.(*vfs.File).ReadAt(make([]byte, n), 0)
			note(err)
			count := 0
			for _, err := range block.Extents(f.(*vfs.File), 0, fi.Size()) {
				note(err)
				if count++; count > 100 {
					break
				}
			}
		}
		return nil
	}))
	fsys.Problems()
	fsys.Info()
	return first
}

// metadata returns the ranges of an image that a walk reads.
func metadata(t testing.TB, image []byte) []testimg.Range {
	t.Helper()
	trace := &testimg.Trace{Reader: bytes.NewReader(image)}
	if err := explore(trace, false); err != nil {
		t.Fatal(err)
	}
	return trace.Ranges()
}

// TestMutations damages the metadata of each fixture; every second mutant has
// its checksums repaired.
func TestMutations(t *testing.T) {
	n := 0
	if os.Getenv("GUESTKIT_MUTATIONS") == "" {
		n = 100 // of each of six
	}
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			image := fixture(t, name)
			testimg.Mutate(t, testimg.Mutations{Image: image, Where: metadata(t, image), Seed: 1, N: n,
				Run:  func(r block.Reader) error { return explore(r, true) },
				Seal: ext4.NewSealer(t, image).Seal})
		})
	}
}

// apply changes an image as the bytes of a fuzzer say: pairs of a place among
// the ranges and up to 8 bytes.
func apply(p *testimg.Patch, where []testimg.Range, data []byte) (changed []int64) {
	total := int64(0)
	for _, w := range where {
		total += w.N
	}
	for len(data) > 5 {
		at := int64(binary.LittleEndian.Uint32(data)) % total
		n := min(1+int(data[4]%8), len(data)-5)
		for _, w := range where {
			if at < w.N {
				at += w.Off
				break
			}
			at -= w.N
		}
		p.Write(at, data[5:5+n])
		changed = append(changed, at, at+int64(n)-1)
		data = data[5+n:]
	}
	return changed
}

// FuzzExt4 opens, walks and reads the fixtures with damage to their metadata.
func FuzzExt4(f *testing.F) {
	type base struct {
		image []byte
		where []testimg.Range
		seal  *ext4.Sealer
	}
	var bases []base
	for i, name := range fixtures {
		image := fixture(f, name)
		bases = append(bases, base{image, metadata(f, image), ext4.NewSealer(f, image)})
		f.Add(uint8(i), []byte{0, 0, 0, 0, 1, 0xFF, 0xFF})
		f.Add(uint8(i)|0x80, []byte{0, 8, 0, 0, 3, 0xFF, 0xFF, 0xFF, 0xFF, 77, 20, 0, 0, 1, 0, 0})
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		b := bases[int(which&0x7F)%len(bases)]
		p := &testimg.Patch{Image: b.image}
		defer p.Undo()
		changed := apply(p, b.where, data)
		if which&0x80 != 0 {
			b.seal.Seal(p, changed)
		}
		explore(bytes.NewReader(b.image), true)
	})
}

// FuzzJournal replays a damaged journal whose checksums are right.
func FuzzJournal(f *testing.F) {
	image := fixture(f, "dirty")
	seal := ext4.NewSealer(f, image)
	where := seal.JournalRanges()
	slices.SortFunc(where, func(a, b testimg.Range) int { return cmp.Compare(a.Off, b.Off) })
	f.Add([]byte{0, 0, 0, 0, 1, 0xFF, 0xFF})
	f.Add([]byte{12, 1, 0, 0, 7, 0, 0, 0x7F, 0xFF, 0, 0, 0, 8})
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &testimg.Patch{Image: image}
		defer p.Undo()
		seal.Seal(p, apply(p, where, data))
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
