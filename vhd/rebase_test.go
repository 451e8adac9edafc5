package vhd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhd"
)

// among gives the files that images name.
func among(files testimg.Files) block.Opener {
	var open block.Opener
	open = func(ref block.Ref) (block.Device, error) {
		b, ok := files[ref.Name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return vhd.Open(bytes.NewReader(b), &vhd.Options{Opener: open})
	}
	return open
}

// openSound checks an image, which may lack its last footer, as a loss of power
// leaves it.
func openSound(b []byte, files testimg.Files) (block.Device, error) {
	var faults []error
	res, err := vhd.Check(context.Background(), bytes.NewReader(b), nil, func(f block.Fault) { faults = append(faults, f.Err) })
	if err != nil {
		return nil, err
	}
	if res.Corruptions > 1 || res.Corruptions == 1 && !bytes.Contains([]byte(faults[0].Error()), []byte("its copy at the beginning is used")) {
		return nil, fmt.Errorf("%w", errors.Join(faults...))
	}
	return vhd.Open(bytes.NewReader(b), &vhd.Options{Opener: among(files)})
}

// A piece of a disk is filled with bytes of one value.
type piece struct {
	off, n int64
	v      byte
}

func made(t *testing.T, l vhd.Layout, pieces ...piece) []byte {
	t.Helper()
	f := testimg.NewPower(nil)
	w, err := vhd.NewWriter(f, &l)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		if p.v == 0 {
			err = w.Zero(p.off, p.n)
		} else {
			_, err = w.WriteAt(bytes.Repeat([]byte{p.v}, int(p.n)), p.off)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return f.B
}

func overlaid(t *testing.T, base vhd.Layout) testimg.Overlaid {
	const size, bs, k = 5<<19 + 3*4096, 512 << 10, 4096
	base.Size, base.BlockSize = size, bs
	o := testimg.Overlaid{Runs: 60, Open: openSound,
		Base:  made(t, base, piece{0, 10 * k, 1}, piece{bs, bs, 2}, piece{4 * bs, 3 * k, 3}, piece{size - 2*k, 2 * k, 7}),
		Other: made(t, vhd.Layout{Size: size, BlockSize: bs}, piece{0, 9 * k, 1}, piece{bs, bs, 2}, piece{2 * bs, 5 * k, 4}),
	}
	im, err := vhd.Open(bytes.NewReader(o.Base), nil)
	if err != nil {
		t.Fatal(err)
	}
	parent := &vhd.Parent{Name: "base", UUID: im.UUID(), Size: size}
	o.Top = made(t, vhd.Layout{Size: size, BlockSize: bs, Parent: parent}, piece{k, 2 * k, 5}, piece{bs - k, 2 * k, 0}, piece{2*bs + 2*k, k, 6}, piece{4 * bs, 2 * k, 8})
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

// TestOverlaidGuest: the end of the last block looks like the footer of an image inside
// of the guest, which is no reason to doubt one's own.
func TestOverlaidGuest(t *testing.T) {
	const bs, k = 512 << 10, 4096
	inner := made(t, vhd.Layout{Size: bs, BlockSize: bs})
	o := overlaid(t, vhd.Layout{})
	o.Base = made(t, vhd.Layout{Size: 2 * bs, BlockSize: bs}, piece{0, 10 * k, 1}, piece{bs, bs, 2})
	copy(o.Base[len(o.Base)-1024:], inner[len(inner)-512:])
	o.Other = made(t, vhd.Layout{Size: 2 * bs, BlockSize: bs}, piece{0, 9 * k, 1})
	im := open(t, o.Base, nil)
	o.Top = made(t, vhd.Layout{Size: 2 * bs, BlockSize: bs, Parent: &vhd.Parent{Name: "base", UUID: im.UUID(), Size: 2 * bs}}, piece{k, 2 * k, 5})
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
