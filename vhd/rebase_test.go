package vhd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhd"
)

// among gives the files that images name.
func among(files testimg.Files) block.Opener {
	return files.Opener(func(r block.Reader, opener block.Opener) (block.Device, error) {
		return vhd.Open(r, &vhd.Options{Opener: opener})
	})
}

// openSound checks an image, which may lack its last footer, as a loss of power
// leaves it.
func openSound(b []byte, files testimg.Files) (block.Device, error) {
	err := testimg.Faultless(func(report func(block.Fault)) (*block.CheckResult, error) {
		return vhd.Check(context.Background(), bytes.NewReader(b), nil, report)
	}, "its copy at the beginning is used")
	if err != nil {
		return nil, err
	}
	return vhd.Open(bytes.NewReader(b), &vhd.Options{Opener: among(files)})
}

var must = testimg.Must(openSound)

func made(t *testing.T, l vhd.Layout, pieces ...testimg.Piece) []byte {
	t.Helper()
	return testimg.Filled(t, func(f *testimg.Power) (*vhd.Writer, error) { return vhd.NewWriter(f, &l) }, pieces...)
}

func overlaid(t *testing.T, base vhd.Layout) testimg.Overlaid {
	const size, bs, k = 5<<19 + 3*4096, 512 << 10, 4096
	base.Size, base.BlockSize = size, bs
	o := testimg.Overlaid{Runs: 60, Open: openSound,
		Base:  made(t, base, testimg.At(0, 10*k, 1), testimg.At(bs, bs, 2), testimg.At(4*bs, 3*k, 3), testimg.At(size-2*k, 2*k, 7)),
		Other: made(t, vhd.Layout{Size: size, BlockSize: bs}, testimg.At(0, 9*k, 1), testimg.At(bs, bs, 2), testimg.At(2*bs, 5*k, 4)),
	}
	im, err := vhd.Open(bytes.NewReader(o.Base), nil)
	if err != nil {
		t.Fatal(err)
	}
	parent := &vhd.Parent{Name: "base", UUID: im.UUID(), Size: size}
	o.Top = made(t, vhd.Layout{Size: size, BlockSize: bs, Parent: parent}, testimg.At(k, 2*k, 5), testimg.At(bs-k, 2*k, 0), testimg.At(2*bs+2*k, k, 6), testimg.At(4*bs, 2*k, 8))
	soil(o.Top, bs)
	o.Rebase = func(f block.Storage, r *block.RebaseOptions) error { return vhd.Rebase(t.Context(), f, r, nil) }
	o.Commit = func(base, child block.Storage, disk block.Device) error {
		return vhd.CommitInto(t.Context(), base, child, disk, 1, nil)
	}
	o.Empty = func(f block.Storage) error { return vhd.Empty(t.Context(), f, nil) }
	return o
}

// TestOverlaid changes what images lie upon, and writes into that.
func TestOverlaid(t *testing.T) {
	for _, l := range []vhd.Layout{{}, {Subformat: "fixed"}} {
		t.Run(l.Subformat, func(t *testing.T) { testimg.TestOverlaid(t, overlaid(t, l)) })
	}
}

// TestCommitElsewhere: nothing goes into a disk that the child does not lie upon.
func TestCommitElsewhere(t *testing.T) {
	o := overlaid(t, vhd.Layout{})
	disk := must(t, o.Top, testimg.Files{"base": o.Base})
	for _, x := range []struct {
		name        string
		base, child []byte
		want        error
	}{
		{"another base", o.Other, o.Top, block.ErrRefused},
		{"no parent", o.Base, o.Other, block.ErrUnsupported},
		{"zeros", o.Base, make([]byte, 4096), block.ErrFormat},
	} {
		base, child := testimg.NewPower(x.base), testimg.NewPower(x.child)
		if err := o.Commit(base, child, disk); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", x.name, err, x.want)
		}
		if !bytes.Equal(base.B, x.base) || !bytes.Equal(child.B, x.child) {
			t.Errorf("%s: it is written to", x.name)
		}
	}
}

// TestOverlaidGuest: the end of the last block looks like the footer of an image inside
// of the guest, which is no reason to doubt one's own.
func TestOverlaidGuest(t *testing.T) {
	const bs, k = 512 << 10, 4096
	inner := made(t, vhd.Layout{Size: bs, BlockSize: bs})
	o := overlaid(t, vhd.Layout{})
	o.Base = made(t, vhd.Layout{Size: 2 * bs, BlockSize: bs}, testimg.At(0, 10*k, 1), testimg.At(bs, bs, 2))
	copy(o.Base[len(o.Base)-1024:], inner[len(inner)-512:])
	o.Other = made(t, vhd.Layout{Size: 2 * bs, BlockSize: bs}, testimg.At(0, 9*k, 1))
	im := open(t, o.Base, nil)
	o.Top = made(t, vhd.Layout{Size: 2 * bs, BlockSize: bs, Parent: &vhd.Parent{Name: "base", UUID: im.UUID(), Size: 2 * bs}}, testimg.At(k, 2*k, 5))
	testimg.TestOverlaid(t, o)
}

// soil writes into sectors of blocks that the bitmaps say are not there.
func soil(b []byte, bs int64) {
	table, n := binary.BigEndian.Uint64(b[512+0x10:]), binary.BigEndian.Uint32(b[512+0x1c:])
	for i := range uint64(n) {
		at := int64(binary.BigEndian.Uint32(b[table+4*i:])) * 512
		for s := int64(0); at < int64(len(b)) && s < bs/512; s++ {
			if b[at+s/8]&(0x80>>(s%8)) == 0 {
				copy(b[at+512+s*512:], bytes.Repeat([]byte{0xee}, 512))
			}
		}
	}
}
