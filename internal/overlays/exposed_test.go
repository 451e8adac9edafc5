package overlays

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// A lid is a disk that holds some pieces of 512 bytes itself: 'x' data, 'z' zeros;
// '.' and 'b' are those of what lies behind, at the depth 0 (none) and 1.
type lid string

func (l lid) Size() int64 { return 512 * int64(len(l)) }

func (l lid) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, l.Size())
	for i := range q {
		q[i] = l[(off+int64(i))/512]
	}
	return len(q), eof
}

func (l lid) Extent(off int64) (block.Extent, error) {
	e := block.Extent{Off: off, Len: 512 - off%512}
	switch l[off/512] {
	case 'z':
		e.Zero = true
	case '.':
		e.Zero, e.Unset = true, true
	case 'b':
		e.Depth = 1
	}
	return e, nil
}

func TestExposed(t *testing.T) {
	disk := func(s string) block.Device {
		return block.Plain(strings.NewReader(s))
	}
	pad := func(s string) string { // 512 bytes of each letter, zeros for a dot
		var b []byte
		for _, c := range []byte(s) {
			if c == '.' {
				c = 0
			}
			b = append(b, bytes.Repeat([]byte{c}, 512)...)
		}
		return string(b)
	}
	for _, x := range []struct {
		own, old, now string
		want          []block.Range
	}{
		{"....", "abcd", "abcd", nil},
		{"....", "abcd", "axcd", []block.Range{{Off: 0, Len: 1024}}},
		{".x..", "abcd", "axcd", nil},
		{".z..", "abcd", "axcd", nil},
		{"....", "abcd", "ab", []block.Range{{Off: 1024, Len: 1024}}},
		{"....", "ab..", "ab", nil},
		{"....", "", "a..d", []block.Range{{Off: 0, Len: 2048}}},
		{"..x.", "abcd", "abcx", []block.Range{{Off: 1024, Len: 1024}}},
	} {
		got, err := Exposed(t.Context(), lid(x.own), disk(pad(x.old)), disk(pad(x.now)), 1024, false)
		if err != nil || !slices.Equal(got, x.want) {
			t.Errorf("%s upon %s and %s: %v, %v; want %v", x.own, x.old, x.now, got, err, x.want)
		}
		first, err := Exposed(t.Context(), lid(x.own), disk(pad(x.old)), disk(pad(x.now)), 1024, true)
		if err != nil || len(first) != min(len(x.want), 1) {
			t.Errorf("%s upon %s and %s: the first is %v, %v", x.own, x.old, x.now, first, err)
		}
	}
	if got, err := Exposed(t.Context(), lid("...."), nil, nil, 1024, false); err != nil || got != nil {
		t.Errorf("without disks: %v, %v", got, err)
	}
}

func TestBehind(t *testing.T) {
	for _, x := range []struct {
		own, old lid
		want     []block.Range
	}{
		{"....", "xxxx", []block.Range{{Off: 0, Len: 2048}}},
		{".xx.", "xxxx", []block.Range{{Off: 0, Len: 2048}}},
		{"xx..", "xxxz", []block.Range{{Off: 1024, Len: 1024}}},
		{"....", "zz.b", []block.Range{{Off: 1024, Len: 1024}}},
		{"....", "zx", []block.Range{{Off: 0, Len: 1024}}},
		{"zzxx", "xxxx", nil},
	} {
		if got, err := Behind(t.Context(), x.own, x.old, 1024); err != nil || !slices.Equal(got, x.want) {
			t.Errorf("%s upon %s: %v, %v; want %v", x.own, x.old, got, err, x.want)
		}
	}
}

func TestHeld(t *testing.T) {
	for _, x := range []struct {
		disk  string
		depth int
		want  []block.Range
	}{
		{"x..b", 1, []block.Range{{Off: 0, Len: 1024}}},
		{"x..b", 2, []block.Range{{Off: 0, Len: 2048}}},
		{".z.b..xx", 1, []block.Range{{Off: 0, Len: 1024}, {Off: 3072, Len: 1024}}},
		{"....", 3, nil},
	} {
		if got, err := Held(t.Context(), lid(x.disk), x.depth, 1024); err != nil || !slices.Equal(got, x.want) {
			t.Errorf("%s, %d: %v, %v; want %v", x.disk, x.depth, got, err, x.want)
		}
	}
}

// TestOpener: who is given the disk cannot close it.
func TestOpener(t *testing.T) {
	d, err := Opener(closes{lid("x")})(block.Ref{})
	if err != nil || block.Close(d) != nil || d.Size() != 512 {
		t.Errorf("%v, %v", d, err)
	}
	if d, err := Opener(nil)(block.Ref{}); err != nil || d.Size() != 0 {
		t.Errorf("%v, %v", d, err)
	}
}

type closes struct{ block.Device }

func (closes) Close() error { return errors.New("closed") }

// TestCoarse: so many ranges that memory would grow are joined, near ones first, and
// none is lost.
func TestCoarse(t *testing.T) {
	var out []block.Range
	const n = 3 * maxRanges
	for i := range int64(n) {
		out = add(out, 8192*i, 4096)
	}
	if len(out) > maxRanges || out[0].Off != 0 || out[len(out)-1] != (block.Range{Off: 8192 * (n - 1), Len: 4096}) {
		t.Errorf("%d ranges, from %v to %v", len(out), out[0], out[len(out)-1])
	}
	got := coarse([]block.Range{{Off: 0, Len: 512}, {Off: 1 << 30, Len: 512}, {Off: 1<<30 + 1024, Len: 512}, {Off: 1 << 40, Len: 512}}, 3)
	if want := []block.Range{{Off: 0, Len: 512}, {Off: 1 << 30, Len: 1536}, {Off: 1 << 40, Len: 512}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
