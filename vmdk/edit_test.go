package vmdk_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vmdk"
)

// withText has another descriptor in its room, at the second sector.
func withText(image []byte, change func(text string) string) []byte {
	b := bytes.Clone(image)
	room := b[512 : 512+512*le.Uint64(b[0x24:])]
	text, _, _ := bytes.Cut(room, []byte{0})
	now := change(string(text))
	clear(room)
	copy(room, now)
	return b
}

// unwritten rebases and wants that class, and that nothing is written.
func unwritten(t *testing.T, what string, o testimg.Overlaid, top []byte, r *block.RebaseOptions, class error) {
	t.Helper()
	p := testimg.NewPower(top)
	if err := o.Rebase(p, r); !errors.Is(err, class) || !bytes.Equal(p.B, top) {
		t.Errorf("%s: %v, want %v; written to: %v", what, err, class, !bytes.Equal(p.B, top))
	}
}

// TestNoContentID: what says of a parent that there is none is not written as its
// content ID, and not taken for one.
func TestNoContentID(t *testing.T) {
	o := overlaid(t, false, "")
	base := must(t, o.Base, nil)
	for _, cid := range []string{"ffffffff", "00000000"} {
		other := withText(o.Other, func(s string) string { return strings.Replace(s, "\nCID=00005678", "\nCID="+cid, 1) })
		unwritten(t, cid, o, o.Top, &block.RebaseOptions{Backing: "other", Old: base, New: must(t, other, nil)}, block.ErrRefused)
		top := withText(o.Top, func(s string) string {
			return strings.Replace(s, `Hint="base"`, `Hint="other"`, 1) + "ddb.guestkit.parentCID=\"" + cid + "\"\n"
		})
		if _, err := vmdk.Open(bytes.NewReader(top), &vmdk.Options{Opener: among(testimg.Files{"other": other})}); !errors.Is(err, block.ErrParent) {
			t.Errorf("a second content ID %s: %v, want ErrParent", cid, err)
		}
	}
}

// TestParentNames: a name is stored so that the next Open has it, or refused.
func TestParentNames(t *testing.T) {
	o := overlaid(t, false, "")
	base, other := must(t, o.Base, nil), must(t, o.Other, nil)
	for _, name := range []string{"other", "a\u00a0b", "\u3000", "bäse", "a  b ", "it's=RW", "\u200e.vmdk"} {
		p := testimg.NewPower(o.Top)
		if err := o.Rebase(p, &block.RebaseOptions{Backing: name, Old: base, New: other}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := openSound(p.B, testimg.Files{name: o.Other}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range append(testimg.Unstorable(), "a\"b", "a\nb") {
		class := block.ErrOption
		if strings.ContainsAny(name, `\:`) { // a descriptor could say it
			class = block.ErrRefused
		}
		unwritten(t, name, o, o.Top, &block.RebaseOptions{Backing: name, Old: base, New: other}, class)
	}
}

// TestHiddenText: what lies behind the end of the descriptor is not edited for it.
func TestHiddenText(t *testing.T) {
	o := overlaid(t, false, "")
	base, other := must(t, o.Base, nil), must(t, o.Other, nil)
	want, err := vmdk.Open(bytes.NewReader(o.Top), &vmdk.Options{Opener: among(testimg.Files{"base": o.Base})})
	if err != nil {
		t.Fatal(err)
	}
	top := withText(o.Top, func(s string) string { return s + "\x00\nparentCID=12345678\nddb.x=\"1\"\n" })
	p := testimg.NewPower(top)
	if err := o.Rebase(p, &block.RebaseOptions{Backing: "other", Old: base, New: other}); err != nil {
		t.Fatal(err)
	}
	if d, err := openSound(p.B, testimg.Files{"other": o.Other}); err != nil || d.Size() != want.Size() {
		t.Errorf("%v", err)
	}
	p = testimg.NewPower(withText(o.Base, func(s string) string {
		return s[:strings.Index(s, "CID=")] + s[strings.Index(s, "parentCID="):] + "\x00\nCID=1234\n"
	}))
	if _, err := vmdk.Sparsify(t.Context(), p, []block.Range{{Len: base.Size()}}, nil); err != nil {
		t.Fatal(err)
	}
	if im := must(t, p.B, nil).(*vmdk.Image); im.CID() == 0 {
		t.Error("it has no new content ID")
	}
	marked := withText(o.Top, func(s string) string { return "\xef\xbb\xbf" + s })
	if _, err := openSound(marked, testimg.Files{"base": o.Base}); err != nil {
		t.Fatal(err)
	}
	unwritten(t, "marked", o, marked, &block.RebaseOptions{Backing: "other", Old: base, New: other}, block.ErrUnsupported)
}

// TestCommitTwice: what a commit that was interrupted has left gets another content ID
// when it is done again, by which those that lie upon it tell.
func TestCommitTwice(t *testing.T) {
	o := overlaid(t, false, "")
	cid := regexp.MustCompile(`\nCID=(\w+)`)
	commit := func(all testimg.Powers) {
		if err := o.Commit(all[0], all[1], must(t, bytes.Clone(all[1].B), testimg.Files{"base": bytes.Clone(all[0].B)})); err != nil {
			t.Fatal(err)
		}
	}
	all := testimg.Together(o.Base, o.Top)
	commit(all)
	seen := 0
	all.Crashes(t, 0, func(what string, f [][]byte) {
		left := string(cid.FindSubmatch(f[0])[1])
		if left == "00001234" || bytes.Equal(f[0], all[0].B) && bytes.Equal(f[1], all[1].B) {
			return
		}
		seen++
		again := testimg.Together(f...)
		commit(again)
		if now := string(cid.FindSubmatch(again[0].B)[1]); now == left {
			t.Fatalf("%s: the content ID is %s still", what, now)
		}
	})
	if seen == 0 {
		t.Error("no commit was interrupted")
	}
	if err := o.Commit(testimg.NewPower(o.Other), testimg.NewPower(o.Top), must(t, o.Top, testimg.Files{"base": o.Base})); !errors.Is(err, block.ErrRefused) {
		t.Errorf("into a disk that it does not lie upon: %v, want ErrRefused", err)
	}
}

// TestTableGone: a grain table whose place an interrupted run has lost is no empty one.
func TestTableGone(t *testing.T) {
	o := overlaid(t, false, "")
	p := testimg.NewPower(o.Base)
	if _, err := vmdk.Sparsify(t.Context(), p, []block.Range{{Len: 16 << 10}}, nil); err != nil {
		t.Fatal(err)
	}
	seen := false
	p.Crashes(t, 0, func(what string, file func() []byte) {
		b := file()
		if string(b[0x60:0x64]) != "GKTB" {
			return
		}
		seen = true
		for _, at := range []int{0x64, 0x6c} {
			if dir := le.Uint64(b[at:]) * 512; dir != 0 {
				clear(b[dir : dir+4])
			}
		}
		if _, err := vmdk.Sparsify(t.Context(), testimg.NewPower(b), nil, nil); !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", what, err)
		}
	})
	if !seen {
		t.Error("the tables were never away")
	}
}

// TestLastGrainCutShort: what is new does not go over the rest of a last grain that
// the file has not.
func TestLastGrainCutShort(t *testing.T) {
	const size = 17 * sector
	base := hosted("..d", descriptor("monolithicSparse", "", `RW 17 SPARSE "x.vmdk"`), func(b []byte) { le.PutUint64(b[0x0c:], 17) })
	base = base[:len(base)-7*sector]
	top := made(t, vmdk.Layout{Size: size, GrainSize: 8 << 10, Parent: "base", ParentCID: 0x0badf00d})
	disk := bytes.Repeat([]byte{7}, size)
	p := testimg.NewPower(base)
	if err := vmdk.CommitInto(t.Context(), p, testimg.NewPower(top), block.Plain(bytes.NewReader(disk)), 1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := vmdk.Sparsify(t.Context(), p, nil, nil); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, size)
	if err := block.ReadFull(must(t, p.B, nil), got, 0); err != nil || !bytes.Equal(got, disk) {
		t.Errorf("another disk, %v", err)
	}
}
