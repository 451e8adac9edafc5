package qcow2

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/internal/testimg"
)

// TestHeaderGolden decodes headers that qemu-img wrote, and encodes them again.
func TestHeaderGolden(t *testing.T) {
	v3 := header{
		magic: magic, version: 3, clusterBits: 16, size: 64 << 20, l1Size: 1, l1TableOffset: 0x30000,
		refcountTableOffset: 0x10000, refcountTableClusters: 1, refcountOrder: 4, headerLength: 112,
	}
	v2 := header{
		magic: magic, version: 2, clusterBits: 12, size: 1049088, l1Size: 1, l1TableOffset: 0x3000,
		refcountTableOffset: 0x1000, refcountTableClusters: 1, refcountOrder: 4, headerLength: 72,
	}
	zstd := header{
		magic: magic, version: 3, clusterBits: 14, size: 2 << 20, l1Size: 1, l1TableOffset: 0xc000,
		refcountTableOffset: 0x4000, refcountTableClusters: 1, incompatibleFeatures: incompatCompression,
		refcountOrder: 4, headerLength: 112, compressionType: compressionZstd,
	}
	for name, want := range map[string]header{"base.qcow2": v3, "v2.qcow2": v2, "zstd.qcow2": zstd} {
		b := testimg.Unpack(t, "testdata/"+name+".gz")
		var h header
		h.decode(b)
		if h != want {
			t.Errorf("%s: decoded %+v, want %+v", name, h, want)
		}
		out := make([]byte, h.headerLength)
		h.encode(out)
		if !bytes.Equal(out, b[:h.headerLength]) {
			t.Errorf("%s: encoded\n%x, want\n%x", name, out, b[:h.headerLength])
		}
	}
}

// TestHeaderLayout gives each field a value of its own, and looks where it lies.
func TestHeaderLayout(t *testing.T) {
	b := make([]byte, headerLenKnown)
	for i := range b {
		b[i] = byte(i)
	}
	copy(b[0x64:], []byte{0, 0, 0, headerLenKnown})
	var h header
	h.decode(b)
	want := header{
		0x00010203, 0x04050607, 0x08090a0b0c0d0e0f, 0x10111213, 0x14151617, 0x18191a1b1c1d1e1f, 0x20212223, 0x24252627,
		0x28292a2b2c2d2e2f, 0x3031323334353637, 0x38393a3b, 0x3c3d3e3f, 0x4041424344454647, 0x48494a4b4c4d4e4f,
		0x5051525354555657, 0x58595a5b5c5d5e5f, 0x60616263, headerLenKnown, 0x68,
	}
	if h != want {
		t.Errorf("decoded %#v, want %#v", h, want)
	}
	out := bytes.Clone(b)
	clear(out[:0x69])
	h.encode(out)
	if !bytes.Equal(out, b) {
		t.Errorf("encoded\n%x, want\n%x", out, b)
	}
}

func TestExtensionsRoundTrip(t *testing.T) {
	in := []extension{{typ: extBackingFormat, data: []byte("qcow2")}, {typ: 0x11223344, data: []byte{}}, {typ: extFeatureNames, data: make([]byte, 48)}}
	b := encodeExtensions(in)
	if len(b) != 8+8+8+8+48+8 {
		t.Errorf("%d bytes", len(b))
	}
	out, err := decodeExtensions(b, 100)
	if err != nil || len(out) != len(in) {
		t.Fatal(out, err)
	}
	at := int64(100)
	for i := range in {
		if out[i].typ != in[i].typ || !bytes.Equal(out[i].data, in[i].data) || out[i].off != at+8 {
			t.Errorf("extension %d is %+v", i, out[i])
		}
		at += 8 + int64(len(in[i].data)+7)&^7
	}
}

func TestSnapshotHeaderLayout(t *testing.T) {
	b := make([]byte, snapshotHeaderLen)
	for i := range b {
		b[i] = byte(i)
	}
	var h snapshotHeader
	h.decode(b)
	want := snapshotHeader{0x0001020304050607, 0x08090a0b, 0x0c0d, 0x0e0f, 0x10111213, 0x14151617, 0x18191a1b1c1d1e1f, 0x20212223, 0x24252627}
	if h != want {
		t.Errorf("decoded %#v", h)
	}
	out := make([]byte, snapshotHeaderLen)
	h.encode(out)
	if !bytes.Equal(out, b) {
		t.Errorf("encoded %x", out)
	}
}

func TestFeatures(t *testing.T) {
	names := slices.Concat([]byte{1, 5}, []byte("compat five"), make([]byte, 35), []byte{0, 9}, []byte("nine"), make([]byte, 42))
	h := header{incompatibleFeatures: 1 | 1<<9, compatibleFeatures: 1 | 1<<5, autoclearFeatures: 1 << 63}
	got := h.features(names)
	want := []Feature{
		{"incompatible", 0, "dirty bit"}, {"incompatible", 9, "nine"},
		{"compatible", 0, "lazy refcounts"}, {"compatible", 5, "compat five"}, {"autoclear", 63, ""},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("features %+v, want %+v", got, want)
	}
}

// TestLimits has a case below, at and above each limit that the header states.
func TestLimits(t *testing.T) {
	lim := DefaultLimits()
	base := header{magic: magic, version: 3, clusterBits: 16, refcountTableOffset: 0x10000, refcountTableClusters: 1, refcountOrder: 4, headerLength: 104}
	const file = 1 << 40
	for _, c := range []struct {
		name string
		set  func(h *header, n int64)
		max  int64
	}{
		{"L1 table", func(h *header, n int64) { h.l1TableOffset, h.l1Size = 1<<30, uint32(n) }, 32 << 20 / 8},
		{"L1 table that a size needs", func(h *header, n int64) {
			h.size, h.l1TableOffset, h.l1Size = uint64(n)<<29, 1<<30, uint32(min(n, 32<<20/8))
		}, 32 << 20 / 8},
		{"refcount table", func(h *header, n int64) { h.refcountTableClusters = uint32(n) }, 8 << 20 >> 16},
		{"snapshots", func(h *header, n int64) { h.nbSnapshots, h.snapshotsOffset = uint32(n), 1<<30 }, 65536},
	} {
		for d := int64(-1); d <= 1; d++ {
			h := base
			c.set(&h, c.max+d)
			err := h.validateTables(file, &lim)
			if (err != nil) != (d > 0) {
				t.Errorf("%s: %d of %d: %v", c.name, c.max+d, c.max, err)
			}
		}
	}
	for n, ok := range map[uint32]bool{1022: true, 1023: true, 1024: false} {
		h := base
		h.backingFileOffset, h.backingFileSize = 200, n
		if err := h.validate(file, &lim); (err == nil) != ok {
			t.Errorf("a backing file name of %d bytes: %v", n, err)
		}
	}
	for bits, ok := range map[uint32]bool{8: false, 9: true, 21: true, 22: false, 64: false} {
		h := base
		h.clusterBits = bits
		if err := h.validate(file, &lim); (err == nil) != ok {
			t.Errorf("cluster_bits %d: %v", bits, err)
		}
	}
}
