package ext4_test

import (
	"bytes"
	"hash/crc32"
	"io/fs"
	"testing"

	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestFastFixture reads what the kernel left in fast commits alone.
func TestFastFixture(t *testing.T) {
	fsys, err := ext4.Open(bytes.NewReader(testimg.Fixture(t, "fast")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := fsys.Problems(); len(p) > 0 {
		t.Errorf("problems: %v", p)
	}
	for name, size := range map[string]int64{"last": 4, "old/grown": 1<<20 + 45000, "old/cut": 5000, "new-4": 2101, "moved here": 5000, "old/another name": 6000} {
		if fi, err := fsys.Stat(name); err != nil || fi.Size() != size {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
	for _, name := range []string{"old/gone", "old/moved", "new-3", "new-5"} {
		if _, err := fsys.Stat(name); err == nil {
			t.Errorf("%s is there", name)
		}
	}
	if b, err := fs.ReadFile(fsys, "old/grown"); err != nil || !bytes.HasSuffix(b, []byte("growngrown")) || string(b[5000:5010]) != string(make([]byte, 10)) {
		t.Errorf("old/grown: %v", err)
	}
	if es, err := fsys.ReadDir("made/below"); err != nil || len(es) != 30 {
		t.Errorf("made/below: %d entries, %v", len(es), err)
	}
}

// fastRecords finds the records of the fast commits in an image: what may be
// changed of them, and the tails with the checksums.
func fastRecords(t testing.TB, image []byte) (where, tails []testimg.Range) {
	t.Helper()
	pos := bytes.Index(image, []byte{9, 0, 8, 0, 0, 0, 0, 0})
	if pos < 0 {
		t.Fatal("no head")
	}
	for {
		tag, n := le.Uint16(image[pos:]), int(le.Uint16(image[pos+2:]))
		if tag == 0 || tag > 9 {
			return where, tails
		}
		if tag == 8 {
			tails = append(tails, testimg.Range{Off: int64(pos), N: int64(4 + n)})
		} else {
			where = append(where, testimg.Range{Off: int64(pos), N: int64(min(n, 200) + 4)})
		}
		pos += 4 + n
	}
}

// FuzzFastCommit replays damaged fast commits whose checksums are right.
func FuzzFastCommit(f *testing.F) {
	image := testimg.Fixture(f, "fast")
	where, tails := fastRecords(f, image)
	first := where[0].Off
	f.Add([]byte{16, 0, 0, 0, 1, 0xFF, 0xFF})
	f.Add([]byte{60, 0, 0, 0, 3, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &testimg.Patch{Image: image}
		defer p.Undo()
		p.Apply(where, data)
		start := first
		for _, tail := range tails {
			sum := ^crc32.Update(^uint32(0), crc32.MakeTable(crc32.Castagnoli), image[start:tail.Off+8])
			p.Write(tail.Off+8, le32(sum))
			start = tail.Off + tail.N
		}
		explore(bytes.NewReader(image))
	})
}
