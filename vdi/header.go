package vdi

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
)

const (
	format     = "vdi"
	headerSize = 512
	magic      = 0xbeda107f
	version11  = 0x00010001
	sectorSize = 512

	// MaxBlocks is how many blocks an image may have, the limit of qemu: the
	// block map of a larger one would not fit its 32-bit offsets.
	MaxBlocks = 0x1fffff80
	// Blocks are a power of two of bytes in these limits; 1 MiB is usual.
	minBlockSize = 64 << 10
	maxBlockSize = 64 << 20
)

// Types of image, the imageType field.
const (
	typeDynamic = 1
	typeStatic  = 2
	typeUndo    = 3
	typeDiff    = 4
)

// Entries of the block map that are no block number.
const (
	blockFree = 0xffffffff // not allocated: zeros, or the parent
	blockZero = 0xfffffffe // allocated as zeros, not stored
)

// header is the pre-header and the header of version 1.1.
type header struct {
	text            [64]byte  // 0x000 "<<< Oracle VM VirtualBox Disk Image >>>\n"
	magic           uint32    // 0x040
	version         uint32    // 0x044
	cbHeader        uint32    // 0x048 from here to the end of the header
	imageType       uint32    // 0x04c
	flags           uint32    // 0x050
	comment         [256]byte // 0x054
	offBlocks       uint32    // 0x154 of the block map
	offData         uint32    // 0x158 of block 0
	cylinders       uint32    // 0x15c
	heads           uint32    // 0x160
	sectors         uint32    // 0x164
	cbSector        uint32    // 0x168
	unused          uint32    // 0x16c
	cbDisk          uint64    // 0x170
	cbBlock         uint32    // 0x178
	cbBlockExtra    uint32    // 0x17c
	blocks          uint32    // 0x180 entries of the block map
	blocksAllocated uint32    // 0x184
	uuidCreate      guid.GUID // 0x188
	uuidModify      guid.GUID // 0x198
	uuidLinkage     guid.GUID // 0x1a8 of the parent, for a differencing image
	uuidParent      guid.GUID // 0x1b8 uuidModify of the parent
}

func (h *header) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.text[:], b[0x000:])
	h.magic = le.Uint32(b[0x040:])
	h.version = le.Uint32(b[0x044:])
	h.cbHeader = le.Uint32(b[0x048:])
	h.imageType = le.Uint32(b[0x04c:])
	h.flags = le.Uint32(b[0x050:])
	copy(h.comment[:], b[0x054:])
	h.offBlocks = le.Uint32(b[0x154:])
	h.offData = le.Uint32(b[0x158:])
	h.cylinders = le.Uint32(b[0x15c:])
	h.heads = le.Uint32(b[0x160:])
	h.sectors = le.Uint32(b[0x164:])
	h.cbSector = le.Uint32(b[0x168:])
	h.unused = le.Uint32(b[0x16c:])
	h.cbDisk = le.Uint64(b[0x170:])
	h.cbBlock = le.Uint32(b[0x178:])
	h.cbBlockExtra = le.Uint32(b[0x17c:])
	h.blocks = le.Uint32(b[0x180:])
	h.blocksAllocated = le.Uint32(b[0x184:])
	copy(h.uuidCreate[:], b[0x188:])
	copy(h.uuidModify[:], b[0x198:])
	copy(h.uuidLinkage[:], b[0x1a8:])
	copy(h.uuidParent[:], b[0x1b8:])
}

func (h *header) encode() []byte {
	b := make([]byte, headerSize)
	le := binary.LittleEndian
	copy(b[0x000:], h.text[:])
	le.PutUint32(b[0x040:], h.magic)
	le.PutUint32(b[0x044:], h.version)
	le.PutUint32(b[0x048:], h.cbHeader)
	le.PutUint32(b[0x04c:], h.imageType)
	le.PutUint32(b[0x050:], h.flags)
	copy(b[0x054:], h.comment[:])
	le.PutUint32(b[0x154:], h.offBlocks)
	le.PutUint32(b[0x158:], h.offData)
	le.PutUint32(b[0x15c:], h.cylinders)
	le.PutUint32(b[0x160:], h.heads)
	le.PutUint32(b[0x164:], h.sectors)
	le.PutUint32(b[0x168:], h.cbSector)
	le.PutUint32(b[0x16c:], h.unused)
	le.PutUint64(b[0x170:], h.cbDisk)
	le.PutUint32(b[0x178:], h.cbBlock)
	le.PutUint32(b[0x17c:], h.cbBlockExtra)
	le.PutUint32(b[0x180:], h.blocks)
	le.PutUint32(b[0x184:], h.blocksAllocated)
	copy(b[0x188:], h.uuidCreate[:])
	copy(b[0x198:], h.uuidModify[:])
	copy(b[0x1a8:], h.uuidLinkage[:])
	copy(b[0x1b8:], h.uuidParent[:])
	return b
}

// validate holds the rules that need nothing but the header. What it accepts
// cannot overflow: blocks x cbBlock is at most 2^29 x 2^26.
func (h *header) validate() error {
	fault := func(off int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "header", off, class, detail, args...)
	}
	switch {
	case h.magic != magic:
		return fault(0x040, block.ErrFormat, "")
	case h.version != version11:
		return fault(0x044, block.ErrUnsupported, "version %d.%d, only 1.1 is read", h.version>>16, h.version&0xffff)
	case h.imageType == typeUndo:
		return fault(0x04c, block.ErrUnsupported, "an undo image (type 3)")
	case h.imageType != typeDynamic && h.imageType != typeStatic && h.imageType != typeDiff:
		return fault(0x04c, block.ErrUnsupported, "image type %d", h.imageType)
	case h.cbSector != sectorSize:
		return fault(0x168, block.ErrCorrupt, "sectors of %d bytes", h.cbSector)
	case h.cbBlock < minBlockSize || h.cbBlock > maxBlockSize || h.cbBlock&(h.cbBlock-1) != 0:
		return fault(0x178, block.ErrCorrupt, "blocks of %d bytes; a power of two from 64 KiB to 64 MiB is valid", h.cbBlock)
	case h.cbBlockExtra != 0:
		return fault(0x17c, block.ErrUnsupported, "%d bytes of extra data before each block", h.cbBlockExtra)
	case h.blocks > MaxBlocks:
		return fault(0x180, block.ErrLimit, "%d blocks, at most %d are read", h.blocks, MaxBlocks)
	case h.cbDisk > uint64(MaxBlocks)*uint64(h.cbBlock):
		return fault(0x170, block.ErrLimit, "a disk of %d bytes", h.cbDisk)
	case h.cbDisk > uint64(h.blocks)*uint64(h.cbBlock):
		return fault(0x180, block.ErrCorrupt, "%d blocks of %d bytes are too few for a disk of %d bytes", h.blocks, h.cbBlock, h.cbDisk)
	case h.offBlocks < headerSize || h.offBlocks%sectorSize != 0:
		return fault(0x154, block.ErrCorrupt, "block map at unaligned offset %#x", h.offBlocks)
	case h.offData%sectorSize != 0:
		return fault(0x158, block.ErrCorrupt, "data at unaligned offset %#x", h.offData)
	case int64(h.offData) < int64(h.offBlocks)+4*int64(h.blocks):
		return fault(0x158, block.ErrCorrupt, "data at %#x lies inside the block map", h.offData)
	}
	return nil
}

// differencing reports whether the image is only the changes to a parent. The
// type says so; a link to a parent without the type is as incomplete.
func (h *header) differencing() bool {
	return h.imageType == typeDiff || !h.uuidParent.IsZero() || !h.uuidLinkage.IsZero()
}
