package vmdk

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// A plan is a grain map that a test wrote down.
type plan struct {
	t     *testing.T
	of    []place
	bad   int64 // a grain whose entry cannot be read
	grain int64
	size  int64
}

var errPlan = errors.New("no entry")

func (p plan) find(i, need int64) (place, error) {
	if want := min(p.grain, p.size-i*p.grain); i < 0 || need != want || need <= 0 {
		p.t.Errorf("grain %d: %d bytes of it are asked for, it has %d", i, need, want)
	}
	if i == p.bad {
		return place{}, errPlan
	}
	return p.of[i], nil
}

// TestRuns: runs end where the kind changes, where stored grains do not follow each
// other, at the end, and once they are as long as was asked for.
func TestRuns(t *testing.T) {
	stored := func(off int64) place { return place{kind: placeStored, off: off} }
	zero := func(same int64) place { return place{kind: placeZero, same: same} }
	p := plan{t: t, grain: 512, size: 9*512 + 100, bad: -1, of: []place{
		stored(0x1000), stored(0x1200), stored(0x1400), stored(0x1800), zero(2), zero(1), zero(1), {kind: placeUnset, same: 1}, stored(0x2000), stored(0x2200)}}
	for _, c := range []struct {
		off, n, bad int64
		kind        placeKind
		at, length  int64
	}{
		{0, 1, -1, placeStored, 0x1000, 512}, {0, 512, -1, placeStored, 0x1000, 512}, {0, 513, -1, placeStored, 0x1000, 1024}, {0, 1 << 20, -1, placeStored, 0x1000, 1536},
		{100, 1 << 20, -1, placeStored, 0x1064, 1436}, {100, 412, -1, placeStored, 0x1064, 412}, {600, 1 << 20, -1, placeStored, 0x1258, 936},
		{0, 1 << 20, 2, placeStored, 0x1000, 1024}, {1536, 1 << 20, -1, placeStored, 0x1800, 512},
		{2048, 1, -1, placeZero, 0, 1024}, {2048, 1024, -1, placeZero, 0, 1024}, {2048, 1025, -1, placeZero, 0, 1536}, {2058, 1 << 20, -1, placeZero, 10, 1526},
		{7 * 512, 1 << 20, -1, placeUnset, 0, 512}, {8 * 512, 1 << 20, -1, placeStored, 0x2000, 612}, {9 * 512, 1 << 20, -1, placeStored, 0x2200, 100}, {9*512 + 99, 1, -1, placeStored, 0x2263, 1},
	} {
		p.bad = c.bad
		g := &grains{size: p.size, grain: p.grain, table: p}
		at, n, err := g.run(c.off, c.n)
		if err != nil || at.kind != c.kind || at.kind == placeStored && at.off != c.at || n != c.length {
			t.Errorf("%d bytes at %d: %+v, %d bytes, %v", c.n, c.off, at, n, err)
		}
	}
	p.bad = 3
	if _, _, err := (&grains{size: p.size, grain: p.grain, table: p}).run(1536, 1); err != errPlan {
		t.Error(err)
	}
}

// TestLookAhead: compressed grains in a row, holes between them too, are read at once,
// as far as they lie forward and near.
func TestLookAhead(t *testing.T) {
	stored := func(off int64) place { return place{kind: placeStored, off: off} }
	g := &grains{grain: 512, size: 6 * 512, inf: &inflater{}}
	behind := markerSize + g.inf.most()
	for _, c := range []struct {
		name string
		of   []place
		end  int64
		bad  int64
		want int64 // the last that is read with grain 0
	}{
		{"all", []place{stored(512), stored(600), {}, stored(700), stored(800), stored(900)}, 6 * 512, -1, 900},
		{"to an end within a grain", []place{stored(512), stored(600), {}, stored(700), stored(800), stored(900)}, 5*512 - 1, -1, 700},
		{"to the end of one", []place{stored(512), stored(600), {}, stored(700), stored(800), stored(900)}, 5 * 512, -1, 800},
		{"backwards", []place{stored(512), stored(600), stored(590), stored(700), {}, {}}, 6 * 512, -1, 600},
		{"twice", []place{stored(512), stored(600), stored(600), stored(700), {}, {}}, 6 * 512, -1, 600},
		{"as far as it may be", []place{stored(512), stored(512 + maxWindow), {}, {}, {}, {}}, 6 * 512, -1, 512 + maxWindow},
		{"too far", []place{stored(512), stored(513 + maxWindow), stored(600), {}, {}, {}}, 6 * 512, -1, 0},
		{"an entry that cannot be read", []place{stored(512), stored(600), {}, stored(700), {}, {}}, 6 * 512, 2, 600},
		{"alone", []place{stored(512), {}, {}, {}, {}, {}}, 6 * 512, -1, 0},
	} {
		g.table = plan{t: t, grain: 512, size: g.size, of: c.of, bad: c.bad}
		want := c.want + behind
		if c.want == 0 {
			want = 512
		}
		if got := g.lookAhead(0, 512, c.end); got != want {
			t.Errorf("%s: to %d, want %d", c.name, got, want)
		}
	}
}

// A device is one whose extents a test wrote down.
type device struct {
	*bytes.Reader
	e block.Extent
}

func (d device) Extent(off int64) (block.Extent, error) { e := d.e; e.Off = off; return e, nil }

// row is a grain map of grains that lie in a row.
type row struct{}

func (row) find(i, _ int64) (place, error) { return place{kind: placeStored, off: i << 16}, nil }

// TestExtents: where data lies furthest down, and how far an extent looks.
func TestExtents(t *testing.T) {
	file, host := bytes.NewReader(make([]byte, 512)), bytes.NewReader(nil)
	for _, c := range []struct {
		below, want block.Extent
	}{
		{block.Extent{Len: 1 << 40, Host: host, HostOff: 7}, block.Extent{Len: 64 << 20, Host: host, HostOff: 7}},
		{block.Extent{Len: 100, Host: host, HostOff: 7, Zero: true}, block.Extent{Len: 100, Zero: true, Host: host, HostOff: 7}},
		{block.Extent{Len: 100}, block.Extent{Len: 100}}, // as of what is decrypted
		{block.Extent{Len: 100, Zero: true}, block.Extent{Len: 100, Zero: true, HostOff: 5 << 16}},
	} {
		d := device{file, c.below}
		g := &grains{r: d, size: 1 << 40, grain: 1 << 16, table: row{}}
		if c.want.Zero && c.want.Host == nil {
			c.want.Host = d
		}
		c.want.Off = 5 << 16
		if e, err := g.Extent(5 << 16); err != nil || e != c.want {
			t.Errorf("%+v, %v, want %+v", e, err, c.want)
		}
	}
	z := zeros(1000)
	for _, off := range []int64{0, 999} {
		if e, err := z.Extent(off); err != nil || e != (block.Extent{Off: off, Len: 1000 - off, Zero: true}) {
			t.Errorf("zeros at %d: %+v, %v", off, e, err)
		}
	}
	g := &grains{r: file, size: 1000, grain: 1 << 16, table: row{}}
	for _, off := range []int64{-1, 1000, 1001} {
		if _, err := z.Extent(off); err != io.EOF {
			t.Errorf("zeros at %d: %v", off, err)
		}
		if _, err := g.Extent(off); err != io.EOF {
			t.Errorf("grains at %d: %v", off, err)
		}
	}
}
