package vhd_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhd"
)

// TestSmallBlocks: blocks without a bitmap are read, and not changed in place.
func TestSmallBlocks(t *testing.T) {
	b := made(t, vhd.Layout{Size: 8 * 512, BlockSize: 512 << 10})
	be.PutUint32(b[512+0x1c:], 8)
	be.PutUint32(b[512+0x20:], 512)
	seal(b)
	disk := block.Plain(bytes.NewReader(bytes.Repeat([]byte{1}, 8*512)))
	p := testimg.NewPower(b)
	if err := vhd.CommitInto(t.Context(), p, nil, disk, 1, nil); !errors.Is(err, block.ErrUnsupported) || !bytes.Equal(p.B, b) {
		t.Errorf("%v, want ErrUnsupported", err)
	}
}

// TestLayoutNames: a name of the parent that would not be read back is refused.
func TestLayoutNames(t *testing.T) {
	for _, name := range append(testimg.Unstorable(), "") {
		l := vhd.Layout{Size: 1 << 20, Parent: &vhd.Parent{Name: name, UUID: "00000000-0000-0000-0000-000000000001", Size: 1 << 20}}
		if _, err := vhd.NewWriter(testimg.NewPower(nil), &l); !errors.Is(err, block.ErrOption) {
			t.Errorf("%q: %v, want ErrOption", name, err)
		}
	}
}

// TestOtherSize: a block that only the other rule of size shows is not lost.
func TestOtherSize(t *testing.T) {
	const bs = 512 << 10
	b := full(t, vhd.Layout{Size: 5 * bs, BlockSize: bs})
	for _, at := range []int{0, len(b) - 512} { // a geometry of 4 blocks
		f := b[at:]
		be.PutUint16(f[0x38:], 4*bs/512/16)
		f[0x3a], f[0x3b] = 4, 4
	}
	seal(b)
	read := func(b []byte) []byte {
		im := open(t, b, &vhd.Options{Size: vhd.SizeCurrent})
		disk := make([]byte, im.Size())
		if err := block.ReadFull(im, disk, 0); err != nil {
			t.Fatal(err)
		}
		return disk
	}
	want := read(b)
	res, err := vhd.Check(t.Context(), bytes.NewReader(b), &vhd.Options{Size: vhd.SizeGeometry}, nil)
	if err != nil || res.Leaks != 0 || res.Allocated != 5 {
		t.Errorf("%+v, %v", res, err)
	}
	p := testimg.NewPower(b)
	if _, err := vhd.Sparsify(t.Context(), p, nil, &vhd.Options{Size: vhd.SizeGeometry}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(p.B), want) {
		t.Error("the disk is another one")
	}
}

// cutShort ends the file where the disk of a last block does, with a footer behind it.
func cutShort(b []byte, size, bs int64) []byte {
	end := int64(len(b)) - 512
	return append(b[:end-(bs-size%bs):end], b[end:]...)
}

// TestLastBlockCutShort: what is new does not go over the rest of a last block that
// the file has not.
func TestLastBlockCutShort(t *testing.T) {
	const bs, size = 512 << 10, 2*512<<10 + 8192
	base := made(t, vhd.Layout{Size: size, BlockSize: bs}, testimg.At(2*bs, 8192, 3))
	base = cutShort(base, size, bs)
	disk := bytes.Repeat([]byte{7}, size)
	p := testimg.NewPower(base)
	im := open(t, base, nil)
	top := made(t, vhd.Layout{Size: size, BlockSize: bs, Parent: &vhd.Parent{Name: "base", UUID: im.UUID(), Size: size}}, testimg.At(2*bs, 8192, 4))
	if err := vhd.CommitInto(t.Context(), p, testimg.NewPower(top), block.Plain(bytes.NewReader(disk)), 1, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := sound(p.B); err != nil || !bytes.Equal(got, disk) {
		t.Errorf("commit: another disk, %v", err)
	}
	files := testimg.Files{"base": base, "a/b": base}
	f := testimg.NewPower(cutShort(top, size, bs))
	b := must(t, f.B, files)
	for _, name := range []string{"a/b", "base", "a/b"} {
		if err := vhd.Rebase(t.Context(), f, &block.RebaseOptions{Backing: name, New: open(t, base, nil), Unsafe: true}, nil); err != nil {
			t.Fatal(err)
		}
		d := must(t, f.B, testimg.Files{name: base, `a\b`: base})
		if d.Size() != b.Size() {
			t.Errorf("%d bytes, want %d", d.Size(), b.Size())
		}
	}
}

// TestFooterOfGuest: where the last footer is gone, one of an image inside of the
// guest does not take its place.
func TestFooterOfGuest(t *testing.T) {
	const bs = 512 << 10
	b := full(t, vhd.Layout{Size: 2 * bs, BlockSize: bs})
	inner := made(t, vhd.Layout{Size: bs, BlockSize: bs})
	end := len(b) - 512
	want := copy(b[end-512:], inner[len(inner)-512:])
	for _, behind := range []int{0, 512} { // as a header that goes into a gap leaves it
		clear(b[end:])
		left := b[:end+behind]
		im, err := vhd.Open(bytes.NewReader(left), nil)
		if behind == 0 { // as if it were the last footer: who is right cannot be told
			if !errors.Is(err, block.ErrCorrupt) {
				t.Errorf("%v, want ErrCorrupt", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, want)
		if err := block.ReadFull(im, got, im.Size()-int64(want)); err != nil || !bytes.Equal(got, inner[len(inner)-512:]) {
			t.Errorf("the guest's footer is not read, %v", err)
		}
		p := testimg.NewPower(left)
		if _, err := vhd.Sparsify(t.Context(), p, nil, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := sound(p.B); err != nil {
			t.Errorf("put right: %v", err)
		}
	}
}

// TestLocatorOfOthers: a locator that nobody reads is no reason to fail.
func TestLocatorOfOthers(t *testing.T) {
	o := overlaid(t, vhd.Layout{})
	h := o.Top[512:]
	for _, x := range []struct {
		length uint32
		off    uint64
	}{{70 << 10, 1 << 40}, {70 << 10, 0}, {16, 1<<64 - 8}, {16, uint64(len(o.Top)) - 8}, {1<<32 - 1, 512}} {
		l := h[0x240+24:]
		copy(l, "MacX")
		be.PutUint32(l[0x08:], x.length)
		be.PutUint64(l[0x10:], x.off)
		seal(o.Top)
		files := testimg.Files{"base": o.Base}
		if _, err := openSound(o.Top, files); err != nil {
			continue // not even as it is
		}
		p := testimg.NewPower(o.Top)
		if err := o.Empty(p); err != nil {
			t.Errorf("%d bytes at %#x: %v", x.length, x.off, err)
		}
		if _, err := openSound(p.B, files); err != nil {
			t.Errorf("%d bytes at %#x: %v", x.length, x.off, err)
		}
	}
}

// TestParentNames: a name that a locator cannot have is refused, and nothing is written.
func TestParentNames(t *testing.T) {
	o := overlaid(t, vhd.Layout{})
	files := testimg.Files{"base": o.Base, "other": o.Other}
	base, other := must(t, o.Base, files), must(t, o.Other, files)
	for _, name := range testimg.Unstorable() {
		p := testimg.NewPower(o.Top)
		if err := o.Rebase(p, &block.RebaseOptions{Backing: name, Old: base, New: other}); !errors.Is(err, block.ErrRefused) || !bytes.Equal(p.B, o.Top) {
			t.Errorf("%q: %v, want ErrRefused", name, err)
		}
	}
}

// TestRestOfTable: entries that the disk does not need, and that a program has left
// zero, are no fault.
func TestRestOfTable(t *testing.T) {
	const bs = 512 << 10
	b := full(t, vhd.Layout{Size: 3 * bs, BlockSize: bs})
	want, err := sound(b)
	if err != nil {
		t.Fatal(err)
	}
	be.PutUint32(b[512+0x1c:], 8)
	clear(b[0x600+4*3 : 0x600+4*8])
	for _, at := range []int{0, len(b) - 512} { // a geometry of more
		copy(b[at+0x38:], []byte{0, 100, 16, 63})
	}
	seal(b)
	p := testimg.NewPower(b)
	if _, err := vhd.Sparsify(t.Context(), p, []block.Range{{Len: bs}}, nil); err != nil {
		t.Fatal(err)
	}
	clear(want[:bs])
	if got, err := sound(p.B); err != nil || !bytes.Equal(got, want) {
		t.Errorf("another disk, %v", err)
	}
}
