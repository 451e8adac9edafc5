package xfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/fs/xfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// inodeOf returns where the inode of a path lies in an image.
func inodeOf(t *testing.T, image []byte, name string) int {
	t.Helper()
	fsys, err := xfs.Open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	ino := testimg.Stat(t, fsys, name).Ino
	blockLog, inodeLog, inopbLog, agLog := image[0x78], image[0x7a], image[0x7b], image[0x7c]
	fsb := ino >> inopbLog
	blk := fsb>>agLog*uint64(be.Uint32(image[0x54:])) + fsb&(1<<agLog-1)
	return int(blk<<blockLog + ino&(1<<inopbLog-1)<<inodeLog)
}

// TestRecipes has structures that lie, with the checksums of version 5 sealed.
func TestRecipes(t *testing.T) {
	be := binary.BigEndian
	const coreSize, coreSizeV5 = 100, 176
	// everyBlock changes all blocks that have a magic at an offset.
	everyBlock := func(p *testimg.Patch, at int, magic string, change func(b []byte, off int64)) (changed []int64) {
		for off := 0; off+4096 <= len(p.Image); off += 512 {
			if bytes.HasPrefix(p.Image[off+at:], []byte(magic)) {
				change(p.Image[off:], int64(off))
				changed = append(changed, int64(off))
			}
		}
		return changed
	}
	read := func(name string) func(vfs.FS) error {
		return func(fsys vfs.FS) error { _, err := fs.ReadFile(fsys, name); return err }
	}
	stat := func(name string) func(vfs.FS) error {
		return func(fsys vfs.FS) error { _, err := fs.Lstat(fsys, name); return err }
	}
	for name, c := range map[string]struct {
		image  string
		change func(p *testimg.Patch) []int64
		run    func(vfs.FS) error
	}{
		"S07 root of level 255": {"v4-ftype", func(p *testimg.Patch) []int64 {
			at := inodeOf(t, p.Image, "files/fragmented")
			be.PutUint16(p.Image[at+coreSize:], 255)
			return nil
		}, read("files/fragmented")},
		"S07 leaf of level 255": {"ci", func(p *testimg.Patch) []int64 {
			return everyBlock(p, 0, "BMA3", func(b []byte, _ int64) { be.PutUint16(b[4:], 255) })
		}, read("files/fragmented")},
		"a leaf below itself": {"ci", func(p *testimg.Patch) []int64 {
			at := inodeOf(t, p.Image, "files/fragmented")
			be.PutUint16(p.Image[at+coreSizeV5:], 5) // all children are leaves
			return []int64{int64(at)}
		}, read("files/fragmented")},
		"leaf with 65,535 extents": {"ci", func(p *testimg.Patch) []int64 {
			return everyBlock(p, 0, "BMA3", func(b []byte, _ int64) { be.PutUint16(b[6:], 65535) })
		}, read("files/fragmented")},
		"S08 index of one block with 65,535 names": {"ci", func(p *testimg.Patch) []int64 {
			return everyBlock(p, 8, "\x3d\xf1", func(b []byte, _ int64) { be.PutUint16(b[0x38:], 65535) })
		}, stat("dirs/leaf/leaf-entry-000001")},
		"S08 index of more with 65,535 names": {"ci", func(p *testimg.Patch) []int64 {
			return everyBlock(p, 8, "\x3d\xff", func(b []byte, _ int64) { be.PutUint16(b[0x38:], 65535) })
		}, stat("dirs/node/an-entry-of-the-node-form-000001")},
		"node that is its own child": {"ci", func(p *testimg.Patch) []int64 {
			return everyBlock(p, 8, "\x3e\xbe", func(b []byte, _ int64) {
				for i := range int(be.Uint16(b[0x38:])) {
					be.PutUint32(b[0x40+8*i+4:], 1<<35/1024)
				}
			})
		}, stat("dirs/node/an-entry-of-the-node-form-000001")},
		"S09 remote target of 2^31 bytes": {"ci", func(p *testimg.Patch) []int64 {
			at := inodeOf(t, p.Image, "special/link-long")
			be.PutUint64(p.Image[at+0x38:], 1<<31)
			return []int64{int64(at)}
		}, func(fsys vfs.FS) error { _, err := fsys.ReadLink("special/link-long"); return err }},
		"a block of a directory that comes twice": {"v4-ftype", func(p *testimg.Patch) []int64 {
			at := inodeOf(t, p.Image, "dirs/leaf")
			be.PutUint32(p.Image[at+0x4c:], 2) // extents
			list := p.Image[at+coreSize:]
			low := be.Uint64(list[8:])&^(1<<21-1) | 1 // one block
			be.PutUint64(list[8:], low)
			be.PutUint64(list[16:], be.Uint64(list)|1<<9) // the same, as the second
			be.PutUint64(list[24:], low)
			return nil
		}, func(fsys vfs.FS) error { _, err := fs.ReadDir(fsys, "dirs/leaf"); return err }},
		"S11 2^48 extents": {"ci", func(p *testimg.Patch) []int64 {
			at := inodeOf(t, p.Image, "files/few-extents")
			p.Image[at+0x7f] |= 1 << 4 // nrext64
			be.PutUint64(p.Image[at+0x18:], 1<<48)
			return []int64{int64(at)}
		}, read("files/few-extents")},
		"S11 as many blocks": {"ci", func(p *testimg.Patch) []int64 {
			at := inodeOf(t, p.Image, "files/few-extents")
			p.Image[at+0x7f] |= 1 << 4
			be.PutUint64(p.Image[at+0x18:], 1<<48)
			be.PutUint64(p.Image[at+0x40:], 1<<48)
			return []int64{int64(at)}
		}, read("files/few-extents")},
		"more extents than the inode has room for": {"ci", func(p *testimg.Patch) []int64 {
			at := inodeOf(t, p.Image, "files/few-extents")
			be.PutUint64(p.Image[at+0x40:], 10000)
			be.PutUint32(p.Image[at+0x4c:], 10000)
			p.Image[at+0x05] = 2
			return []int64{int64(at)}
		}, read("files/few-extents")},
	} {
		t.Run(name, func(t *testing.T) {
			p := &testimg.Patch{Image: fixture(t, c.image+".img")}
			changed := c.change(p)
			if c.image == "ci" {
				if len(changed) == 0 {
					t.Fatal("nothing was changed")
				}
				seal(p, changed)
			}
			fsys, err := xfs.Open(bytes.NewReader(p.Image), nil)
			if err != nil {
				t.Fatal(err)
			}
			err = c.run(fsys)
			if !errors.Is(err, block.ErrCorrupt) {
				t.Errorf("%v, want ErrCorrupt", err)
			}
			if bytes.Contains([]byte(errText(err)), []byte("checksum")) {
				t.Errorf("a wrong checksum hides what is tested: %v", err)
			}
			t.Log(err)
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestRecipeS10 has a record of cycle 0 in a dirty log. Such a block was not
// written when the machine stopped: the log ends before it, with an unmount, as
// it does for the kernel and xfs_logprint. What is cut off is told.
func TestRecipeS10(t *testing.T) {
	b := fixture(t, "v4-dirty.img")
	const tail = (32775 + 2123) * 512 // as xfs_logprint says
	if !bytes.HasPrefix(b[tail:], []byte{0xfe, 0xed, 0xba, 0xbe}) {
		t.Fatal("no record at the tail")
	}
	binary.BigEndian.PutUint32(b[tail+4:], 0)
	fsys, err := xfs.Open(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	if info := fsys.Info(); !info.Dirty || info.Replayed {
		t.Errorf("%+v", info)
	}
	if p := fsys.Problems(); len(p) != 1 || !errors.Is(p[0], block.ErrDirty) || !strings.Contains(p[0].Error(), "block 2123 of the log") {
		t.Errorf("%v, want one of ErrDirty at block 2123", p)
	}
	if _, err := fs.Stat(fsys, "files/small"); err != nil {
		t.Errorf("what is on disk does not read: %v", err)
	}
	// No ring has cycle 0 at its start and 1 at its end.
	copy(b[32775*512:], make([]byte, 8))
	b[(32775+4806-1)*512+3] = 1
	if fsys, err = xfs.Open(bytes.NewReader(b), nil); err != nil {
		t.Fatal(err)
	}
	p := fsys.Problems()
	if info := fsys.Info(); len(p) != 1 || !errors.Is(p[0], block.ErrDirty) || !errors.Is(p[0], block.ErrCorrupt) || !info.Dirty || info.Replayed {
		t.Errorf("%v, %+v", p, info)
	}
}
