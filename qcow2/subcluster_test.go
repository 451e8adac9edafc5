package qcow2_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/qcow2"
)

// extendedBase is the base with extended L2 entries: the L2 table's cluster
// maps half as much. Subclusters have 2 KiB.
func extendedBase(t *testing.T, entry, bitmap uint64) []byte {
	t.Helper()
	return apply(fixture(t, "base.qcow2"), []poke{{72, u64(1 << 4)}, {36, u32(4)}, {l1At + 8, make([]byte, 24)}, {l2At, u64(entry)}, {l2At + 8, u64(bitmap)}})
}

// TestSubclusters pins every state that an extended L2 entry can say.
func TestSubclusters(t *testing.T) {
	const allocated = 1<<63 | dataAt
	const sub = 2048
	for _, c := range []struct {
		name          string
		entry, bitmap uint64
		class         error
		data, zero    uint32 // subclusters that read as 'A', and that are zero clusters
	}{
		{"unallocated", 0, 0, nil, 0, 0},
		{"allocated", allocated, 0xffffffff, nil, 0xffffffff, 0},
		{"allocated in part", allocated, 0x0000f00d, nil, 0xf00d, 0},
		{"zero in part", allocated, 0xffff0000_0000ffff, nil, 0xffff, 0xffff0000},
		{"zero without a host cluster", 0, 0x80000001_00000000, nil, 0, 0x80000001},
		{"all three", allocated, 0x000000f0_0000000f, nil, 0xf, 0xf0},
		{"nothing of a host cluster", allocated, 0, nil, 0, 0},
		{"allocated and zero at once", allocated, 0x00000001_00000001, block.ErrCorrupt, 0, 0},
		{"allocated without a host cluster", 0, 1, block.ErrCorrupt, 0, 0},
		{"the zero flag of standard entries", allocated | 1, 0xffffffff, nil, 0xffffffff, 0},
		{"unaligned", allocated | 0x200, 0xffffffff, block.ErrCorrupt, 0, 0},
		{"reserved bits", allocated | 1<<57, 0xffffffff, nil, 0xffffffff, 0},
		{"past the end", 1<<63 | 0x60000, 0xffffffff, block.ErrTruncated, 0, 0},
		{"past the end and unused", 1<<63 | 0x60000, 0xffffffff_00000000, nil, 0, 0xffffffff},
		{"over the L1 table", 1<<63 | l1At, 0xffffffff, block.ErrCorrupt, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			im, err := qcow2.Open(bytes.NewReader(extendedBase(t, c.entry, c.bitmap)), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 65536)
			if err := block.ReadFull(im, got, 0); c.class == nil && err != nil || !errors.Is(err, c.class) {
				t.Fatalf("reading: %v, want %v", err, c.class)
			}
			if _, err := im.Extent(0); c.class == nil && err != nil || !errors.Is(err, c.class) {
				t.Fatalf("Extent: %v, want %v", err, c.class)
			}
			if c.class != nil {
				// Not for what the wrong entry leads to, but for what it is.
				if _, err := im.Extent(0); strings.Contains(c.name, "allocated") && !strings.Contains(err.Error(), c.name) {
					t.Errorf("%v does not say %q", err, c.name)
				}
				return
			}
			for i := range 32 {
				want := byte(0)
				if c.data>>i&1 != 0 {
					want = 'A'
				}
				part := got[i*sub : (i+1)*sub]
				if !bytes.Equal(part, bytes.Repeat([]byte{want}, sub)) {
					t.Errorf("subcluster %d does not read as %#x", i, want)
				}
				e, err := im.Extent(int64(i) * sub)
				if err != nil {
					t.Fatal(err)
				}
				data, zero := c.data>>i&1 != 0, c.zero>>i&1 != 0
				if (e.Host != nil) != data || e.Zero == data || e.Unset != (!data && !zero) {
					t.Errorf("subcluster %d is %+v", i, e)
				}
			}
		})
	}
}

// TestSubclusterCutByEOF: only the subclusters that are in use must lie in the
// file.
func TestSubclusterCutByEOF(t *testing.T) {
	b := extendedBase(t, 1<<63|dataAt, 0x3)[:dataAt+4096]
	im, err := qcow2.Open(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, block.Section(im, 0, 1<<20))
	im, err = qcow2.Open(bytes.NewReader(b[:dataAt+4095]), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := block.ReadFull(im, make([]byte, 4096), 0); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("a cut subcluster: %v, want ErrTruncated", err)
	}
}
