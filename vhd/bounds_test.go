package vhd

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"unicode/utf16"

	"github.com/guestkit/guestkit/block"
)

// TestHeaderBounds puts each field of a good header at its bounds and past them.
func TestHeaderBounds(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(h *dynamicHeader)
		class  error
	}{
		{"good", func(h *dynamicHeader) {}, nil},
		{"cookie", func(h *dynamicHeader) { h.cookie[7] = 'f' }, block.ErrCorrupt},
		{"version 1.1", func(h *dynamicHeader) { h.version = 0x00010001 }, block.ErrUnsupported},
		{"blocks of 256", func(h *dynamicHeader) { h.blockSize = 256 }, block.ErrCorrupt},
		{"blocks of 512", func(h *dynamicHeader) { h.blockSize = 512 }, nil},
		{"blocks of 768", func(h *dynamicHeader) { h.blockSize = 768 }, block.ErrCorrupt},
		{"blocks of 1 GiB", func(h *dynamicHeader) { h.blockSize = 0x40000000 }, nil},
		{"blocks of 2 GiB", func(h *dynamicHeader) { h.blockSize = 0x80000000 }, block.ErrCorrupt},
		{"as many entries as are needed", func(h *dynamicHeader) { h.entries = 8 }, nil},
		{"one too few", func(h *dynamicHeader) { h.entries = 9 }, block.ErrCorrupt},
		{"BAT in the footer's copy", func(h *dynamicHeader) { h.tableOffset = 0 }, block.ErrCorrupt},
		{"BAT behind it", func(h *dynamicHeader) { h.tableOffset = 512 }, nil},
		{"BAT between sectors", func(h *dynamicHeader) { h.tableOffset = 520 }, block.ErrCorrupt},
		{"BAT at the end", func(h *dynamicHeader) { h.tableOffset, h.maxTableEntries, h.entries = 4096, 0, 0 }, block.ErrCorrupt},
		{"BAT to the end", func(h *dynamicHeader) { h.tableOffset, h.maxTableEntries = 3584, 128 }, nil},
		{"BAT past the end", func(h *dynamicHeader) { h.tableOffset, h.maxTableEntries = 3584, 129 }, block.ErrTruncated},
	} {
		h := dynamicHeader{version: 0x00010000, blockSize: 2 << 20, tableOffset: 1536, maxTableEntries: 8, entries: 8}
		copy(h.cookie[:], "cxsparse")
		c.change(&h)
		if err := h.validate(512, 16<<20, 4096); !errors.Is(err, c.class) {
			t.Errorf("%s: %v, want %v", c.name, err, c.class)
		}
	}
}

// TestBlockNumbers: how many blocks a disk has, and how large the bitmap before each is:
// one bit a sector, in whole sectors; of less than eight sectors none, as qemu has it.
func TestBlockNumbers(t *testing.T) {
	for _, c := range []struct {
		blockSize          uint32
		size, need, bitmap int64
	}{
		{512, 0, 0, 0}, {512, 1, 1, 0}, {512, 512, 1, 0}, {512, 513, 2, 0}, {2048, 2048, 1, 0}, {4096, 8192, 2, 512},
		{2 << 20, 2<<20 - 1, 1, 512}, {2 << 20, 2<<20 + 1, 2, 512}, {4 << 20, 4 << 20, 1, 1024}, {1 << 30, 3 << 30, 3, 256 << 10},
	} {
		h := dynamicHeader{blockSize: c.blockSize}
		if n := h.need(c.size); n != c.need {
			t.Errorf("blocks of %d: %d for %d bytes, want %d", c.blockSize, n, c.size, c.need)
		}
		if n := h.bitmapSize(); n != c.bitmap {
			t.Errorf("blocks of %d: a bitmap of %d bytes, want %d", c.blockSize, n, c.bitmap)
		}
	}
	if n := new(dynamicHeader).need(1); n != 0 {
		t.Errorf("%d blocks of 0 bytes", n)
	}
}

// TestParentNames: relative names come before the plain one, absolute ones last; what is
// too long or elsewhere is refused.
func TestParentNames(t *testing.T) {
	wide := func(s string) (b []byte) {
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u), byte(u>>8))
		}
		return b
	}
	file := make([]byte, 1<<17)
	at := copy(file, wide(`C:\a\base.vhd`))
	copy(file[at:], wide(`.\base.vhd`))
	var h dynamicHeader
	copy(h.parentName[:], "\x00p\x00.\x00v\x00h\x00d")
	h.locators[0] = locator{code: [4]byte([]byte("W2ku")), dataLength: uint32(at)}
	h.locators[3] = locator{code: [4]byte([]byte("Wi2r")), dataOffset: 1 << 40, dataLength: 1 << 30}
	h.locators[7] = locator{code: [4]byte([]byte("W2ru")), dataOffset: uint64(at), dataLength: 20}
	names, err := h.parentNames(bytes.NewReader(file))
	if want := []string{`.\base.vhd`, "p.vhd", `C:\a\base.vhd`}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%q, %v, want %q", names, err, want)
	}
	for _, c := range []struct {
		off    uint64
		length uint32
		class  error
		at     int64
	}{
		{1 << 17, 0, nil, 0}, {1<<17 + 1, 0, block.ErrCorrupt, 0x240 + 24}, {1 << 16, 1 << 16, nil, 0}, {0, 1<<16 + 1, block.ErrLimit, 0x240 + 24},
		{1<<17 - 2, 4, block.ErrTruncated, 0x240 + 24},
	} {
		h := dynamicHeader{}
		h.locators[1] = locator{code: [4]byte([]byte("W2ru")), dataOffset: c.off, dataLength: c.length}
		_, err := h.parentNames(bytes.NewReader(file))
		var e *block.Error
		if !errors.Is(err, c.class) || c.class != nil && (!errors.As(err, &e) || e.Off != c.at) {
			t.Errorf("%d bytes at %#x: %v, want %v at %#x", c.length, c.off, err, c.class, c.at)
		}
	}
}
