package block_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// stripes is a device of unit-sized runs: data, zero, unset, data … by the
// letters of its plan.
type stripes struct {
	*bytes.Reader
	plan string
	unit int64
}

func newStripes(plan string, unit int) *stripes {
	b := pattern(len(plan) * unit)
	for i, c := range plan {
		if c != 'd' {
			clear(b[i*unit : (i+1)*unit])
		}
	}
	return &stripes{bytes.NewReader(b), plan, int64(unit)}
}

func (s *stripes) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= s.Size() {
		return block.Extent{}, io.EOF
	}
	i := off / s.unit
	e := block.Extent{Off: off, Len: (i+1)*s.unit - off}
	switch s.plan[i] {
	case 'd':
		e.Host, e.HostOff = s.Reader, off
	case 'u':
		e.Unset = true
		fallthrough
	case 'z':
		e.Zero = true
	}
	return e, nil
}

func TestExtentsMergeAndClip(t *testing.T) {
	d := newStripes("ddzzud", 100)
	var got []block.Extent
	for e, err := range block.Extents(d, 150, 1000) {
		if err != nil {
			t.Fatal(err)
		}
		e.Host = nil
		got = append(got, e)
	}
	want := []block.Extent{{Off: 150, Len: 50, HostOff: 150}, {Off: 200, Len: 200, Zero: true},
		{Off: 400, Len: 100, Zero: true, Unset: true}, {Off: 500, Len: 100, HostOff: 500}}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("extent %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
	for range block.Extents(d, 600, 1) {
		t.Error("an extent past the end")
	}
}

// broken answers with extents that break the contract or with an error.
type broken struct {
	block.Reader
	e   block.Extent
	err error
}

func (b broken) Extent(off int64) (block.Extent, error) { return b.e, b.err }

func TestExtentsRefuseBrokenDrivers(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		b    broken
		want error
	}{
		"no progress": {broken{e: block.Extent{Off: 0, Len: 0}}, block.ErrCorrupt},
		"elsewhere":   {broken{e: block.Extent{Off: 7, Len: 9}}, block.ErrCorrupt},
		"error":       {broken{err: boom}, boom},
		"early end":   {broken{err: io.EOF}, block.ErrTruncated},
	} {
		c.b.Reader = bytes.NewReader(make([]byte, 10))
		n := 0
		for _, err := range block.Extents(c.b, 0, 10) {
			n++
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d steps, want 1", name, n)
		}
	}
}

func TestSection(t *testing.T) {
	d := newStripes("ddzzudzd", 512)
	all, _ := block.ReadBytes(d, 0, d.Size(), d.Size())
	for _, w := range []struct{ off, n int64 }{{0, d.Size()}, {700, 2000}, {511, 2}, {d.Size() - 10, 10}} {
		testimg.TestDevice(t, block.Section(d, w.off, w.n), bytes.NewReader(all[w.off:w.off+w.n]), 256)
	}
	inner := block.Section(block.Section(d, 512, 3000), 100, 1000)
	testimg.TestDevice(t, inner, bytes.NewReader(all[612:1612]), 256)
	if s := block.Section(d, 4000, 1<<40); s.Size() != d.Size()-4000 {
		t.Errorf("a section past the end has %d bytes", s.Size())
	}
	for _, s := range []block.Device{block.Section(d, math.MaxInt64, math.MaxInt64), block.Section(d, -5, -5)} {
		if s.Size() != 0 {
			t.Errorf("a section outside has %d bytes", s.Size())
		}
	}
}

type sectored struct{ *bytes.Reader }

func (sectored) SectorSize() int { return 4096 }

func TestSectorSizeIsForwarded(t *testing.T) {
	r := sectored{bytes.NewReader(make([]byte, 8192))}
	if n := block.SectorSize(block.Section(block.Plain(r), 4096, 4096)); n != 4096 {
		t.Errorf("SectorSize = %d, want 4096", n)
	}
	if n := block.SectorSize(bytes.NewReader(nil)); n != 0 {
		t.Errorf("SectorSize of a plain reader = %d, want 0", n)
	}
}

func TestConcat(t *testing.T) {
	a, b := block.Plain(bytes.NewReader([]byte("abc"))), block.Plain(bytes.NewReader([]byte("defgh")))
	none := block.Plain(bytes.NewReader(nil))
	testimg.TestDevice(t, block.Concat(none, a, none, b, none), bytes.NewReader([]byte("abcdefgh")), 4)
	if e, err := block.Concat(a, b).Extent(4); err != nil || e != (block.Extent{Off: 4, Len: 4, Host: e.Host, HostOff: 1}) || e.Host == nil {
		t.Errorf("extent %+v, %v", e, err)
	}
	if n := block.Concat().Size(); n != 0 {
		t.Errorf("nothing has %d bytes", n)
	}
}
