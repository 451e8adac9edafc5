package vhdx_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhdx"
)

// TestItemsOfOthers: items that reading passes over are no place to write to, and
// nothing that lies anywhere.
func TestItemsOfOthers(t *testing.T) {
	const locator = "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"
	entry := func(b []byte, id string, offset, length, flags uint32) {
		putGUID(b, id)
		le.PutUint32(b[16:], offset)
		le.PutUint32(b[20:], length)
		le.PutUint32(b[24:], flags)
	}
	o := overlaid(t)
	files := testimg.Files{"base": o.Base, "other": o.Other}
	for _, x := range []struct {
		name  string
		first bool // before all others
		off   uint32
		n     uint32
		id    string
		flags uint32
		want  error
	}{
		{"the user's locator, outside", true, 0xf0000000, 64, locator, 1, block.ErrCorrupt},
		{"the user's locator", true, 128 << 10, 64, locator, 1, nil},
		{"without bytes", false, 0, 0, "00000000-0000-0000-0000-0000000000aa", 0, nil},
		{"end past 32 bits", false, 0xfffffff0, 0xb, "00000000-0000-0000-0000-0000000000aa", 0, block.ErrCorrupt},
		{"over the locator", false, 64<<10 + 96, 8, "00000000-0000-0000-0000-0000000000aa", 0, block.ErrCorrupt},
	} {
		top := testimg.NewPower(o.Top)
		m := top.B[metadataAt:]
		n := int(le.Uint16(m[10:]))
		at := 32 + 32*n
		if x.first {
			copy(m[64:], bytes.Clone(m[32:at]))
			at = 32
		}
		entry(m[at:], x.id, x.off, x.n, x.flags)
		le.PutUint16(m[10:], uint16(n+1))
		if x.id == locator {
			copy(m[128<<10:], "the user's own")
		}
		want, err := openSound(top.B, files)
		if err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		base, other := mustOpen(t, o.Base, files), mustOpen(t, o.Other, files)
		before := bytes.Clone(m[:mib])
		err = vhdx.Rebase(t.Context(), top, &block.RebaseOptions{Backing: "a/much/longer/way/../../../../other", Old: base, New: other})
		if !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", x.name, err, x.want)
		}
		if x.want != nil && !bytes.Equal(top.B[metadataAt:metadataAt+mib], before) {
			t.Errorf("%s: the metadata are other ones", x.name)
		}
		if x.want == nil && x.id == locator && !bytes.HasPrefix(top.B[metadataAt+128<<10:], []byte("the user's own")) {
			t.Errorf("%s: it is overwritten", x.name)
		}
		if got, err := openSound(top.B, testimg.Files{"base": o.Base, "a/much/longer/way/../../../../other": o.Other}); err != nil || got.Size() != want.Size() {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// TestEmptyAgain: what is empty already has nothing go through the log.
func TestEmptyAgain(t *testing.T) {
	o := overlaid(t)
	top := testimg.NewPower(o.Top)
	log := func() []byte { return top.B[logAt : logAt+mib] }
	for i := range 2 {
		clear(log())
		if err := o.Empty(top); err != nil {
			t.Fatal(err)
		}
		if logged := !bytes.Equal(log(), make([]byte, mib)); logged != (i == 0) {
			t.Errorf("run %d: there is something in the log: %v", i, logged)
		}
	}
}

// TestLocatorStays: changed again and again, the parent locator takes no new room.
func TestLocatorStays(t *testing.T) {
	o := overlaid(t)
	top := testimg.NewPower(o.Top)
	end := func() int { return len(bytes.TrimRight(top.B[metadataAt:metadataAt+mib], "\x00")) }
	most := 0
	for i := range 8 {
		if err := o.Commit(testimg.NewPower(o.Base), top, mustOpen(t, top.B, testimg.Files{"base": o.Base})); err != nil {
			t.Fatal(err)
		}
		if err := o.Rebase(top, &block.RebaseOptions{Backing: "base", New: mustOpen(t, o.Base, nil), Unsafe: true}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			most = end()
		} else if end() > most {
			t.Fatalf("after %d commits the metadata end at %#x, after one at %#x", i+1, end(), most)
		}
	}
}

// TestParentNames: a name that a locator cannot have is refused, and nothing is written.
func TestParentNames(t *testing.T) {
	o := overlaid(t)
	base, other := mustOpen(t, o.Base, nil), mustOpen(t, o.Other, nil)
	for _, name := range append(testimg.Unstorable(), strings.Repeat("a", 1<<15)) {
		p := testimg.NewPower(o.Top)
		if err := o.Rebase(p, &block.RebaseOptions{Backing: name, Old: base, New: other}); !errors.Is(err, block.ErrRefused) || !bytes.Equal(p.B, o.Top) {
			t.Errorf("%.20q: %v, want ErrRefused", name, err)
		}
	}
	long := strings.Repeat("a", 1<<15-3)
	p := testimg.NewPower(o.Top)
	if err := o.Rebase(p, &block.RebaseOptions{Backing: long, Old: base, New: other}); err != nil {
		t.Error(err)
	}
	mustOpen(t, p.B, testimg.Files{long: o.Other})
}

// TestCommitTwice: what a commit that was interrupted has left gets another identity
// when it is done again, by which those that lie upon it tell.
func TestCommitTwice(t *testing.T) {
	o := overlaid(t)
	commit := func(all testimg.Powers) {
		d := mustOpen(t, bytes.Clone(all[1].B), testimg.Files{"base": bytes.Clone(all[0].B)})
		if err := o.Commit(all[0], all[1], d); err != nil {
			t.Fatal(err)
		}
	}
	id := func(b []byte) string { return mustOpen(t, b, nil).(*vhdx.Image).DataWriteGUID() }
	all := testimg.Together(o.Base, o.Top)
	commit(all)
	first, seen := id(o.Base), 0
	all.Crashes(t, 0, func(what string, f [][]byte) {
		left := id(f[0])
		if left == first || bytes.Equal(f[0], all[0].B) && bytes.Equal(f[1], all[1].B) {
			return
		}
		seen++
		again := testimg.Together(f...)
		commit(again)
		if now := id(again[0].B); now == left {
			t.Fatalf("%s: the identity is %s still", what, now)
		}
	})
	if seen == 0 {
		t.Error("no commit was interrupted")
	}
}

// TestCommitRefused: what cannot be done writes to neither of the images.
func TestCommitRefused(t *testing.T) {
	o := overlaid(t)
	disk := mustOpen(t, o.Top, testimg.Files{"base": o.Base})
	small, _ := build("d", mib, nil, nil)
	for name, x := range map[string][2][]byte{"another parent": {o.Other, o.Top}, "no parent": {o.Base, o.Base}, "another size": {small, o.Top}} {
		base, child := testimg.NewPower(x[0]), testimg.NewPower(x[1])
		if err := o.Commit(base, child, disk); err == nil || !bytes.Equal(base.B, x[0]) || !bytes.Equal(child.B, x[1]) {
			t.Errorf("%s: %v, written to: %v %v", name, err, !bytes.Equal(base.B, x[0]), !bytes.Equal(child.B, x[1]))
		}
	}
}

// TestLastBlockCutShort: what is new does not go over the rest of a last block that
// the file has not.
func TestLastBlockCutShort(t *testing.T) {
	const bs, size = 2 * mib, 2*2*mib + 8192
	base, _ := build("..d", size-2*mib, nil, nil)
	le.PutUint32(base[metadataAt+64<<10:], bs)
	le.PutUint64(base[metadataAt+64<<10+16:], size)
	base = base[:blocksAt+8192]
	seal(base)
	mustOpen(t, base, nil)
	top, _ := build("....", size-2*mib, map[string]string{"parent_linkage": "{00000000-0000-0000-0000-00000000DA7A}", "relative_path": `.\base`}, nil)
	le.PutUint32(top[metadataAt+64<<10:], bs)
	le.PutUint64(top[metadataAt+64<<10+16:], size)
	clear(top[tableAt+8*chunk:][:8])
	seal(top)
	disk := bytes.Repeat([]byte{7}, size)
	p := testimg.NewPower(base)
	if err := vhdx.CommitInto(t.Context(), p, testimg.NewPower(top), block.Plain(bytes.NewReader(disk)), 1); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, size)
	if err := block.ReadFull(mustOpen(t, p.B, nil), got, 0); err != nil || !bytes.Equal(got, disk) {
		t.Errorf("another disk, %v", err)
	}
}
