package erofs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

func explore(r block.Reader) error { return testimg.Explore(r, openFS, true) }

// seal repairs the checksum of the superblock.
func seal(p *testimg.Patch, changed []int64) {
	b := bytes.Clone(p.Image[superblockOff:4096])
	clear(b[4:8])
	p.Write(superblockOff+4, binary.LittleEndian.AppendUint32(nil, ^crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))))
}

func TestMutations(t *testing.T) {
	const n = 50 // of each of eight
	for _, x := range fixtures {
		t.Run(x.name, func(t *testing.T) {
			image, n, extracted := testimg.Fixture(t, x.name), n, testimg.Opener(openFS)
			if x.name == "lzma" { // its data takes twenty times as long, and its metadata is that of deflate
				n, extracted = n/5, nil
			}
			where := append(testimg.Metadata(t, image, openFS), testimg.Range{Off: superblockOff, N: 144})
			testimg.Mutate(t, testimg.Mutations{Image: image, Where: where, Seed: 1, N: n, Run: explore, Open: extracted, Seal: seal})
		})
	}
}

func FuzzErofs(f *testing.F) {
	var bases []testimg.Base
	for _, x := range fixtures {
		bases = append(bases, testimg.Base{Image: testimg.Fixture(f, x.name), Seal: seal})
	}
	testimg.Fuzz(f, bases, openFS)
}

// at finds the inode of a path.
func at(t *testing.T, image []byte, path string) *inode {
	t.Helper()
	f, err := open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	return testimg.Inode[*inode](t, f, path)
}

// direntOf finds where the first entry for a name lies in the image: by its
// inode number, in the block of its directory.
func direntOf(t *testing.T, image []byte, dir, name string) int64 {
	t.Helper()
	n := at(t, image, dir)
	x, err := n.flat(0)
	if err != nil {
		t.Fatal(err)
	}
	nid := binary.LittleEndian.AppendUint64(nil, at(t, image, dir+"/"+name).nid)
	i := bytes.Index(image[x.pos:x.pos+x.n], nid)
	if i < 0 {
		t.Fatal("no entry")
	}
	return x.pos + int64(i)
}

// TestHostile breaks single fields.
func TestHostile(t *testing.T) {
	inlined, packedIndex, full, chunks := testimg.Fixture(t, "inline"), testimg.Fixture(t, "lz4hc-big"), testimg.Fixture(t, "lz4"), testimg.Fixture(t, "plain")
	le := binary.LittleEndian
	put8 := func(off int64, v byte) func([]byte) { return func(b []byte) { b[off] = v } }
	put16 := func(off int64, v uint16) func([]byte) { return func(b []byte) { le.PutUint16(b[off:], v) } }
	put32 := func(off int64, v uint32) func([]byte) { return func(b []byte) { le.PutUint32(b[off:], v) } }
	put64 := func(off int64, v uint64) func([]byte) { return func(b []byte) { le.PutUint64(b[off:], v) } }
	file, link := at(t, inlined, "size-5000"), at(t, inlined, "links/to-100")
	attrs := at(t, inlined, "attrs/many")
	zfile, ffile, cfile := at(t, packedIndex, "size-12289"), at(t, full, "size-12289"), at(t, chunks, "size-12289")
	fIndex := (ffile.end()+7)&^7 + 16
	deep0 := direntOf(t, inlined, "deep", "0")
	below := direntOf(t, inlined, "deep/0", "1")
	for _, c := range []struct {
		name  string
		image []byte
		poke  func(b []byte)
		class error
		text  string
	}{
		{"not EROFS", inlined, put32(1024, 0), block.ErrFormat, ""},
		{"unknown feature", inlined, put32(1024+0x50, 1<<20), block.ErrUnsupported, "feature 0x100000"},
		{"unknown compressor", full, func(b []byte) { b[1024+0x50] |= 2; le.PutUint16(b[1024+0x54:], 1<<9) }, block.ErrUnsupported, "compressor 9"},
		{"blocks", inlined, put8(1024+0x0C, 31), block.ErrCorrupt, "2^31"},
		{"directory blocks", inlined, put8(1024+0x5A, 1), block.ErrUnsupported, "directory blocks"},
		{"root", inlined, put16(1024+0x0E, 0xFFFF), block.ErrCorrupt, ""},
		{"metadata", inlined, put32(1024+0x28, 0xFFFFFFFF), block.ErrTruncated, "inode"},
		{"format", inlined, put16(file.off, 0x8000), block.ErrUnsupported, "format 0x8000"},
		{"layout", inlined, put16(file.off, 5<<1|uint16(inlined[file.off])&1), block.ErrUnsupported, "format 0x"},
		{"mode", inlined, put16(file.off+4, 0), block.ErrCorrupt, "mode 0"},
		{"other type", inlined, put16(file.off+4, 0xA1FF), block.ErrCorrupt, "another type"},
		{"exabytes", inlined, put32(file.off+8, 0xFFFFFFFF), block.ErrCorrupt, "crosses into another block"},
		{"start", inlined, put32(file.off+0x10, 0xFFFFFF00), block.ErrTruncated, "block"},
		{"link", inlined, put32(link.off+8, 1<<30), block.ErrCorrupt, "a target of"},
		{"attributes", inlined, put16(attrs.off+2, 0xFFFF), block.ErrTruncated, "attributes"},
		{"shared attributes", inlined, put8(attrs.off+attrs.len+4, 0xFF), block.ErrCorrupt, "shared"},
		{"loop", inlined, put64(below, at(t, inlined, "deep").nid), block.ErrLoop, "contains itself"},
		{"two names", inlined, put64(below, at(t, inlined, "empty").nid), block.ErrCorrupt, "two names"},
		{"inode number", inlined, put64(below, 1<<40), block.ErrCorrupt, "past the end"},
		{"metabox", inlined, put64(below, 1<<63), block.ErrCorrupt, "no metabox"},
		{"names", inlined, put16(deep0+8, 0xFFFF), block.ErrCorrupt, "a name from byte"},
		{"chunk format", chunks, put32(cfile.off+0x10, 0x8000), block.ErrUnsupported, "chunks of the format"},
		{"chunk", chunks, put32((cfile.end()+7)&^7, 0xFFFFFF00), block.ErrTruncated, ""},
		{"packed: big clusters of one kind", packedIndex, put16((zfile.end()+7)&^7+4, 0x2), block.ErrCorrupt, "one of two"},
		{"packed: compressor", packedIndex, put8((zfile.end()+7)&^7+6, 0x33), block.ErrUnsupported, "compressor 3"},
		{"full: NONHEAD first", full, put16(fIndex, 2), block.ErrCorrupt, "the head of logical cluster"},
		{"full: piece behind its cluster", full, put16(fIndex+2, 0xFFFF), block.ErrCorrupt, "starts at byte"},
		{"full: physical cluster", full, put32(fIndex+4, 0xFFFFFFF0), block.ErrTruncated, "physical cluster"},
		{"full: wrong block", full, put32(fIndex+4, 0), block.ErrCorrupt, "lz4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(c.image)
			c.poke(b)
			err := explore(bytes.NewReader(b))
			var e *block.Error
			if !errors.Is(err, c.class) || !errors.As(err, &e) || e.Format != "erofs" || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v", err)
			}
		})
	}
	b := bytes.Clone(inlined)
	b[1024+0x40] ^= 1 // the label
	if p := testimg.MustOpen(t, b, openFS).Problems(); len(p) != 1 || !strings.Contains(p[0].Error(), "checksum") {
		t.Errorf("a wrong checksum: %v", p)
	}
	if err := explore(bytes.NewReader(inlined[:len(inlined)/2])); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("half an image: %v", err)
	}
}
