package squashfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

func explore(r block.Reader) error { return testimg.Explore(r, openFS, true) }

func TestMutations(t *testing.T) {
	const n = 60 // of each of seven
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			image := testimg.Fixture(t, name)
			where := testimg.Metadata(t, image, openFS)
			where = append(where, testimg.Range{Off: 0, N: 96})
			testimg.Mutate(t, testimg.Mutations{Image: image, Where: where, Seed: 1, N: n, Run: explore, Open: openFS})
		})
	}
}

func FuzzSquashfs(f *testing.F) {
	var bases []testimg.Base
	for _, name := range fixtures {
		bases = append(bases, testimg.Base{Image: testimg.Fixture(f, name)})
	}
	testimg.Fuzz(f, bases, openFS)
}

// at finds the inode of a path, and where it lies in an image whose metadata is
// not compressed.
func at(t *testing.T, image []byte, path string) (*inode, int64) {
	t.Helper()
	f, err := open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	i := testimg.Inode[*inode](t, f, path)
	return i, int64(f.sb.inodeTable+i.ref>>16) + 2 + int64(i.ref&0xFFFF)
}

// TestHostile breaks single fields of an image whose metadata is stored.
func TestHostile(t *testing.T) {
	clean := testimg.Fixture(t, "stored")
	le := binary.LittleEndian
	put16 := func(off int64, v uint16) func([]byte) { return func(b []byte) { le.PutUint16(b[off:], v) } }
	put32 := func(off int64, v uint32) func([]byte) { return func(b []byte) { le.PutUint32(b[off:], v) } }
	put64 := func(off int64, v uint64) func([]byte) { return func(b []byte) { le.PutUint64(b[off:], v) } }
	_, file := at(t, clean, "noise")
	_, holes := at(t, clean, "holes")
	_, link := at(t, clean, "links/to-100")
	deep, deepAt := at(t, clean, "deep")
	many, manyAt := at(t, clean, "many")
	attrs, attrsAt := at(t, clean, "attrs/dir")
	f, err := open(bytes.NewReader(clean), nil)
	if err != nil {
		t.Fatal(err)
	}
	if many.indexes == 0 || attrs.xattr == none {
		t.Fatal("the fixture has lost its index or its attributes")
	}
	// The first header and entry of the listing of deep.
	listing := int64(f.sb.dirTable) + int64(deep.dirBlock) + 2 + int64(deep.dirOffset)
	for _, c := range []struct {
		name, path string
		poke       func(b []byte)
		class      error
		text       string
	}{
		{"not squashfs", ".", put32(0, 0), block.ErrFormat, ""},
		{"version 3.1", ".", func(b []byte) { put16(0x1C, 3)(b); put16(0x1E, 1)(b) }, block.ErrUnsupported, "version 3.1"},
		{"big-endian", ".", func(b []byte) { copy(b, "sqsh"); b[0x1D] = 2 }, block.ErrUnsupported, "only 4.0"},
		{"compressor", ".", put16(0x14, 7), block.ErrUnsupported, "compressor 7"},
		{"blocks of 2 GiB", ".", put32(0x0C, 1<<31), block.ErrCorrupt, "blocks of 2147483648 bytes"},
		{"blocks of 4097", ".", put32(0x0C, 4097), block.ErrCorrupt, "blocks of 4097 bytes"},
		{"block log", ".", put16(0x16, 13), block.ErrCorrupt, "logarithm"},
		{"inode table", ".", put64(0x40, 1<<63), block.ErrCorrupt, "a table at"},
		{"tables out of order", ".", put64(0x48, 100), block.ErrCorrupt, "a table at"},
		{"root outside", ".", put64(0x20, 1<<40), block.ErrCorrupt, "leaves the inode table"},
		{"root in nowhere", ".", put64(0x20, 0xFFFF), block.ErrCorrupt, "root inode"},
		{"no owners", ".", put16(0x1A, 0), block.ErrCorrupt, "no owners"},
		{"owner", "noise", put16(file+4, 0xFFFF), block.ErrCorrupt, "owner 65535 of"},
		{"type 0", "noise", put16(file, 0), block.ErrCorrupt, "type 0"},
		{"type 15", "noise", put16(file, 15), block.ErrCorrupt, "type 15"},
		{"other type", "noise", put16(file, 7), block.ErrCorrupt, "another type"},
		{"start", "noise", put32(file+16, 0xFFFFFFF0), block.ErrCorrupt, "start at"},
		{"giant file", "noise", put32(file+28, 0xFFFFFFFF), block.ErrCorrupt, ""},
		{"giant block", "noise", put32(file+32, 0x1FFFFFF), block.ErrCorrupt, "block"},
		{"reserved bits", "noise", put32(file+32, 1<<31), block.ErrCorrupt, "size 0x80000000"},
		{"short block", "noise", put32(file+32, 1<<24|4095), block.ErrCorrupt, "4095"},
		{"fragment without a table", "noise", put32(file+20, 0), block.ErrCorrupt, "fragment 0 of 0"},
		{"exabytes", "holes", put64(holes+24, 1<<60), block.ErrCorrupt, ""},
		{"over all", "holes", put64(holes+24, 1<<63), block.ErrCorrupt, ""},
		{"long link", "links/to-100", put32(link+20, 1<<31), block.ErrCorrupt, "a target of"},
		{"many entries", "deep", put32(listing, 0xFFFFFF), block.ErrCorrupt, "behind one header"},
		{"type of an entry", "deep", put16(listing+16, 9), block.ErrCorrupt, "entry of type 9"},
		{"long name", "deep", put16(listing+18, 0xFFFF), block.ErrCorrupt, "a name of"},
		{"listing outside", "deep", put32(deepAt+16, 1<<31), block.ErrCorrupt, "its listing starts"},
		{"listing in the middle", "deep", put16(deepAt+26, 0x1FFF), block.ErrCorrupt, ""},
		{"index with a long name", "many", put32(manyAt+48, 0xFFFFFFFF), block.ErrCorrupt, "in the index"},
		{"attributes", "attrs/dir", put32(attrsAt+36, 0x7FFFFFFF), block.ErrCorrupt, "attributes 2147483647 of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(clean)
			c.poke(b)
			err := explore(bytes.NewReader(b))
			if err == nil {
				t.Fatal("no error")
			}
			if fsys, err := openFS(bytes.NewReader(b)); err == nil && c.name == "index with a long name" {
				if _, err := fsys.Stat("many/x"); !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.text) {
					t.Errorf("%v", err)
				}
				return
			}
			var e *block.Error
			if !errors.Is(err, c.class) || !errors.As(err, &e) || e.Format != "squashfs" || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v", err)
			}
		})
	}
	if err := explore(bytes.NewReader(clean[:len(clean)/2])); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("half an image: %v", err)
	}
	if err := explore(bytes.NewReader(clean[:50])); !errors.Is(err, block.ErrFormat) {
		t.Errorf("50 bytes: %v", err)
	}
}

// TestLoops makes a directory the child of itself, and gives one two names.
func TestLoops(t *testing.T) {
	clean := testimg.Fixture(t, "stored")
	le := binary.LittleEndian
	f, err := open(bytes.NewReader(clean), nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{"itself": "deep/0", "its grandparent": "deep"} {
		b := bytes.Clone(clean)
		dir, _ := at(t, clean, "deep/0/1")
		target, _ := at(t, clean, path)
		if what == "itself" {
			target = dir
		}
		listing := int64(f.sb.dirTable) + int64(dir.dirBlock) + 2 + int64(dir.dirOffset)
		le.PutUint32(b[listing+4:], uint32(target.ref>>16))
		le.PutUint16(b[listing+12:], uint16(target.ref))
		if err := explore(bytes.NewReader(b)); !errors.Is(err, block.ErrLoop) || !strings.Contains(err.Error(), "contains itself") {
			t.Errorf("%s: %v", what, err)
		}
	}
	b := bytes.Clone(clean)
	dir, _ := at(t, clean, "deep/0/1")
	target, _ := at(t, clean, "empty")
	listing := int64(f.sb.dirTable) + int64(dir.dirBlock) + 2 + int64(dir.dirOffset)
	le.PutUint32(b[listing+4:], uint32(target.ref>>16))
	le.PutUint16(b[listing+12:], uint16(target.ref))
	fsys := testimg.MustOpen(t, b, openFS)
	if _, err := fsys.Stat("deep/0/1/2"); err != nil {
		t.Error(err)
	}
	if _, err := fsys.Stat("empty"); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("a second name: %v", err)
	}
	if _, err := fs.Stat(fsys, "nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
