package qcow2

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestExtentRoom tells where zeros have room in the file that is not read, and of which
// no two runs are one that lie apart there.
func TestExtentRoom(t *testing.T) {
	const cs = 4096
	m := written(t, Layout{ClusterSize: cs, Size: 64 << 10}, false)
	be := binary.BigEndian
	l2 := be.Uint64(m.b[be.Uint64(m.b[40:]):]) & offsetMask
	first := be.Uint64(m.b[l2:]) & offsetMask
	for i, e := range []uint64{first, first + cs, 0, first + 3*cs, first + 5*cs} {
		be.PutUint64(m.b[l2+uint64(8*i):], e|flagZero)
	}
	im, err := Open(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []block.Extent
	for e, err := range block.Extents(im, 0, 5*cs) {
		if err != nil || e.Host != nil || !e.Zero || e.Unset {
			t.Fatalf("%+v, %v", e, err)
		}
		got = append(got, e)
	}
	want := []block.Extent{
		{Len: 2 * cs, Zero: true, Room: true, HostOff: int64(first)},
		{Off: 2 * cs, Len: cs, Zero: true},
		{Off: 3 * cs, Len: cs, Zero: true, Room: true, HostOff: int64(first) + 3*cs},
		{Off: 4 * cs, Len: cs, Zero: true, Room: true, HostOff: int64(first) + 5*cs},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}
