package vhdx_test

import (
	"bytes"
	"errors"
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

func mustOpen(t *testing.T, b []byte, files testimg.Files) block.Device {
	t.Helper()
	d, err := openSound(b, files)
	if err != nil {
		t.Fatal(err)
	}
	return d
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
