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
