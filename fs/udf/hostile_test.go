package udf

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

func explore(r block.Reader) error { return testimg.Explore(r, openFS, true) }

// sealTag repairs the CRC and the checksum of the descriptor at off.
func sealTag(image []byte, off int64) (at int64, b []byte) {
	d := image[off:]
	n := min(int(le.Uint16(d[10:])), len(d)-tagLen)
	t := bytes.Clone(d[:tagLen])
	le.PutUint16(t[8:], crcITU(d[tagLen:tagLen+n]))
	t[4] = 0
	for i, c := range t {
		if i != 4 {
			t[4] += c
		}
	}
	return off, t
}

// isTag reports whether a descriptor is sound at off.
func isTag(image []byte, off int64) bool {
	if off < 0 || off+tagLen > int64(len(image)) || le.Uint16(image[off:]) == 0 || le.Uint16(image[off:]) > tagExtendedFile {
		return false
	}
	end := min(off+tagLen+int64(le.Uint16(image[off+10:])), int64(len(image)))
	_, err := checkTag(image[off:end], off)
	return err == nil
}

// sealer repairs the tags of what was changed: it knows where descriptors start
// in the undamaged image.
func sealer(image []byte) func(p *testimg.Patch, changed []int64) {
	return func(p *testimg.Patch, changed []int64) {
		for _, at := range changed {
			for off := at &^ 3; off >= max(at-2048, 0); off -= 4 {
				if isTag(image, off) {
					p.Write(sealTag(p.Image, off))
					break
				}
			}
		}
	}
}

func TestMutations(t *testing.T) {
	const n = 60 // of each
	for _, x := range fixtures {
		t.Run(x.name, func(t *testing.T) {
			image := testimg.Fixture(t, x.name)
			testimg.Mutate(t, testimg.Mutations{Image: image, Where: testimg.Metadata(t, image, openFS), Seed: 1, N: n, Run: explore, Open: openFS, Seal: sealer(bytes.Clone(image))})
		})
	}
}

func FuzzUDF(f *testing.F) {
	var bases []testimg.Base
	for _, x := range fixtures {
		b := testimg.Fixture(f, x.name)
		bases = append(bases, testimg.Base{Image: b, Seal: sealer(bytes.Clone(b))})
	}
	testimg.Fuzz(f, bases, openFS)
}

// at finds the entry of a path.
func at(t *testing.T, image []byte, path string) *entry {
	t.Helper()
	f, err := open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	return testimg.Inode[*inode](t, f, path).e
}

// TestHostile breaks single fields, and repairs the checksums over them.
func TestHostile(t *testing.T) {
	clean, sparable, virtual := testimg.Fixture(t, "hd"), testimg.Fixture(t, "sparable"), testimg.Fixture(t, "virtual")
	f, err := open(bytes.NewReader(clean), nil)
	if err != nil {
		t.Fatal(err)
	}
	sf, err := open(bytes.NewReader(sparable), nil)
	if err != nil {
		t.Fatal(err)
	}
	lvd := f.s.off
	noise, sub, root, link := at(t, clean, "noise"), at(t, clean, "sub"), at(t, clean, "."), at(t, clean, "link")
	put := func(off int64, v ...byte) func([]byte) { return func(b []byte) { copy(b[off:], v) } }
	ad := func(e *entry) int64 { return e.off + int64(bytes.Index(clean[e.off:e.off+2048], e.descs)) }
	for _, c := range []struct {
		name  string
		image []byte
		tag   int64
		poke  func(b []byte)
		class error
		text  string
	}{
		{"block size", clean, lvd, put(lvd+0xD4, 1), block.ErrCorrupt, "blocks of"},
		{"maps", clean, lvd, put(lvd+0x108, 255, 255, 255), block.ErrCorrupt, "partition maps"},
		{"map type", clean, lvd, put(lvd+0x1B8, 9), block.ErrUnsupported, "partition map of type 9"},
		{"map number", clean, lvd, put(lvd+0x1B8+4, 9), block.ErrCorrupt, "there is no partition 9"},
		{"file set", clean, lvd, put(lvd+0xF8+4, 255, 255, 255), block.ErrCorrupt, "block 16777215"},
		{"packet", sparable, sf.s.off, put(sf.s.off+0x1B8+40, 3, 0), block.ErrCorrupt, "packets of 3 blocks"},
		{"no VAT", virtual, -1, func(b []byte) { clear(b[len(bytes.TrimRight(b, "\x00"))-4096:]) }, block.ErrCorrupt, "virtual allocation table"},
		{"checksum of an entry", clean, -1, put(noise.off+4, 1), block.ErrCorrupt, "checksum"},
		{"CRC of an entry", clean, -1, put(noise.off+100, 1, 2, 3), block.ErrCorrupt, "CRC"},
		{"strategy", clean, noise.off, put(noise.off+20, 7), block.ErrUnsupported, "strategy 7"},
		{"type of descriptors", clean, noise.off, put(noise.off+34, 5), block.ErrUnsupported, "descriptors of type 5"},
		{"embedded", clean, noise.off, put(noise.off+34, 3), block.ErrCorrupt, "bytes of content"},
		{"attributes", clean, noise.off, put(noise.off+208, 255, 255), block.ErrCorrupt, "bytes of attributes"},
		{"size", clean, noise.off, put(noise.off+63, 255), block.ErrCorrupt, "size"},
		{"extent outside", clean, noise.off, put(ad(noise)+4, 255, 255, 255), block.ErrCorrupt, "block 16777215"},
		{"extents in a circle", clean, noise.off, func(b []byte) { // a block of allocation descriptors that leads to itself
			le.PutUint32(b[ad(noise):], 3<<30|2048)
			to := noise.off + 2048*20
			own := uint32(int64(noise.at.block) + 20)
			le.PutUint32(b[ad(noise)+4:], own)
			clear(b[to : to+2048])
			le.PutUint16(b[to:], tagAllocExtent)
			le.PutUint32(b[to+20:], 16)
			le.PutUint32(b[to+24:], 3<<30|2048)
			le.PutUint32(b[to+28:], own)
			_, tag := sealTag(b, to)
			copy(b[to:], tag)
		}, block.ErrLoop, "extents of allocation descriptors"},
		{"file type", clean, noise.off, put(noise.off+27, 77), block.ErrCorrupt, "a file of type 77"},
		{"a directory that is a file", clean, sub.off, put(sub.off+27, typeRegular), block.ErrCorrupt, "a directory here"},
		{"directory size", clean, sub.off, func(b []byte) {
			b[sub.off+34] &^= 7
			le.PutUint64(b[sub.off+56:], 1<<40)
		}, block.ErrLimit, "a directory of"},
		{"link", clean, link.off, put(ad(link)+1, 255), block.ErrCorrupt, "a component of 255 bytes"},
		{"root", clean, root.off, put(root.off+27, typeRegular), block.ErrCorrupt, "the root is no directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(c.image)
			c.poke(b)
			if c.tag >= 0 {
				_, tag := sealTag(b, c.tag)
				copy(b[c.tag:], tag)
			}
			err := explore(bytes.NewReader(b))
			if fsys, e := Open(bytes.NewReader(b), nil); e == nil {
				err = errors.Join(err, errors.Join(fsys.Problems()...))
			}
			var e *block.Error
			if !errors.Is(err, c.class) || !errors.As(err, &e) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v", err)
			}
		})
	}
	if err := explore(bytes.NewReader(clean[:len(clean)/8])); err == nil {
		t.Error("an eighth of an image was read")
	}
}

// TestUnreadableNeighbours: an entry is read where a block beside it cannot be.
func TestUnreadableNeighbours(t *testing.T) {
	image := testimg.Fixture(t, "hd")
	clean, err := open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	e := testimg.Inode[*inode](t, clean, "noise").e
	broken := errors.New("broken")
	near, last := 0, e.off&^(nearBytes-1)
	for off := last; off < last+nearBytes && off < int64(len(image)); off += clean.bs {
		f, err := open(testimg.Unreadable{Reader: bytes.NewReader(image), At: off, Err: broken}, nil)
		if err != nil {
			continue // what leads to it
		}
		if _, err := f.readEntry(e.at); (err != nil) != (off == e.off) || err != nil && !errors.Is(err, broken) {
			t.Errorf("the block at %#x cannot be read, the entry at %#x: %v", off, e.off, err)
		}
		near++
	}
	if near < 5 {
		t.Errorf("%d blocks", near)
	}
}
