package vdi

import (
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestHeaderBounds puts each field of a good header at its bounds and past them, in
// numbers: those of VirtualBox's VDICore.h, and of qemu's block/vdi.c for the number of
// blocks.
func TestHeaderBounds(t *testing.T) {
	const most = 0x1fffff80
	for _, c := range []struct {
		name   string
		change func(h *header)
		class  error
	}{
		{"good", func(h *header) {}, nil},
		{"magic", func(h *header) { h.magic = 0xbeda107e }, block.ErrFormat},
		{"version 1.0", func(h *header) { h.version = 0x00010000 }, block.ErrUnsupported},
		{"type 0", func(h *header) { h.imageType = 0 }, block.ErrUnsupported},
		{"static", func(h *header) { h.imageType = 2 }, nil},
		{"undo", func(h *header) { h.imageType = 3 }, block.ErrUnsupported},
		{"differencing", func(h *header) { h.imageType = 4 }, nil},
		{"type 5", func(h *header) { h.imageType = 5 }, block.ErrUnsupported},
		{"sectors of 513", func(h *header) { h.cbSector = 513 }, block.ErrCorrupt},
		{"blocks of 32 KiB", func(h *header) { h.cbBlock, h.blocks = 0x8000, 1000 }, block.ErrCorrupt},
		{"blocks of 64 KiB", func(h *header) { h.cbBlock, h.blocks = 0x10000, 128 }, nil},
		{"blocks of 96 KiB", func(h *header) { h.cbBlock = 0x18000 }, block.ErrCorrupt},
		{"blocks of 64 MiB", func(h *header) { h.cbBlock = 0x4000000 }, nil},
		{"blocks of 128 MiB", func(h *header) { h.cbBlock = 0x8000000 }, block.ErrCorrupt},
		{"extra", func(h *header) { h.cbBlockExtra = 1 }, block.ErrUnsupported},
		{"most blocks", func(h *header) { h.blocks, h.offData = most, 0x80000000 }, nil},
		{"one more", func(h *header) { h.blocks, h.offData = most+1, 0x80000200 }, block.ErrLimit},
		{"largest disk", func(h *header) { h.blocks, h.offData, h.cbDisk = most, 0x80000000, most<<20 }, nil},
		{"a byte more", func(h *header) { h.blocks, h.offData, h.cbDisk = most, 0x80000000, most<<20+1 }, block.ErrLimit},
		{"just enough blocks", func(h *header) { h.cbDisk = 128 << 20 }, nil},
		{"too few", func(h *header) { h.cbDisk = 128<<20 + 1 }, block.ErrCorrupt},
		{"map in the header", func(h *header) { h.offBlocks = 0 }, block.ErrCorrupt},
		{"map behind it", func(h *header) { h.offBlocks = 512 }, nil},
		{"map between sectors", func(h *header) { h.offBlocks = 520 }, block.ErrCorrupt},
		{"data between sectors", func(h *header) { h.offData = 1025 }, block.ErrCorrupt},
		{"data behind the map", func(h *header) { h.offBlocks, h.offData = 1024, 1536 }, nil},
		{"data in the map", func(h *header) { h.offBlocks, h.offData = 1024, 1024 }, block.ErrCorrupt},
		{"data in its last sector", func(h *header) { h.offBlocks, h.blocks, h.offData = 512, 129, 1024 }, block.ErrCorrupt},
	} {
		h := header{magic: 0xbeda107f, version: 0x00010001, imageType: 1, cbSector: 512, cbBlock: 1 << 20, blocks: 128, cbDisk: 8 << 20, offBlocks: 512, offData: 1024}
		c.change(&h)
		if err := h.validate(); !errors.Is(err, c.class) {
			t.Errorf("%s: %v, want %v", c.name, err, c.class)
		}
	}
	if blockFree != 1<<32-1 || blockZero != 1<<32-2 { // VDI_IMAGE_BLOCK_FREE, VDI_IMAGE_BLOCK_ZERO
		t.Errorf("%#x, %#x", uint32(blockFree), uint32(blockZero))
	}
	for _, h := range []header{{imageType: 4}, {uuidParent: [16]byte{1}}, {uuidLinkage: [16]byte{1}}} {
		if !h.differencing() {
			t.Errorf("type %d with links %v %v is no difference", h.imageType, h.uuidParent, h.uuidLinkage)
		}
	}
	if h := (header{imageType: 1}); h.differencing() {
		t.Error("an image without a parent is a difference")
	}
}
