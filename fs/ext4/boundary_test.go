package ext4

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"testing"

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
