package iso9660

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

func explore(r block.Reader) error {
	err := testimg.Explore(r, openFS, true)
	_, bootErr := BootImages(r)
	return errors.Join(err, bootErr)
}

// seal repairs the checksum of the boot catalog, the only one that there is.
func seal(p *testimg.Patch, changed []int64) {
	d, err := lastDescriptors(bytes.NewReader(p.Image), []int64{0})
	if err != nil || d.boot == 0 || d.boot > int64(len(p.Image))-32 {
		return
	}
	entry := bytes.Clone(p.Image[d.boot : d.boot+32])
	copy(entry[28:], []byte{0, 0, 0x55, 0xAA})
	sum := uint16(0)
	for k := 0; k < 32; k += 2 {
		sum -= binary.LittleEndian.Uint16(entry[k:])
	}
	binary.LittleEndian.PutUint16(entry[28:], sum)
	p.Write(d.boot, entry)
}

func TestMutations(t *testing.T) {
	const n = 80 // of each of five
	for _, x := range fixtures {
		t.Run(x.name, func(t *testing.T) {
			image := testimg.Fixture(t, x.name)
			testimg.Mutate(t, testimg.Mutations{Image: image, Where: testimg.Metadata(t, image, openFS), Seed: 1, N: n, Run: explore, Open: openFS, Seal: seal})
		})
	}
}

func FuzzISO9660(f *testing.F) {
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

// TestHostile breaks single fields. What is wrong with one file is a problem,
// and an error where its content is read.
func TestHostile(t *testing.T) {
	clean, zipped, boot := testimg.Fixture(t, "xorriso"), testimg.Fixture(t, "zisofs"), testimg.Fixture(t, "plain")
	le := binary.LittleEndian
	put8 := func(off int64, v byte) func([]byte) { return func(b []byte) { b[off] = v } }
	put32 := func(off int64, v uint32) func([]byte) { return func(b []byte) { le.PutUint32(b[off:], v) } }
	const pvd = 32 << 10
	file, dir, loop := at(t, clean, "noise"), at(t, clean, "names"), at(t, clean, "names/d-plain")
	zfile := at(t, zipped, "zeros")
	// The field CE of a record whose fields do not fit.
	long := at(t, clean, "links/long")
	ce := long.off + int64(bytes.Index(clean[long.off:], []byte("CE\x1c\x01")))
	d, err := readDescriptors(bytes.NewReader(boot), 0)
	if err != nil || d.boot == 0 || ce < long.off || ce > long.off+255 {
		t.Fatal(err, ce-long.off)
	}
	for _, c := range []struct {
		name  string
		image []byte
		poke  func(b []byte)
		class error
		text  string
	}{
		{"no descriptor", clean, put8(pvd+1, 0), block.ErrFormat, ""},
		{"block size", clean, put8(pvd+0x80, 1), block.ErrCorrupt, "blocks of"},
		{"root outside", clean, put32(pvd+0x9C+2, 0x7FFFFFFF), block.ErrTruncated, ""},
		{"file outside", clean, put32(file.off+2, 0x7FFFFFFF), block.ErrTruncated, "leave the volume"},
		{"giant file", clean, put32(file.off+10, 0xFFFFFFFF), block.ErrTruncated, "leave the volume"},
		{"giant directory", clean, put32(dir.off+10, 0xFFFFFFFF), block.ErrCorrupt, "directory record"},
		{"interleaved", clean, put8(file.off+0x1B, 2), block.ErrUnsupported, "interleaved"},
		{"short record", clean, put8(file.off, 20), block.ErrCorrupt, "it has 20 bytes"},
		{"long name", clean, put8(file.off+0x20, 255), block.ErrCorrupt, "it has"},
		{"loop", clean, put32(loop.off+2, uint32(dir.start()/sector)), block.ErrLoop, "contains itself"},
		{"two names", clean, put32(loop.off+2, uint32(at(t, clean, "deep").start()/sector)), block.ErrCorrupt, "two names"},
		{"no more extents", clean, func(b []byte) { b[file.off+0x19] |= flagMore }, nil, ""},
		{"CE outside", clean, put32(ce+4, 0x7FFFFFFF), block.ErrTruncated, "continuation"},
		{"CE giant", clean, put32(ce+20, 0x7FFFFFFF), block.ErrLimit, "continuation area"},
		{"CE loop", clean, func(b []byte) { // the area has a CE that points to itself
			at := int64(le.Uint32(b[ce+4:]))*sector + int64(le.Uint32(b[ce+12:]))
			copy(b[at:], b[ce:ce+28])
		}, block.ErrLoop, "continuation area"},
		{"zisofs magic", zipped, put8(zfile.start(), 0), block.ErrCorrupt, "zisofs header"},
		{"zisofs block size", zipped, put8(zfile.start()+13, 60), block.ErrCorrupt, "zisofs header"},
		{"zisofs table", zipped, put8(zfile.start()+12, 255), block.ErrCorrupt, "do not fit"},
		{"boot catalog", boot, put8(d.boot, 9), block.ErrCorrupt, "validation entry"},
		{"boot catalog outside", boot, put32(17*sector+0x47, 0x7FFFFFFF), block.ErrTruncated, "boot catalog"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(c.image)
			c.poke(b)
			err := explore(bytes.NewReader(b))
			if fsys, e := Open(bytes.NewReader(b), nil); e == nil && err == nil {
				testimg.Explore(bytes.NewReader(b), openFS, false)
				fsys.ReadDir("links")
				err = errors.Join(fsys.Problems()...)
			}
			if c.class == nil {
				return
			}
			var e *block.Error
			if !errors.Is(err, c.class) || !errors.As(err, &e) || e.Format != "iso9660" || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v", err)
			}
		})
	}
	if err := explore(bytes.NewReader(clean[:len(clean)/2])); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("half an image: %v", err)
	}
}
