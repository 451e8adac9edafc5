package btrfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

func explore(r block.Reader) error { return testimg.Explore(r, openFS, true) }

// TestMutations damages the metadata of each fixture; every second mutant has its
// checksums repaired.
func TestMutations(t *testing.T) {
	const n = 100 // of each of three
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			image := testimg.Fixture(t, name)
			testimg.Mutate(t, testimg.Mutations{Image: image, Where: testimg.Metadata(t, image, openFS), Seed: 1, N: n, Run: explore, Open: openFS,
				Seal: newSealer(t, image).seal})
		})
	}
}

// FuzzBtrfs opens, walks and reads the fixtures with damage to their metadata.
func FuzzBtrfs(f *testing.F) {
	var bases []testimg.Base
	for _, name := range fixtures {
		image := testimg.Fixture(f, name)
		bases = append(bases, testimg.Base{Image: image, Seal: newSealer(f, image).seal})
	}
	testimg.Fuzz(f, bases, openFS)
}

// dirIndex finds the entry of a name in the index of a directory.
func (e *editor) dirIndex(t *tree, dir uint64, name string) key {
	e.t.Helper()
	c, err := t.seek(key{dir, typeDirIndex, 0})
	for ; err == nil && c.ok && c.key.objectid == dir && c.key.typ == typeDirIndex; err = c.next() {
		for d := range dirents(c.data) {
			if string(d.name) == name {
				return c.key
			}
		}
	}
	e.t.Fatalf("no entry %q: %v", name, err)
	return key{}
}

// TestHostile breaks single fields and repairs the checksums.
func TestHostile(t *testing.T) {
	le := binary.LittleEndian
	subvolume := func(e *editor, path string) uint64 {
		subs, err := e.f.Subvolumes()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range subs {
			if s.Path == path {
				return s.ID
			}
		}
		t.Fatal("no subvolume " + path)
		return 0
	}
	both := func(e *editor, tr *tree, dir uint64, name string, change func(data []byte)) {
		e.item(tr, e.dirIndex(tr, dir, name), func(_, data []byte) { change(data) })
		e.item(tr, byHash(dir, name), func(_, data []byte) { change(data) })
	}
	for _, c := range []struct {
		name   string
		change func(e *editor)
		path   string // that is read
		want   error
	}{
		{"a directory leads to its parent", func(e *editor) {
			both(e, e.f.top, e.ino(e.f.top, "tree", "deep", "0"), "1", func(b []byte) { le.PutUint64(b, e.ino(e.f.top, "tree", "deep")) })
		}, "tree/deep/0/1", block.ErrLoop},
		{"a directory leads to itself", func(e *editor) {
			both(e, e.f.top, e.ino(e.f.top, "tree", "deep", "0"), "1", func(b []byte) { le.PutUint64(b, e.ino(e.f.top, "tree", "deep", "0")) })
		}, "tree/deep/0/1", block.ErrLoop},
		{"a directory leads to the root", func(e *editor) {
			both(e, e.f.top, e.ino(e.f.top, "tree", "deep"), "0", func(b []byte) { le.PutUint64(b, firstFree) })
		}, "tree/deep/0", block.ErrLoop},
		{"a directory has two places", func(e *editor) {
			both(e, e.f.top, e.ino(e.f.top, "tree", "deep"), "0", func(b []byte) { le.PutUint64(b, e.ino(e.f.top, "names")) })
		}, "tree/deep/0", block.ErrCorrupt},
		{"an entry leads to a tree that holds no files", func(e *editor) {
			both(e, e.f.top, firstFree, "@", func(b []byte) { le.PutUint64(b, extentTree) })
		}, "@", block.ErrCorrupt},
		{"a subvolume leads to the one around it", func(e *editor) {
			id := subvolume(e, "@")
			tr, err := e.f.subvolume(id)
			if err != nil {
				t.Fatal(err)
			}
			both(e, tr, firstFree, "home", func(b []byte) { le.PutUint64(b, id) })
		}, "@/home/x", fs.ErrNotExist}, // an empty directory, as the kernel shows it
		{"subvolumes in each other", func(e *editor) {
			a, b := subvolume(e, "@"), subvolume(e, "@/home")
			e.item(e.f.rootTree, key{a, typeRootBackref, fsTree}, func(head, _ []byte) { le.PutUint64(head[9:], b) })
		}, "@", block.ErrCorrupt},
		{"a name longer than its item", func(e *editor) {
			e.item(e.f.top, byHash(firstFree, "size-1"), func(_, data []byte) { le.PutUint16(data[0x1B:], 60000) })
		}, "size-1", block.ErrCorrupt},
		{"an inline extent longer than its item", func(e *editor) {
			e.item(e.f.top, key{e.ino(e.f.top, "size-100"), typeExtentData, 0}, func(_, data []byte) { le.PutUint64(data[8:], 1<<30) })
		}, "size-100", block.ErrCorrupt},
		{"an extent outside all chunks", func(e *editor) {
			e.item(e.f.top, key{e.ino(e.f.top, "size-70000"), typeExtentData, 0}, func(_, data []byte) { le.PutUint64(data[0x15:], 1<<50) })
		}, "size-70000", block.ErrCorrupt},
		{"an extent that unpacks to 1 TiB", func(e *editor) {
			e.item(e.f.top, key{e.ino(e.f.top, "size-70000"), typeExtentData, 0}, func(_, data []byte) { data[0x10] = compressZstd; le.PutUint64(data[8:], 1<<40) })
		}, "size-70000", block.ErrCorrupt},
		{"an unknown compression", func(e *editor) {
			e.item(e.f.top, key{e.ino(e.f.top, "size-70000"), typeExtentData, 0}, func(_, data []byte) { data[0x10] = 9 })
		}, "size-70000", block.ErrUnsupported},
		{"an encrypted extent", func(e *editor) {
			e.item(e.f.top, key{e.ino(e.f.top, "size-70000"), typeExtentData, 0}, func(_, data []byte) { data[0x11] = 1 })
		}, "size-70000", block.ErrEncrypted},
		{"an extent without checksums", func(e *editor) {
			x, err := e.f.top.get(key{e.ino(e.f.top, "size-70000"), typeExtentData, 0})
			if err != nil {
				t.Fatal(err)
			}
			e.item(e.f.top, key{e.ino(e.f.top, "size-70000"), typeExtentData, 0}, func(_, data []byte) { le.PutUint64(data[0x15:], le.Uint64(x[0x15:])+32<<20) })
		}, "size-70000", block.ErrCorrupt},
		{"a size of 8 EiB", func(e *editor) {
			e.item(e.f.top, key{e.ino(e.f.top, "size-1"), typeInodeItem, 0}, func(_, data []byte) { le.PutUint64(data[0x10:], 1<<63) })
		}, "size-1", block.ErrCorrupt},
		{"a tree block that leads to itself", func(e *editor) {
			e.node(e.f.top.bytenr, func(b []byte) {
				if b[0x64] == 0 {
					t.Skip("the tree is a leaf")
				}
				le.PutUint64(b[headerSize+keySize:], e.f.top.bytenr)
			})
		}, ".", block.ErrCorrupt},
		{"a tree block that is met twice", func(e *editor) {
			e.node(e.f.top.bytenr, func(b []byte) { copy(b[headerSize+ptrSize+keySize:][:16], b[headerSize+keySize:]) })
		}, "*", block.ErrCorrupt},
		{"keys out of order", func(e *editor) {
			e.node(e.f.top.bytenr, func(b []byte) { le.PutUint64(b[headerSize+ptrSize:], 1) })
		}, ".", block.ErrCorrupt},
		{"more items than there is room for", func(e *editor) {
			e.node(e.f.rootTree.bytenr, func(b []byte) { le.PutUint32(b[0x60:], 1<<31) })
		}, "", block.ErrCorrupt},
		{"an unknown feature", func(e *editor) { e.super(func(b []byte) { b[0xBC+5] |= 0x10 }) }, "", block.ErrUnsupported},
		{"the raid stripe tree", func(e *editor) { e.super(func(b []byte) { b[0xBC+1] |= 0x40 }) }, "", block.ErrUnsupported},
		{"extent tree v2", func(e *editor) { e.super(func(b []byte) { b[0xBC+1] |= 0x20 }) }, "", block.ErrUnsupported},
		{"an unknown checksum", func(e *editor) { e.super(func(b []byte) { b[0xC4] = 77 }) }, "", block.ErrUnsupported},
		{"nodes of 1 GiB", func(e *editor) { e.super(func(b []byte) { le.PutUint32(b[0x94:], 1<<30) }) }, "", block.ErrCorrupt},
		{"a tree of 200 levels", func(e *editor) { e.super(func(b []byte) { b[0xC6] = 200 }) }, "", block.ErrCorrupt},
		{"system chunks past their place", func(e *editor) { e.super(func(b []byte) { le.PutUint32(b[0xA0:], 1<<31) }) }, "", block.ErrCorrupt},
		{"chunks over each other", func(e *editor) {
			c := e.f.chunks[len(e.f.chunks)-1]
			tr := &tree{f: e.f, id: chunkTree, bytenr: e.f.sb.chunkRoot, level: e.f.sb.chunkLevel, generation: e.f.sb.chunkGeneration}
			e.item(tr, key{firstChunkTree, typeChunkItem, e.f.chunks[0].start}, func(_, data []byte) { le.PutUint64(data, c.start) })
		}, "", block.ErrCorrupt},
		{"a chunk of 60,000 stripes", func(e *editor) {
			tr := &tree{f: e.f, id: chunkTree, bytenr: e.f.sb.chunkRoot, level: e.f.sb.chunkLevel, generation: e.f.sb.chunkGeneration}
			e.item(tr, key{firstChunkTree, typeChunkItem, e.f.chunks[0].start}, func(_, data []byte) { le.PutUint16(data[0x2C:], 60000) })
		}, "", block.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := edit(t, "single")
			c.change(e)
			fsys, err := openFS(bytes.NewReader(e.image))
			switch {
			case c.path == "":
			case err != nil && c.path != ".":
				t.Fatal(err)
			case err != nil:
			case c.path == "*":
				err = explore(bytes.NewReader(e.image))
			default:
				if _, err = fsys.Stat(c.path); err == nil {
					_, err = fs.ReadFile(fsys, c.path)
				}
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if err := explore(bytes.NewReader(e.image)); err == nil && c.want != fs.ErrNotExist {
				t.Error("a walk met no error")
			}
		})
	}
}
