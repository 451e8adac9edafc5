package ext4_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

func le16(v uint16) []byte { return le.AppendUint16(nil, v) }
func le32(v uint32) []byte { return le.AppendUint32(nil, v) }
func be32(v ...uint32) (b []byte) {
	for _, v := range v {
		b = be.AppendUint32(b, v)
	}
	return b
}

// A hostile image is a fixture with pokes.
type hostile struct {
	t    *testing.T
	p    *testimg.Patch
	seal *ext4.Sealer
}

func newHostile(t *testing.T, name string) *hostile {
	image := testimg.Fixture(t, name)
	return &hostile{t, &testimg.Patch{Image: image}, ext4.NewSealer(t, image)}
}

// poke changes the image and repairs the checksums over the change.
func (h *hostile) poke(off int64, b []byte) {
	h.p.Write(off, b)
	h.seal.Seal(h.p, []int64{off})
}

func (h *hostile) super(off int64, b []byte) { h.poke(1024+off, b) }

// inode pokes into the inode of a path.
func (h *hostile) inode(path string, off int64, b []byte) {
	_, at := h.seal.Inode(h.t, path)
	h.poke(at+off, b)
}

// entry returns where the entry for name lies in a directory.
func (h *hostile) entry(dir, name string) int64 {
	h.t.Helper()
	at := h.seal.Block(h.t, dir, 0)
	i := bytes.Index(h.p.Image[at:at+1024], append([]byte{byte(len(name))}, append([]byte{0}, name...)...))
	for typ := byte(1); i < 0 && typ < 8; typ++ {
		i = bytes.Index(h.p.Image[at:at+1024], append([]byte{byte(len(name)), typ}, name...))
	}
	if i < 0 {
		h.t.Fatalf("no entry %q in %q", name, dir)
	}
	return at + int64(i) - 6
}

func (h *hostile) open() (vfs.FS, error) { return ext4.Open(bytes.NewReader(h.p.Image), nil) }

func (h *hostile) mustOpen() vfs.FS {
	h.t.Helper()
	fsys, err := h.open()
	if err != nil {
		h.t.Fatal(err)
	}
	return fsys
}

// want checks the class of an error, and that it says where.
func want(t *testing.T, err error, class error, text string) {
	t.Helper()
	var e *block.Error
	if !errors.Is(err, class) || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v; want %v with %q", err, class, text)
	} else if !errors.As(err, &e) || e.Format != "ext4" || e.What == "" {
		t.Errorf("%v does not say where", err)
	}
}

func wantProblem(t *testing.T, fsys vfs.FS, class error, text string) {
	t.Helper()
	for _, p := range fsys.Problems() {
		if errors.Is(p, class) && strings.Contains(p.Error(), text) {
			return
		}
	}
	t.Errorf("no problem is %v with %q: %v", class, text, fsys.Problems())
}

// TestSuperblockRecipes damages the superblock: Open must refuse it.
func TestSuperblockRecipes(t *testing.T) {
	for _, c := range []struct {
		id    string
		off   int64
		value []byte
		class error
		text  string
	}{
		{"E01 log_block_size", 0x18, le32(31), block.ErrCorrupt, "block size of 2^(10+31)"},
		{"E02 inodes_per_group", 0x28, le32(0), block.ErrCorrupt, "0 inodes per group"},
		{"E03 blocks_per_group", 0x20, le32(0), block.ErrCorrupt, "0 blocks per group"},
		{"E04 inode_size", 0x58, le16(0), block.ErrCorrupt, "inode size 0"},
		{"E05 incompat bit 31", 0x60, le32(0x800002C2), block.ErrUnsupported, "FEATURE_I31"},
		{"E05 compression", 0x60, le32(0x2C3), block.ErrUnsupported, "feature compression"},
		{"E06 block count, corrupt", 0x04, le32(1 << 20), block.ErrCorrupt, ""},
		{"E23 descriptor size", 0xFE, le16(3), block.ErrCorrupt, "group descriptor size 3"},
		{"magic", 0x38, le16(0), block.ErrFormat, ""},
		{"revision", 0x4C, le32(2), block.ErrUnsupported, "revision 2"},
		{"first inode", 0x54, le32(2), block.ErrCorrupt, "first inode 2"},
		{"first data block", 0x14, le32(0xFFFFFFFF), block.ErrCorrupt, "first data block"},
		{"inode count", 0x00, le32(0xFFFFFFFF), block.ErrCorrupt, "inodes in"},
	} {
		t.Run(c.id, func(t *testing.T) {
			h := newHostile(t, "plain")
			h.super(c.off, c.value)
			_, err := h.open()
			want(t, err, c.class, c.text)
		})
	}
	t.Run("E06 a device that ends too early", func(t *testing.T) {
		image := testimg.Fixture(t, "plain")
		_, err := ext4.Open(bytes.NewReader(image[:len(image)-1024]), nil)
		want(t, err, block.ErrTruncated, "do not fit")
		want(t, err, block.ErrCorrupt, "do not fit")
	})
}

// TestFileRecipes damages the extent tree of one file: the others stay readable.
func TestFileRecipes(t *testing.T) {
	for _, c := range []struct {
		id    string
		harm  func(h *hostile)
		class error
		text  string
	}{
		{"E07 depth", func(h *hostile) { h.inode("d/g", 40+6, le16(0xFFFF)) }, block.ErrCorrupt, "depth 65535"},
		{"E08 entries", func(h *hostile) { h.inode("d/g", 40+2, le16(0xFFFF)) }, block.ErrCorrupt, "65535 entries"},
		{"E09 node that points to itself", func(h *hostile) {
			at := h.seal.Block(h.t, "d/g", 0)
			n := le32(uint32(at / 1024))
			node := func(max uint16) []byte {
				return bytes.Join([][]byte{le16(0xF30A), le16(1), le16(max), le16(1), le32(0), le32(0), n, le32(0)}, nil)
			}
			h.poke(at, node(84))
			h.inode("d/g", 40, node(4))
		}, block.ErrCorrupt, "does not fit its place"},
		{"E14 size", func(h *hostile) { h.inode("d/g", 108, le32(0x7FFFFFFF)) }, block.ErrLimit, "size"},
		{"size below 0", func(h *hostile) { h.inode("d/g", 108, le32(0xFFFFFFFF)) }, block.ErrCorrupt, "size"},
		{"past the end", func(h *hostile) { h.inode("d/g", 40+12+8, le32(0x7FFFFFFF)) }, block.ErrCorrupt, "points to"},
		{"into the superblock", func(h *hostile) { h.inode("d/g", 40+12+8, le32(1)) }, block.ErrCorrupt, "points to"},
		{"into an inode table", func(h *hostile) {
			_, at := h.seal.Inode(h.t, "d/g")
			h.inode("d/g", 40+12+8, le32(uint32(at/1024)))
		}, block.ErrCorrupt, "points to"},
		{"unused inode", func(h *hostile) { h.inode("d/g", 0x1A, le16(0)) }, block.ErrCorrupt, "not in use"},
		{"mode", func(h *hostile) { h.inode("d/g", 0, le16(0)) }, block.ErrCorrupt, "mode"},
		{"inode past the end", func(h *hostile) { h.poke(h.entry("d", "g"), le32(0x7FFFFFFF)) }, block.ErrCorrupt, ""},
		{"reserved inode", func(h *hostile) { h.poke(h.entry("d", "g"), le32(8)) }, block.ErrCorrupt, "reserved inode 8"},
		{"E10 entry of length 0", func(h *hostile) { h.poke(h.entry("d", "g")+4, le16(0)) }, block.ErrCorrupt, "length 0"},
		{"E11 entry past its block", func(h *hostile) { h.poke(h.entry("d", "g")+4, le16(0xFFFC)) }, block.ErrCorrupt, "length 65532"},
	} {
		t.Run(c.id, func(t *testing.T) {
			h := newHostile(t, "plain")
			c.harm(h)
			fsys := h.mustOpen()
			_, err := fs.ReadFile(fsys, "d/g")
			want(t, err, c.class, c.text)
			if b, err := fs.ReadFile(fsys, "f"); err != nil || len(b) != 6 {
				t.Errorf("f = %q, %v", b, err)
			}
			if strings.HasPrefix(c.id, "E10") || strings.HasPrefix(c.id, "E11") {
				es, err := fs.ReadDir(fsys, "d")
				if want(t, err, c.class, c.text); len(es) != 1 || es[0].Name() != "e" {
					t.Errorf("d lists %v besides the error", es)
				}
			}
		})
	}
}

// TestDirectoryRecipes bends the tree of directories.
func TestDirectoryRecipes(t *testing.T) {
	loop := func(t *testing.T, h *hostile, path string, class error) {
		t.Helper()
		fsys := h.mustOpen()
		_, err := fsys.Stat(path)
		want(t, err, class, "")
		paths := 0
		fs.WalkDir(fsys, ".", func(string, fs.DirEntry, error) error { paths++; return nil })
		if paths > 2000 {
			t.Errorf("a walk of the tree found %d paths", paths)
		}
	}
	t.Run("E12 to the root", func(t *testing.T) {
		h := newHostile(t, "plain")
		h.poke(h.entry("d", "e"), le32(2))
		loop(t, h, "d/e", block.ErrLoop)
	})
	t.Run("to itself", func(t *testing.T) {
		h := newHostile(t, "plain")
		ino, _ := h.seal.Inode(t, "d")
		h.poke(h.entry("d", "e"), le32(ino))
		loop(t, h, "d/e", block.ErrLoop)
	})
	t.Run("E20 inline", func(t *testing.T) {
		h := newHostile(t, "inline")
		up, _ := h.seal.Inode(t, "deep/0")
		_, at := h.seal.Inode(t, "deep/0/1")
		h.poke(at+40+4, le32(up))
		loop(t, h, "deep/0/1/2", block.ErrLoop)
	})
	t.Run("a directory with two parents", func(t *testing.T) {
		h := newHostile(t, "plain")
		ino, _ := h.seal.Inode(t, "d/e")
		at := h.entry(".", "f")
		h.poke(at, le32(ino))
		h.poke(at+7, []byte{2})
		loop(t, h, "f", block.ErrCorrupt)
	})
	t.Run("a directory that is named twice", func(t *testing.T) {
		h := newHostile(t, "plain")
		ino, _ := h.seal.Inode(t, "d/e")
		at := h.entry("d", "g")
		h.poke(at, le32(ino))
		h.poke(at+7, []byte{2})
		es, err := fs.ReadDir(h.mustOpen(), "d")
		if err != nil || len(es) != 2 {
			t.Fatal(es, err)
		}
		_, err1 := es[0].Info()
		_, err2 := es[1].Info()
		if err1 != nil || !errors.Is(err2, block.ErrCorrupt) {
			t.Errorf("the two entries give %v and %v", err1, err2)
		}
	})
	t.Run("a block that comes twice", func(t *testing.T) {
		h := newHostile(t, "plain")
		first := uint32(h.seal.Block(t, "d", 0) / 1024)
		h.inode("d", 4, le32(2048))
		h.inode("d", 40+2, le16(2))
		h.inode("d", 40+12+4, le16(1))
		h.inode("d", 40+24, slices.Concat(le32(1), le16(1), le16(0), le32(first)))
		es, err := fs.ReadDir(h.mustOpen(), "d")
		if len(es) != 2 {
			t.Errorf("d lists %v", es)
		}
		want(t, err, block.ErrCorrupt, "has come before")
		if _, err = h.mustOpen().Stat("d/nope"); err == nil {
			t.Error("a name that is not there was found")
		}
		want(t, err, block.ErrCorrupt, "has come before")
	})
	t.Run("E13 a name with slashes", func(t *testing.T) {
		h := newHostile(t, "plain")
		at := h.entry("d", "g")
		h.poke(at+6, append([]byte{15, 1}, "../../../tmp/ev"...))
		fsys := h.mustOpen()
		es, err := fs.ReadDir(fsys, "d")
		if err != nil || len(es) != 2 {
			t.Fatal(es, err)
		}
		i := slices.IndexFunc(es, func(e fs.DirEntry) bool { return vfs.RawName(e) == "../../../tmp/ev" })
		if i < 0 || strings.Contains(es[i].Name(), "/") {
			t.Fatalf("d lists %v", es)
		}
		if b, err := fs.ReadFile(fsys, "d/"+es[i].Name()); err != nil || len(b) != 5000 {
			t.Errorf("the file has %d bytes, %v", len(b), err)
		}
		wantProblem(t, fsys, block.ErrCorrupt, `"../../../tmp/ev"`)
	})
	t.Run("E15 links in a circle", func(t *testing.T) {
		_, err := newHostile(t, "plain").mustOpen().Stat("a")
		if !errors.Is(err, block.ErrLoop) {
			t.Error(err)
		}
	})
	t.Run("E16 a name with an escape character", func(t *testing.T) {
		h := newHostile(t, "plain")
		h.poke(h.entry(".", "f")+8, []byte{0x1B})
		if _, err := h.mustOpen().Stat("\x1b"); err != nil {
			t.Error(err)
		}
	})
	t.Run("E21 levels of an index", func(t *testing.T) {
		h := newHostile(t, "ext4")
		h.poke(h.seal.Block(t, "many", 0)+0x1E, []byte{255})
		fsys := h.mustOpen()
		if _, err := fsys.Stat("many/name-000001-x"); err != nil {
			t.Error(err)
		}
		wantProblem(t, fsys, block.ErrCorrupt, "255 levels")
	})
}

// TestOtherRecipes damages what only some readers look at.
func TestOtherRecipes(t *testing.T) {
	t.Run("E22 size of an attribute", func(t *testing.T) {
		h := newHostile(t, "ext4")
		_, at := h.seal.Inode(t, "attrs/value-20")
		i := bytes.Index(h.p.Image[at:at+256], []byte{0, 0, 2, 0xEA}) // the magic
		h.poke(at+int64(i)+4+8, le32(0xFFFFFFFF))
		_, err := h.mustOpen().Xattrs("attrs/value-20")
		want(t, err, block.ErrCorrupt, "leaves its area")
	})
	same := func(t *testing.T, h *hostile, clean string) {
		t.Helper()
		got, err := testimg.ReadTree(h.mustOpen(), testimg.TreeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		compareLines(t, listing(clean, got), string(testimg.Unpack(t, "testdata/"+clean+".tree.gz")))
	}
	t.Run("E24 log of flex_bg", func(t *testing.T) {
		h := newHostile(t, "ext4")
		h.super(0x174, []byte{255})
		same(t, h, "ext4")
	})
	t.Run("E25 orphans in a circle", func(t *testing.T) {
		h := newHostile(t, "ext4")
		ino, _ := h.seal.Inode(t, "size-1")
		h.super(0xE8, le32(ino))
		h.inode("size-1", 0x14, le32(ino))
		same(t, h, "ext4")
	})
	for _, c := range []struct {
		name string
		harm func(h *hostile)
		text string
	}{
		{"superblock", func(h *hostile) { h.p.Write(1024+0x30, []byte{0x55}) }, "superblock"},
		{"group descriptor", func(h *hostile) { h.p.Write(2048+0x0C, []byte{0x55}) }, "group descriptor"},
		{"inode", func(h *hostile) {
			_, at := h.seal.Inode(h.t, "size-1")
			h.p.Write(at+0x14, []byte{0x55})
		}, "inode"},
		{"directory block", func(h *hostile) { h.p.Write(h.seal.Block(h.t, "names", 1)+1024-1, []byte{0x55}) }, "directory block"},
		{"htree node", func(h *hostile) { h.p.Write(h.seal.Block(h.t, "many", 0)+1024-2, []byte{0x55, 0x55}) }, "htree node"},
	} {
		t.Run("checksum of a "+c.name, func(t *testing.T) {
			h := newHostile(t, "ext4")
			c.harm(h)
			fsys := h.mustOpen()
			if _, err := testimg.ReadTree(fsys, testimg.TreeOptions{}); err != nil {
				t.Error(err)
			}
			wantProblem(t, fsys, block.ErrCorrupt, "checksum")
			wantProblem(t, fsys, block.ErrCorrupt, c.text)
		})
	}
}

// TestJournalRecipes damages a journal: what cannot be replayed is said.
func TestJournalRecipes(t *testing.T) {
	const journalIno = 8
	// base has an empty journal of blocks of 1 KiB, which the recipes fill.
	base := func(t *testing.T) (h *hostile, at func(n uint64) int64) {
		h = newHostile(t, "plain-journal")
		h.super(0x60, le32(le.Uint32(h.p.Image[1024+0x60:])|4))
		at = func(n uint64) int64 { return h.seal.BlockOf(t, journalIno, n) }
		h.poke(at(0)+24, be32(1, 1)) // sequence and start
		h.poke(at(0)+40, be32(0))    // no features
		return h, at
	}
	header := func(kind, seq uint32) []byte { return be32(0xC03B3998, kind, seq) }
	tag := func(block uint32, flags uint16) []byte { return be32(block, uint32(flags)) }
	commit := func(h *hostile, off int64, seq uint32) { h.poke(off, header(2, seq)) }
	stale := func(t *testing.T, h *hostile, class error, text string) vfs.FS {
		t.Helper()
		fsys := h.mustOpen()
		if info := fsys.Info(); !info.Dirty {
			t.Errorf("Info = %+v", info)
		}
		wantProblem(t, fsys, block.ErrDirty, text)
		wantProblem(t, fsys, class, text)
		if b, err := fs.ReadFile(fsys, "f"); err != nil || len(b) != 6 {
			t.Errorf("f = %q, %v", b, err)
		}
		return fsys
	}
	t.Run("a transaction whose first block is gone", func(t *testing.T) {
		for _, seq := range []uint32{2, 3} { // its own commit, or that of the one behind it
			h, at := base(t)
			f := h.seal.Block(t, "f", 0)
			h.poke(at(1), append(header(1, 1), tag(uint32(f/1024), 8|2)...))
			h.poke(at(2), append([]byte("whole\n"), make([]byte, 1018)...))
			commit(h, at(3), 1)
			h.poke(at(4), append(be32(0xC13B3998, 1, 2), tag(uint32(f/1024), 8|2)...))
			h.poke(at(5), bytes.Repeat([]byte("A"), 1024))
			commit(h, at(6), seq)
			fsys := stale(t, h, block.ErrCorrupt, fmt.Sprintf("transaction 2 does not start there, and block 6 commits transaction %d", seq))
			if b, err := fs.ReadFile(fsys, "f"); err != nil || string(b) != "whole\n" {
				t.Errorf("f = %q, %v", b, err)
			}
		}
	})
	t.Run("a transaction that was not committed, and one of an earlier round", func(t *testing.T) {
		h, at := base(t)
		f := h.seal.Block(t, "f", 0)
		h.poke(at(0)+24, be32(9, 1))
		h.poke(at(1), append(header(1, 9), tag(uint32(f/1024), 8|2)...))
		h.poke(at(2), append([]byte("whole\n"), make([]byte, 1018)...))
		commit(h, at(3), 9)
		h.poke(at(4), append(header(1, 10), tag(uint32(f/1024), 8|2)...))
		commit(h, at(6), 4)
		if ps := h.mustOpen().Problems(); len(ps) != 0 {
			t.Errorf("problems: %v", ps)
		}
	})
	t.Run("E17 a block beyond the filesystem", func(t *testing.T) {
		h, at := base(t)
		f := h.seal.Block(t, "f", 0)
		// A good transaction, which must not be replayed either.
		h.poke(at(1), append(header(1, 1), tag(uint32(f/1024), 8|2)...))
		h.poke(at(2), bytes.Repeat([]byte("A"), 1024))
		commit(h, at(3), 1)
		h.poke(at(4), append(header(1, 2), tag(0x7FFFFFFF, 8|2)...))
		h.poke(at(5), bytes.Repeat([]byte("A"), 1024))
		commit(h, at(6), 2)
		fsys := stale(t, h, block.ErrCorrupt, "aims outside")
		if b, _ := fs.ReadFile(fsys, "f"); fsys.Info().Replayed || b[0] == 'A' {
			t.Error("half of the journal was replayed")
		}
	})
	t.Run("E18 maxlen", func(t *testing.T) {
		h, at := base(t)
		h.poke(at(0)+16, be32(0xFFFFFFFF))
		stale(t, h, block.ErrLimit, "4294967295 blocks in a journal of")
	})
	t.Run("E19 size of a revoke block", func(t *testing.T) {
		h, at := base(t)
		h.poke(at(1), append(header(5, 1), be32(0xFFFFFFFF)...))
		stale(t, h, block.ErrCorrupt, "4294967295 bytes used")
	})
	t.Run("start past the end", func(t *testing.T) {
		h, at := base(t)
		h.poke(at(0)+28, be32(0x7FFFFFFF))
		stale(t, h, block.ErrCorrupt, "the log starts at")
	})
	t.Run("unknown feature", func(t *testing.T) {
		h, at := base(t)
		h.poke(at(0)+40, be32(0x80000000))
		stale(t, h, block.ErrUnsupported, "FEATURE_I31")
	})
	t.Run("no magic", func(t *testing.T) {
		h, at := base(t)
		h.poke(at(0), be32(0))
		stale(t, h, block.ErrCorrupt, "magic")
	})
	t.Run("it is no file", func(t *testing.T) {
		h, _ := base(t)
		h.super(0xE0, le32(2))
		stale(t, h, block.ErrCorrupt, "it is to be the journal")
	})
	t.Run("on another device", func(t *testing.T) {
		h, _ := base(t)
		h.super(0xE0, le32(0))
		h.super(0xE4, le32(0x801))
		stale(t, h, block.ErrMissing, "on another device")
	})
	t.Run("the superblock would be bad", func(t *testing.T) {
		h, at := base(t)
		h.poke(at(1), append(header(1, 1), tag(1, 8|2)...))
		h.poke(at(2), bytes.Repeat([]byte("A"), 1024))
		commit(h, at(3), 1)
		stale(t, h, block.ErrFormat, "superblock would be bad")
	})
	t.Run("no commit", func(t *testing.T) {
		h, at := base(t)
		f := h.seal.Block(t, "f", 0)
		h.poke(at(1), append(header(1, 1), tag(uint32(f/1024), 8|2)...))
		h.poke(at(2), bytes.Repeat([]byte("A"), 1024))
		fsys := h.mustOpen()
		if b, err := fs.ReadFile(fsys, "f"); err != nil || b[0] == 'A' || len(fsys.Problems()) > 0 {
			t.Errorf("f = %q, %v; problems %v", b, err, fsys.Problems())
		}
	})
	t.Run("the superblock is read again", func(t *testing.T) {
		h, at := base(t)
		h.poke(at(1), append(header(1, 1), tag(1, 8|2)...))
		sb := bytes.Clone(h.p.Image[1024:2048])
		copy(sb[0x78:], "renamed\x00")
		h.poke(at(2), sb)
		commit(h, at(3), 1)
		if info := h.mustOpen().Info(); info.Label != "renamed" || !info.Replayed {
			t.Errorf("Info = %+v", info)
		}
	})
	t.Run("checksum of a block", func(t *testing.T) {
		h := newHostile(t, "dirty")
		where := h.seal.JournalRanges()
		slices.SortFunc(where, func(a, b testimg.Range) int { return int(a.Off - b.Off) })
		// The descriptor of the second transaction and all behind it is lost.
		h.p.Write(where[3].Off+20, []byte{0x55})
		fsys := h.mustOpen()
		wantProblem(t, fsys, block.ErrDirty, "replayed up to transaction")
		wantProblem(t, fsys, block.ErrCorrupt, "checksum")
	})
	t.Run("E26 length in a fast commit", func(t *testing.T) {
		h, at := base(t)
		h.poke(at(0)+0x24, be32(0, 0x20))
		h.poke(at(0)+0x54, be32(16))
		commit(h, at(1), 1)
		max := uint64(be.Uint32(h.p.Image[at(0)+16:]))
		h.poke(at(max-15), bytes.Join([][]byte{le16(9), le16(0xFFFF), le32(0), le32(2)}, nil))
		wantProblem(t, h.mustOpen(), block.ErrDirty, "replayed up to transaction 1 and 0 fast records")
		wantProblem(t, h.mustOpen(), block.ErrCorrupt, "a record 9 of 65535 bytes")
		// A record with a good checksum that aims outside forbids all of them.
		record := func(tag uint16, value ...byte) []byte {
			return append(append(le16(tag), le16(uint16(len(value)))...), value...)
		}
		head := record(9, append(le32(0), le32(2)...)...)
		for name, c := range map[string][]byte{
			"a record 6":         record(6, le32(12)...),
			"blocks from":        record(1, bytes.Join([][]byte{le32(12), le32(0), le16(1), le16(0xFFFF), le32(0xFFFFFFFF)}, nil)...),
			"blocks of inode 12": record(2, bytes.Join([][]byte{le32(12), le32(0xFFFFFFFF), le32(0xFFFFFFFF)}, nil)...),
			"number 4294967295":  record(3, bytes.Join([][]byte{le32(2), le32(0xFFFFFFFF), []byte("x")}, nil)...),
			"the name":           record(5, bytes.Join([][]byte{le32(2), le32(12), []byte("..")}, nil)...),
		} {
			commit := bytes.Join([][]byte{head, c, record(8, le32(2)...)}, nil)
			commit[len(commit)-6] = 8
			sum := ^crc32.Update(^uint32(0), crc32.MakeTable(crc32.Castagnoli), commit)
			h.poke(at(max-15), append(commit, le32(sum)...))
			wantProblem(t, h.mustOpen(), block.ErrDirty, "the fast commits are left out")
			wantProblem(t, h.mustOpen(), block.ErrCorrupt, name)
			h.poke(at(max-15)+int64(len(commit)), le32(sum+1))
			wantProblem(t, h.mustOpen(), block.ErrCorrupt, "fast commit")
		}
	})
}
