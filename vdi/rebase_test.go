package vdi_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vdi"
)

// openAmong checks an image, and opens it upon that of the files which has the UUID
// that it names.
func openAmong(b []byte, files testimg.Files) (block.Device, error) {
	err := testimg.Faultless(func(report func(block.Fault)) (*block.CheckResult, error) {
		return vdi.Check(context.Background(), bytes.NewReader(b), nil, report)
	}, "")
	if err != nil {
		return nil, err
	}
	im, err := vdi.Open(bytes.NewReader(b), &vdi.Options{Opener: func(ref block.Ref) (block.Device, error) {
		for _, f := range files {
			if info, _, err := vdi.Describe(bytes.NewReader(f), nil); err == nil && info.UUID == ref.Name {
				return openAmong(f, files)
			}
		}
		return nil, fs.ErrNotExist
	}})
	if err != nil {
		return nil, err
	}
	return im, errors.Join(im.Problems()...)
}

// ids are the UUIDs of an image, of its content, and those of its parent.
func ids(create, modify, link, parent byte) func(b []byte) {
	return func(b []byte) {
		for i, id := range []byte{create, modify, link, parent} {
			copy(b[0x188+16*i:], bytes.Repeat([]byte{id}, 16))
		}
		if link != 0 {
			put32(0x4c, 4)(b)
		}
	}
}

// overlaid has disks whose last block is cut short.
func overlaid(t *testing.T) testimg.Overlaid {
	const bs, size = 64 << 10, 9*64<<10 - 512
	o := testimg.Overlaid{Runs: 60, Open: openAmong}
	o.Base, _ = build("dd.d.dz.d", size, ids(1, 2, 0, 0))
	o.Other, _ = build("d..d.d.d.", size, ids(3, 4, 0, 0))
	o.Top, _ = build(".d.dz...d", size, ids(5, 6, 1, 2))
	copy(o.Top[len(o.Top)-bs:], bytes.Repeat([]byte{9}, bs-512))
	clear(o.Top[len(o.Top)-2*bs : len(o.Top)-bs]) // zeros that are stored
	o.Rebase = func(f block.Storage, r *block.RebaseOptions) error { return vdi.Rebase(t.Context(), f, r, nil) }
	o.Commit = func(base, child block.Storage, disk block.Device) error {
		return vdi.CommitInto(t.Context(), base, child, disk, 1, nil)
	}
	o.Empty = func(f block.Storage) error { return vdi.Empty(t.Context(), f, nil) }
	return o
}

// TestOverlaid changes what images lie upon, and writes into that: into a dynamic
// image, one without a single block, a static one, and one that is a difference itself.
func TestOverlaid(t *testing.T) {
	const size = 9*64<<10 - 512
	testimg.TestOverlaid(t, overlaid(t))
	for plan, change := range map[string]func(b []byte){
		".........": ids(1, 2, 0, 0),
		"ddddddddd": func(b []byte) { ids(1, 2, 0, 0)(b); put32(0x4c, 2)(b) },
	} {
		o := overlaid(t)
		o.Base, _ = build(plan, size, change)
		testimg.TestOverlaid(t, o)
	}
}

// TestCommitBetween writes into an image that lies upon another one itself: zeros hide
// what that has.
func TestCommitBetween(t *testing.T) {
	const bs = 64 << 10
	low, _ := build("dddd", 4*bs, ids(7, 8, 0, 0))
	mid, _ := build(".dz.", 4*bs, ids(1, 2, 7, 8))
	top, _ := build("d.dd", 4*bs, ids(5, 6, 1, 2))
	clear(top[1024:][:bs])
	files := testimg.Files{"low": low, "mid": mid}
	read := func(b []byte, files testimg.Files) []byte {
		t.Helper()
		d, err := openAmong(b, files)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, d.Size())
		if err := block.ReadFull(d, out, 0); err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := read(top, files)
	commit := func(all testimg.Powers) error {
		d, err := openAmong(bytes.Clone(all[1].B), testimg.Files{"low": low, "mid": bytes.Clone(all[0].B)})
		if err != nil {
			return err
		}
		return vdi.CommitInto(t.Context(), all[0], all[1], d, 1, nil)
	}
	all := testimg.Together(mid, top)
	if err := commit(all); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(all[0].B, testimg.Files{"low": low}), want) {
		t.Error("the parent has another disk")
	}
	if e := binary.LittleEndian.Uint32(all[0].B[512:]); e != 0xfffffffe {
		t.Errorf("zeros that hide a block of the parent are told as %#x", e)
	}
	all.Crashes(t, 60, func(when string, f [][]byte) {
		if !bytes.Equal(read(f[1], testimg.Files{"low": low, "mid": f[0]}), want) {
			t.Fatalf("%s: another disk", when)
		}
	})
}

// TestIdentities: a parent that is written to gets another UUID of its content, which
// the image that it was written from is told, and another one is not. What only moves
// the content keeps it.
func TestIdentities(t *testing.T) {
	o := overlaid(t)
	id := func(b []byte, at int) string { return string(b[at : at+16]) }
	all := testimg.Together(o.Base, o.Top)
	d, err := openAmong(o.Top, testimg.Files{"base": o.Base})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(all[0], all[1], d); err != nil {
		t.Fatal(err)
	}
	base, top := all[0].B, all[1].B
	if id(base, 0x188) != id(o.Base, 0x188) || id(base, 0x198) == id(o.Base, 0x198) {
		t.Error("the parent has another UUID, or the old one of its content")
	}
	if id(top, 0x1a8) != id(base, 0x188) || id(top, 0x1b8) != id(base, 0x198) || id(top, 0x198) != id(o.Top, 0x198) {
		t.Error("the image does not name what the parent is now")
	}
	im, err := vdi.Open(bytes.NewReader(o.Top), &vdi.Options{Opener: func(block.Ref) (block.Device, error) { return vdi.Open(bytes.NewReader(base), nil) }})
	if err != nil || len(im.Problems()) != 1 || !errors.Is(im.Problems()[0], block.ErrChanged) {
		t.Errorf("another image upon it: %v, want ErrChanged", err)
	}
	for name, x := range map[string]struct {
		base, top []byte
		class     error
	}{
		"newer":   {base, o.Top, block.ErrRefused},
		"other":   {o.Other, o.Top, block.ErrRefused},
		"alone":   {o.Base, o.Other, block.ErrUnsupported},
		"smaller": {func() []byte { b, _ := build("d", 512, ids(1, 2, 0, 0)); return b }(), o.Top, block.ErrRefused},
	} {
		all := testimg.Together(x.base, x.top)
		if err := o.Commit(all[0], all[1], d); !errors.Is(err, x.class) || !bytes.Equal(all[0].B, x.base) || !bytes.Equal(all[1].B, x.top) {
			t.Errorf("%s: %v, want %v and nothing written", name, err, x.class)
		}
	}
	p := testimg.NewPower(o.Top)
	other, err := openAmong(o.Other, nil)
	if err != nil {
		t.Fatal(err)
	}
	old, err := openAmong(o.Base, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Rebase(p, &block.RebaseOptions{Backing: "c:other", Old: old, New: other}); err != nil {
		t.Fatal(err) // a name that is not stored may be any
	}
	if id(p.B, 0x1a8) != id(o.Other, 0x188) || id(p.B, 0x1b8) != id(o.Other, 0x198) || id(p.B, 0x198) != id(o.Top, 0x198) || p.B[0x4c] != 4 {
		t.Error("rebased, it names another parent")
	}
	twin := bytes.Clone(o.Other)
	copy(twin[0x188:], o.Top[0x188:0x198])
	if d, err = openAmong(twin, nil); err != nil {
		t.Fatal(err)
	}
	if err := o.Rebase(testimg.NewPower(o.Top), &block.RebaseOptions{Backing: "twin", Old: old, New: d}); !errors.Is(err, block.ErrLoop) {
		t.Errorf("upon an image of its own UUID: %v, want ErrLoop", err)
	}
	if err := o.Rebase(p, &block.RebaseOptions{Old: other}); err != nil {
		t.Fatal(err)
	}
	if p.B[0x4c] != 1 || id(p.B, 0x1a8)+id(p.B, 0x1b8) != string(make([]byte, 32)) {
		t.Error("alone, it names a parent")
	}
}
