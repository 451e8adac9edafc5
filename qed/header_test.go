package qed

import (
	"encoding/hex"
	"errors"
	"math"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestHeaderLayout decodes the header of the image that
// `qemu-img create -f qed -o cluster_size=4096,table_size=2 -b a.raw -F raw h.qed 5M`
// of QEMU 7.2 made.
func TestHeaderLayout(t *testing.T) {
	b, err := hex.DecodeString("51454400" + "00100000" + "02000000" + "01000000" + "0500000000000000" + "0000000000000000" + "0000000000000000" + "0010000000000000" + "0000500000000000" + "40000000" + "05000000")
	if err != nil {
		t.Fatal(err)
	}
	var h header
	h.decode(b)
	want := header{magic: magic, clusterSize: 4096, tableSize: 2, headerSize: 1, features: featureBacking | featureBackingRaw, l1TableOffset: 4096, imageSize: 5 << 20, backingNameOffset: 64, backingNameSize: 5}
	if h != want {
		t.Errorf("%+v, want %+v", h, want)
	}
	if err := h.validate(12288); err != nil {
		t.Error(err)
	}
	for i := range b { // each field has a place of its own
		b[i] = byte(i)
	}
	h.decode(b)
	want = header{0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c, 0x1716151413121110, 0x1f1e1d1c1b1a1918, 0x2726252423222120, 0x2f2e2d2c2b2a2928, 0x3736353433323130, 0x3b3a3938, 0x3f3e3d3c}
	if h != want {
		t.Errorf("%+v, want %+v", h, want)
	}
}

// TestHeaderBounds puts each field of a good header at its bounds and past them, in
// numbers: those of docs/interop/qed_spec.rst.
func TestHeaderBounds(t *testing.T) {
	const file = int64(1 << 40)
	for _, c := range []struct {
		name   string
		change func(h *header)
		class  error
	}{
		{"good", func(h *header) {}, nil},
		{"magic", func(h *header) { h.magic++ }, block.ErrFormat},
		{"the bits that are known", func(h *header) { h.features = 7; h.backingNameOffset, h.backingNameSize = 64, 1 }, nil},
		{"one more", func(h *header) { h.features = 8 }, block.ErrUnsupported},
		{"the last bit", func(h *header) { h.features = 1 << 63 }, block.ErrUnsupported},
		{"other kinds of bits", func(h *header) { h.compatFeatures, h.autoclearFeatures = 1<<63, 1 }, nil},
		{"clusters of 2 KiB", func(h *header) { h.clusterSize = 2 << 10 }, block.ErrCorrupt},
		{"clusters of 4 KiB", func(h *header) { h.clusterSize, h.l1TableOffset, h.imageSize = 4<<10, 4<<10, 1<<20 }, nil},
		{"clusters of 6 KiB", func(h *header) { h.clusterSize = 6 << 10 }, block.ErrCorrupt},
		{"clusters of 64 MiB", func(h *header) { h.clusterSize, h.l1TableOffset = 64<<20, 64<<20 }, nil},
		{"clusters of 128 MiB", func(h *header) { h.clusterSize = 128 << 20 }, block.ErrCorrupt},
		{"no clusters", func(h *header) { h.clusterSize = 0 }, block.ErrCorrupt},
		{"tables of none", func(h *header) { h.tableSize = 0 }, block.ErrCorrupt},
		{"tables of 1", func(h *header) { h.tableSize = 1 }, nil},
		{"tables of 3", func(h *header) { h.tableSize = 3 }, block.ErrCorrupt},
		{"tables of 16", func(h *header) { h.tableSize = 16 }, nil},
		{"tables of 32", func(h *header) { h.tableSize = 32 }, block.ErrCorrupt},
		{"no header", func(h *header) { h.headerSize = 0 }, block.ErrCorrupt},
		{"a header up to the table", func(h *header) { h.headerSize, h.l1TableOffset = 3, 3<<16 }, nil},
		{"a header over it", func(h *header) { h.headerSize = 2 }, block.ErrCorrupt},
		{"the largest header", func(h *header) { h.headerSize = math.MaxUint32 }, block.ErrCorrupt},
		{"no disk", func(h *header) { h.imageSize = 0 }, nil},
		{"half a sector", func(h *header) { h.imageSize = 256 }, block.ErrCorrupt},
		{"the largest disk", func(h *header) { h.imageSize = 32768 * 32768 << 16 }, nil}, // 64 TiB
		{"a sector more", func(h *header) { h.imageSize = 32768*32768<<16 + 512 }, block.ErrCorrupt},
		{"a disk that is negative", func(h *header) { h.imageSize = 1 << 63 }, block.ErrLimit},
		{"the last sectors of 2^63", func(h *header) {
			h.clusterSize, h.l1TableOffset, h.tableSize, h.imageSize = 64<<20, 64<<20, 16, 1<<63-512
		}, nil},
		{"a table between clusters", func(h *header) { h.l1TableOffset = 1<<16 + 4096 }, block.ErrCorrupt},
		{"a table at the end", func(h *header) { h.l1TableOffset = uint64(file) - 256<<10 }, nil},
		{"a table past it", func(h *header) { h.l1TableOffset = uint64(file) - 192<<10 }, block.ErrTruncated},
		{"a table that is negative", func(h *header) { h.l1TableOffset = 1 << 63 }, block.ErrTruncated},
		{"a name up to the end of the header", func(h *header) { h.features, h.backingNameOffset, h.backingNameSize = 1, 1<<16-10, 10 }, nil},
		{"a name past it", func(h *header) { h.features, h.backingNameOffset, h.backingNameSize = 1, 1<<16-10, 11 }, block.ErrCorrupt},
		{"a name that is not used", func(h *header) { h.backingNameOffset, h.backingNameSize = math.MaxUint32, math.MaxUint32 }, nil},
		{"the longest name", func(h *header) { h.features, h.backingNameOffset, h.backingNameSize = 1, 64, 4096 }, nil},
		{"a longer one", func(h *header) { h.features, h.backingNameOffset, h.backingNameSize = 1, 64, 4097 }, block.ErrLimit},
	} {
		h := header{magic: magic, clusterSize: 64 << 10, tableSize: 4, headerSize: 1, l1TableOffset: 64 << 10, imageSize: 10 << 30}
		c.change(&h)
		if err := h.validate(file); !errors.Is(err, c.class) {
			t.Errorf("%s: %v, want %v", c.name, err, c.class)
		}
	}
}
