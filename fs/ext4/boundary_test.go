package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestExtentLength holds ee_len to the kernel's documentation (ext4, "Extent
// Tree"): up to 32768 the extent is initialized and has so many blocks, above it
// is not and has 32768 fewer.
func TestExtentLength(t *testing.T) {
	for _, c := range []struct {
		len       uint16
		n         uint64
		unwritten bool
	}{{1, 1, false}, {32767, 32767, false}, {32768, 32768, false}, {32769, 1, true}, {65535, 32767, true}} {
		b := make([]byte, extentSize)
		binary.LittleEndian.PutUint16(b[4:], c.len)
		binary.LittleEndian.PutUint16(b[6:], 0x1234)
		binary.LittleEndian.PutUint32(b[8:], 0x89abcdef)
		r := extentNode(b).extent(0)
		if r.n != c.n || r.unwritten != c.unwritten || r.pblk != 0x123489abcdef {
			t.Errorf("ee_len %d: %d blocks from %#x, unwritten %v", c.len, r.n, r.pblk, r.unwritten)
		}
	}
}

// TestLargeDirectory: of a directory that has more blocks than can be remembered
// none is read.
func TestLargeDirectory(t *testing.T) {
	b := testimg.Unpack(t, "testdata/fast.img.gz")
	sb, err := readSuperblock(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	f := newFilesystem(block.Plain(bytes.NewReader(b)), sb, Options{CacheBytes: 1 << 20})
	root, err := f.inode(rootIno)
	if err != nil {
		t.Fatal(err)
	}
	n := &inode{fs: f, ino: rootIno, flags: root.flags | flagExtents, block: root.block}
	n.stat.Size = (maxDirBlocks + 1) * sb.blockSize
	n.ranges = []run{{n: maxDirBlocks + 1, pblk: 100}}
	visited := 0
	err = n.eachDirBlock(func([]byte, uint64, uint64) (bool, error) { visited++; return true, nil })
	if !errors.Is(err, block.ErrLimit) || visited != 0 {
		t.Errorf("%d blocks, %v", visited, err)
	}
}

// TestContinuedHash finds both names of one hash, of which the kernel put one into
// a leaf of its own.
func TestContinuedHash(t *testing.T) {
	fsys, err := Open(bytes.NewReader(testimg.Unpack(t, "testdata/continued.img.gz")), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d/name-00000007251", "d/name-00000074620"} {
		if _, err := fs.Stat(fsys, name); err != nil {
			t.Error(err)
		}
	}
	if _, err := fs.Stat(fsys, "d/name-00000007252-"); err == nil {
		t.Error("a name that there is not is found")
	}
	if ps := fsys.Problems(); len(ps) != 0 {
		t.Errorf("problems: %v", ps)
	}
}
