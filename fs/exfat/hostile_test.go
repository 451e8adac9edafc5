package exfat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

func explore(r block.Reader) error { return testimg.Explore(r, openFS, true) }

// sealer repairs the checksums of entry sets and of the boot region: it knows
// where sets start in the undamaged image.
func sealer(image []byte) func(p *testimg.Patch, changed []int64) {
	return func(p *testimg.Patch, changed []int64) {
		for _, at := range changed {
			for set := at &^ 31; set >= 0 && set > at-19*32 && set < int64(len(p.Image))-64; set -= 32 {
				if image[set] == 0x85 && image[set+32] == 0xC0 {
					sealSet(p, set)
					break
				}
			}
		}
		sum := uint32(0)
		for i, c := range p.Image[:11*512] {
			if i != 0x6A && i != 0x6B && i != 0x70 {
				sum = (sum<<31 | sum>>1) + uint32(c)
			}
		}
		p.Write(11*512, binary.LittleEndian.AppendUint32(nil, sum))
	}
}

func sealSet(p *testimg.Patch, set int64) {
	end := min(set+(int64(p.Image[set+1])+1)*32, int64(len(p.Image)))
	sum := uint16(0)
	for i, c := range p.Image[set:end] {
		if i != 2 && i != 3 {
			sum = (sum<<15 | sum>>1) + uint16(c)
		}
	}
	p.Write(set+2, binary.LittleEndian.AppendUint16(nil, sum))
}

func TestMutations(t *testing.T) {
	const n = 150 // of each of two
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			image := testimg.Fixture(t, name)
			testimg.Mutate(t, testimg.Mutations{Image: image, Where: testimg.Metadata(t, image, openFS), Seed: 1, N: n, Run: explore, Open: openFS, Seal: sealer(bytes.Clone(image))})
		})
	}
}

func FuzzExFAT(f *testing.F) {
	var bases []testimg.Base
	for _, name := range fixtures {
		b := testimg.Fixture(f, name)
		bases = append(bases, testimg.Base{Image: b, Seal: sealer(bytes.Clone(b))})
	}
	testimg.Fuzz(f, bases, openFS)
}

// setOf finds where the entry set of a path lies in the image.
func setOf(t *testing.T, image []byte, path string) (*inode, int64) {
	t.Helper()
	v, err := open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := v.Root()
	for name := range strings.SplitSeq(path, "/") {
		if err == nil {
			n, err = n.Lookup(name)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	c := n.(*inode)
	d, err := c.parent.content()
	if err != nil {
		t.Fatal(err)
	}
	pos, _, err := d.Place(c.off)
	if err != nil {
		t.Fatal(err)
	}
	return c, pos
}

// TestHostile breaks single fields, with the checksums repaired.
func TestHostile(t *testing.T) {
	clean := testimg.Fixture(t, "small")
	le := binary.LittleEndian
	put8 := func(off int64, v byte) func([]byte) { return func(b []byte) { b[off] = v } }
	put32 := func(off int64, v uint32) func([]byte) { return func(b []byte) { le.PutUint32(b[off:], v) } }
	put64 := func(off int64, v uint64) func([]byte) { return func(b []byte) { le.PutUint64(b[off:], v) } }
	_, file := setOf(t, clean, "size-5000")
	deep, _ := setOf(t, clean, "deep")
	names, _ := setOf(t, clean, "names")
	_, below := setOf(t, clean, "deep/a")
	v, err := open(bytes.NewReader(clean), nil)
	if err != nil {
		t.Fatal(err)
	}
	root := v.fatOff + 4*int64(v.boot.rootCluster)
	for _, c := range []struct {
		name  string
		poke  func(b []byte)
		set   int64
		class error
		text  string
	}{
		{"not exFAT", put8(3, 'X'), 0, block.ErrFormat, ""},
		{"sectors", put8(0x6C, 31), 0, block.ErrCorrupt, "sectors of"},
		{"clusters", put8(0x6D, 31), 0, block.ErrCorrupt, "clusters of"},
		{"revision", put8(0x69, 2), 0, block.ErrUnsupported, "revision 2"},
		{"no FAT", put8(0x6E, 0), 0, block.ErrCorrupt, "0 FATs"},
		{"second FAT of one", put8(0x6A, 1), 0, block.ErrCorrupt, "active"},
		{"too many clusters", put32(0x5C, 0xFFFFFFF0), 0, block.ErrCorrupt, "a FAT of"},
		{"heap in the FAT", put32(0x58, 1), 0, block.ErrCorrupt, "inside of the FAT"},
		{"root", put32(0x60, 0), 0, block.ErrCorrupt, "cluster 0 of"},
		{"root loop", put32(root, v.boot.rootCluster), 0, block.ErrLoop, "does not end"},
		{"root chain outside", put32(root, 0x7FFFFFFF), 0, block.ErrCorrupt, "follows in its chain"},
		{"start", put32(file+32+20, 1), file, block.ErrCorrupt, "cluster 1 of"},
		{"giant file", func(b []byte) { put64(file+32+24, 1<<50)(b) }, file, block.ErrCorrupt, "clusters of"},
		{"exabytes", put64(file+32+24, 1<<63), file, block.ErrCorrupt, ""},
		{"no stream", put8(file+32, 0xC5), file, block.ErrCorrupt, "without a stream"},
		{"short name", put8(file+32+3, 200), file, block.ErrCorrupt, "of a name"},
		{"directory loop", put32(below+32+20, deep.first), below, block.ErrLoop, "contains itself"},
		{"two names", put32(below+32+20, names.first), below, block.ErrCorrupt, "two names"},
		{"checksum", put8(file+4, 7), 0, block.ErrCorrupt, "of an entry set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(clean)
			c.poke(b)
			if c.set > 0 {
				sealSet(&testimg.Patch{Image: b}, c.set)
			}
			err := explore(bytes.NewReader(b))
			if fsys, e := Open(bytes.NewReader(b), nil); e == nil && err == nil {
				fsys.ReadDir(".")
				err = errors.Join(fsys.Problems()...)
			}
			var e *block.Error
			if !errors.Is(err, c.class) || !errors.As(err, &e) || e.Format != "exfat" || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v", err)
			}
		})
	}
	b := bytes.Clone(clean)
	b[0x70] = 50 // percent in use: not under the checksum
	if p := testimg.MustOpen(t, b, openFS).Problems(); len(p) > 0 {
		t.Errorf("problems: %v", p)
	}
	b[0x64] ^= 1
	if p := testimg.MustOpen(t, b, openFS).Problems(); len(p) != 1 || !strings.Contains(p[0].Error(), "checksum") {
		t.Errorf("a wrong checksum: %v", p)
	}
	b = bytes.Clone(clean)
	b[0x6A] |= flagDirty
	if !testimg.MustOpen(t, b, openFS).Info().Dirty {
		t.Error("it is not dirty")
	}
	if err := explore(bytes.NewReader(clean[:len(clean)/8])); err == nil {
		t.Error("a part of an image gave no error")
	}
}
