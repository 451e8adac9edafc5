package vdi

import (
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
)

// A Layout says what an image to be written is like. The zero value of every
// field but Size makes a dynamic image.
type Layout struct {
	// Size of the disk in bytes, rounded up to sectors of 512; at most MaxSize.
	Size int64
	// Subformat is "dynamic" (also if empty), or "static": every block has its
	// place, in the order of the disk.
	Subformat string
	// UUID identifies the image, and UUIDModify its content; each is the 16
	// bytes as they lie in the header. Zero means a random one.
	UUID, UUIDModify [16]byte
}

const (
	// newBlockSize is the only size of blocks that qemu reads.
	newBlockSize = 1 << 20
	newMapAt     = headerSize

	// MaxSize is the largest disk that is written, in bytes: 512 TiB less a few
	// MiB, the limit of qemu.
	MaxSize = MaxBlocks * newBlockSize
)

func (l *Layout) validate() error {
	switch {
	case l.Size < 0:
		return fmt.Errorf("vdi: %w: the size is negative", block.ErrOption)
	case l.Subformat != "" && l.Subformat != "dynamic" && l.Subformat != "static":
		return fmt.Errorf("vdi: %w: the subformat %q is not dynamic or static", block.ErrOption, l.Subformat)
	case l.Size > MaxSize:
		return block.Errorf(format, "size", -1, block.ErrLimit, "a disk of %d bytes, at most %d are valid", l.Size, int64(MaxSize))
	}
	return nil
}

// header makes the header; how many blocks have a place comes later.
func (l *Layout) header() header {
	blocks := (l.Size + newBlockSize - 1) / newBlockSize
	mapEnd := newMapAt + 4*blocks
	h := header{
		magic:     magic,
		version:   version11,
		cbHeader:  0x180, // to the end of uuidParent
		imageType: typeDynamic,
		offBlocks: newMapAt,
		offData:   uint32((mapEnd + newBlockSize - 1) / newBlockSize * newBlockSize), // at most 2 GiB
		cbSector:  sectorSize,
		cbDisk:    uint64((l.Size + sectorSize - 1) / sectorSize * sectorSize),
		cbBlock:   newBlockSize,
		blocks:    uint32(blocks),
	}
	copy(h.text[:], "<<< guestkit VDI disk image >>>\n")
	if l.Subformat == "static" {
		h.imageType = typeStatic
	}
	h.uuidCreate, h.uuidModify = l.UUID, l.UUIDModify
	for _, id := range []*guid.GUID{&h.uuidCreate, &h.uuidModify} {
		if id.IsZero() {
			*id = guid.New()
		}
	}
	return h
}
