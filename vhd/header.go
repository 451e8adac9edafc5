package vhd

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/wide"
)

const (
	dynamicSize   = 1024
	dynamicCookie = "cxsparse"
	unused        = 0xffffffff // a BAT entry without a block
	maxBlockSize  = 1 << 30
	maxLocator    = 64 << 10 // bytes of one parent name
)

// dynamicHeader is the dynamic disk header.
type dynamicHeader struct {
	cookie          [8]byte    // 0x000 "cxsparse"
	dataOffset      uint64     // 0x008 all ones
	tableOffset     uint64     // 0x010 of the BAT
	version         uint32     // 0x018
	maxTableEntries uint32     // 0x01c
	blockSize       uint32     // 0x020
	checksum        uint32     // 0x024
	parentID        guid.UUID  // 0x028
	parentTime      uint32     // 0x038
	reserved        uint32     // 0x03c
	parentName      [512]byte  // 0x040 UTF-16, big-endian
	locators        [8]locator // 0x240
	reserved2       [256]byte  // 0x300

	// Not on disk: how many entries of the table the disk needs, and how many it
	// does by whichever rule of size shows the most.
	entries, listed int64
}

// locator says where one name of the parent lies.
type locator struct {
	code       [4]byte // 0x00 "W2ru": relative, UTF-16 little-endian …
	dataSpace  uint32  // 0x04
	dataLength uint32  // 0x08 bytes
	reserved   uint32  // 0x0c
	dataOffset uint64  // 0x10
}

func (h *dynamicHeader) decode(b []byte) {
	be := binary.BigEndian
	copy(h.cookie[:], b[0x000:])
	h.dataOffset = be.Uint64(b[0x008:])
	h.tableOffset = be.Uint64(b[0x010:])
	h.version = be.Uint32(b[0x018:])
	h.maxTableEntries = be.Uint32(b[0x01c:])
	h.blockSize = be.Uint32(b[0x020:])
	h.checksum = be.Uint32(b[0x024:])
	copy(h.parentID[:], b[0x028:])
	h.parentTime = be.Uint32(b[0x038:])
	h.reserved = be.Uint32(b[0x03c:])
	copy(h.parentName[:], b[0x040:])
	for i := range h.locators {
		l := b[0x240+24*i:]
		copy(h.locators[i].code[:], l)
		h.locators[i].dataSpace = be.Uint32(l[0x04:])
		h.locators[i].dataLength = be.Uint32(l[0x08:])
		h.locators[i].reserved = be.Uint32(l[0x0c:])
		h.locators[i].dataOffset = be.Uint64(l[0x10:])
	}
	copy(h.reserved2[:], b[0x300:])
}

// encode writes the header with its checksum.
func (h *dynamicHeader) encode() []byte {
	b := make([]byte, dynamicSize)
	be := binary.BigEndian
	copy(b[0x000:], h.cookie[:])
	be.PutUint64(b[0x008:], h.dataOffset)
	be.PutUint64(b[0x010:], h.tableOffset)
	be.PutUint32(b[0x018:], h.version)
	be.PutUint32(b[0x01c:], h.maxTableEntries)
	be.PutUint32(b[0x020:], h.blockSize)
	copy(b[0x028:], h.parentID[:])
	be.PutUint32(b[0x038:], h.parentTime)
	be.PutUint32(b[0x03c:], h.reserved)
	copy(b[0x040:], h.parentName[:])
	for i, l := range h.locators {
		at := 0x240 + 24*i
		copy(b[at:], l.code[:])
		be.PutUint32(b[at+0x04:], l.dataSpace)
		be.PutUint32(b[at+0x08:], l.dataLength)
		be.PutUint32(b[at+0x0c:], l.reserved)
		be.PutUint64(b[at+0x10:], l.dataOffset)
	}
	copy(b[0x300:], h.reserved2[:])
	be.PutUint32(b[0x024:], checksum(b, 0x024))
	return b
}

// validate holds the rules for a header at off of an image whose disk has
// size bytes and whose file has fileSize.
func (h *dynamicHeader) validate(off, size, fileSize int64) error {
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "dynamic header", off+at, class, detail, args...)
	}
	switch {
	case string(h.cookie[:]) != dynamicCookie:
		return fault(0, block.ErrCorrupt, "no cookie")
	case h.version != version1:
		return fault(0x018, block.ErrUnsupported, "version %d.%d, only 1.0 is read", h.version>>16, h.version&0xffff)
	case h.blockSize < sectorSize || h.blockSize > maxBlockSize || h.blockSize&(h.blockSize-1) != 0:
		return fault(0x020, block.ErrCorrupt, "blocks of %d bytes; a power of two from 512 bytes to 1 GiB is valid", h.blockSize)
	case h.entries > int64(h.maxTableEntries): // more are no fault: XenServer makes a table for 2 TiB
		return fault(0x01c, block.ErrCorrupt, "%d blocks of %d bytes are too few for a disk of %d bytes", h.maxTableEntries, h.blockSize, size)
	case h.tableOffset%sectorSize != 0 || h.tableOffset < footerSize || h.tableOffset >= uint64(fileSize):
		return fault(0x010, block.ErrCorrupt, "BAT at offset %#x", h.tableOffset)
	case int64(h.tableOffset)+4*int64(h.maxTableEntries) > fileSize:
		return block.Errorf(format, "BAT", int64(h.tableOffset), block.ErrTruncated, "%d entries do not end in the file", h.maxTableEntries)
	}
	return nil
}

// need is how many entries of the table a disk of size bytes takes.
func (h *dynamicHeader) need(size int64) int64 {
	if h.blockSize == 0 {
		return 0 // which validate refuses
	}
	return (size + int64(h.blockSize) - 1) / int64(h.blockSize)
}

// bitmapSize is the size of the bitmap before each block, in bytes: a bit a
// sector, in whole sectors. Blocks of less than eight sectors, which no tool makes, have
// none, as qemu reads them (block/vpc.c).
func (h *dynamicHeader) bitmapSize() int64 {
	bits := int64(h.blockSize) / sectorSize
	return (bits/8 + sectorSize - 1) / sectorSize * sectorSize
}

// parentNames returns the names that a differencing image gives its parent,
// the most portable first: relative ones, the plain one, absolute ones.
func (h *dynamicHeader) parentNames(r block.Reader) ([]string, error) {
	var relative, absolute []string
	for i, l := range h.locators {
		code := string(l.code[:])
		if code != "W2ru" && code != "W2ku" {
			continue // deprecated ANSI and Macintosh forms
		}
		at := int64(0x240 + 24*i)
		if l.dataOffset > uint64(r.Size()) {
			return nil, block.Errorf(format, "parent locator", at, block.ErrCorrupt, "it lies at %#x, past the end of the file", l.dataOffset)
		}
		b, err := block.ReadBytes(r, int64(l.dataOffset), int64(l.dataLength), maxLocator)
		if err != nil {
			return nil, block.Locate(format, "parent locator", at, err)
		}
		name := wide.Terminated(b, binary.LittleEndian)
		if code == "W2ru" {
			relative = append(relative, name)
		} else {
			absolute = append(absolute, name)
		}
	}
	if name := wide.Terminated(h.parentName[:], binary.BigEndian); name != "" {
		relative = append(relative, name)
	}
	return append(relative, absolute...), nil
}
