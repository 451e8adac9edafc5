package qcow2

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/guestkit/guestkit/block"
)

// A Bitmap is a persistent dirty bitmap. Only its name and properties are
// read.
type Bitmap struct {
	Name        string
	Granularity int64 // bytes of the disk that one bit stands for
	InUse       bool  // it was not closed, and its bits may be wrong
	Auto        bool  // it tracks writes as soon as the image is opened for writing
	Flags       uint32

	table    uint64 // where its table lies
	clusters uint32 // how many entries that has
}

const (
	bitmapsExtLen      = 24
	bitmapHeaderLen    = 24
	bitmapFlagInUse    = 1 << 0
	bitmapFlagAuto     = 1 << 1
	bitmapTypeDirty    = 1
	maxBitmapName      = 1023
	maxGranularityBits = 63
)

// bitmapsExtension is the data of the bitmaps header extension.
type bitmapsExtension struct {
	nbBitmaps             uint32 // 0x00
	reserved              uint32 // 0x04
	bitmapDirectorySize   uint64 // 0x08
	bitmapDirectoryOffset uint64 // 0x10
}

func (e *bitmapsExtension) decode(b []byte) {
	be := binary.BigEndian
	*e = bitmapsExtension{
		nbBitmaps:             be.Uint32(b[0x00:]),
		reserved:              be.Uint32(b[0x04:]),
		bitmapDirectorySize:   be.Uint64(b[0x08:]),
		bitmapDirectoryOffset: be.Uint64(b[0x10:]),
	}
}

func (e *bitmapsExtension) validate(h *header, at, fileSize int64, lim *Limits) error {
	switch {
	case e.nbBitmaps == 0:
		return corrupt("bitmaps extension", at, "it holds none")
	case e.reserved != 0:
		return corrupt("bitmaps extension", at, "reserved bits are set")
	case int64(e.nbBitmaps) > lim.Bitmaps:
		return block.Errorf(format, "bitmaps extension", at, block.ErrLimit, "%d bitmaps, at most %d are allowed", e.nbBitmaps, lim.Bitmaps)
	case e.bitmapDirectorySize > uint64(lim.BitmapDir):
		return block.Errorf(format, "bitmap directory", at, block.ErrLimit, "%d bytes, at most %d are allowed", e.bitmapDirectorySize, lim.BitmapDir)
	case e.bitmapDirectorySize/bitmapHeaderLen < uint64(e.nbBitmaps):
		return corrupt("bitmap directory", at, "%d bytes cannot hold %d bitmaps", e.bitmapDirectorySize, e.nbBitmaps)
	}
	return h.validateTable("bitmap directory", at, e.bitmapDirectoryOffset, int64(e.bitmapDirectorySize), fileSize)
}

// bitmapHeader is the fixed part of an entry of the bitmap directory; extra
// data and the name follow it, padded to 8 bytes in all.
type bitmapHeader struct {
	bitmapTableOffset uint64 // 0x00
	bitmapTableSize   uint32 // 0x08
	flags             uint32 // 0x0c
	typ               uint8  // 0x10
	granularityBits   uint8  // 0x11
	nameSize          uint16 // 0x12
	extraDataSize     uint32 // 0x14
}

func (h *bitmapHeader) decode(b []byte) {
	be := binary.BigEndian
	*h = bitmapHeader{
		bitmapTableOffset: be.Uint64(b[0x00:]),
		bitmapTableSize:   be.Uint32(b[0x08:]),
		flags:             be.Uint32(b[0x0c:]),
		typ:               b[0x10],
		granularityBits:   b[0x11],
		nameSize:          be.Uint16(b[0x12:]),
		extraDataSize:     be.Uint32(b[0x14:]),
	}
}

// readBitmaps reads the bitmap directory. It also returns where that lies, as
// soon as it is known to lie inside the file.
func readBitmaps(r block.Reader, h *header, ext *extension, lim *Limits) (list []Bitmap, dir span, err error) {
	if len(ext.data) != bitmapsExtLen {
		return nil, dir, corrupt("bitmaps extension", ext.off, "%d bytes, not %d", len(ext.data), bitmapsExtLen)
	}
	var be bitmapsExtension
	be.decode(ext.data)
	if err := be.validate(h, ext.off, r.Size(), lim); err != nil {
		return nil, dir, err
	}
	start, n := int64(be.bitmapDirectoryOffset), int64(be.bitmapDirectorySize)
	dir = span{start, start + n, "bitmap directory"}
	if h.autoclearFeatures&autoclearBitmaps == 0 {
		return nil, dir, corrupt("bitmaps extension", ext.off, "the image was changed by a program that does not know bitmaps, so they are out of date")
	}
	src := bufio.NewReaderSize(io.NewSectionReader(r, start, n), 16<<10)
	pos := int64(0)
	for range be.nbBitmaps {
		b, len, err := readBitmap(src, start+pos)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = corrupt("bitmap directory", start+pos, "it ends within its %d bitmaps", be.nbBitmaps)
		}
		if err != nil {
			return list, dir, block.Locate(format, "bitmap directory", start+pos, err)
		}
		list = append(list, b)
		pos += len
	}
	return list, dir, nil
}

// readBitmap reads one entry and returns its length with its padding.
func readBitmap(src *bufio.Reader, at int64) (Bitmap, int64, error) {
	var fixed [bitmapHeaderLen]byte
	if _, err := io.ReadFull(src, fixed[:]); err != nil {
		return Bitmap{}, 0, err
	}
	var bh bitmapHeader
	bh.decode(fixed[:])
	switch {
	case bh.typ != bitmapTypeDirty:
		return Bitmap{}, 0, block.Errorf(format, "bitmap", at, block.ErrUnsupported, "bitmap type %d", bh.typ)
	case bh.granularityBits >= maxGranularityBits:
		return Bitmap{}, 0, corrupt("bitmap", at, "granularity_bits %d", bh.granularityBits)
	case bh.nameSize == 0 || bh.nameSize > maxBitmapName:
		return Bitmap{}, 0, corrupt("bitmap", at, "a name of %d bytes", bh.nameSize)
	}
	if _, err := src.Discard(int(min(bh.extraDataSize, 1<<30))); err != nil {
		return Bitmap{}, 0, err
	}
	name := make([]byte, bh.nameSize)
	if _, err := io.ReadFull(src, name); err != nil {
		return Bitmap{}, 0, err
	}
	n := bitmapHeaderLen + int64(bh.extraDataSize) + int64(bh.nameSize)
	pad := -n & 7
	if _, err := src.Discard(int(pad)); err != nil && err != io.EOF {
		return Bitmap{}, 0, fmt.Errorf("padding: %w", err)
	}
	return Bitmap{
		Name:        string(name),
		Granularity: 1 << bh.granularityBits,
		InUse:       bh.flags&bitmapFlagInUse != 0,
		Auto:        bh.flags&bitmapFlagAuto != 0,
		Flags:       bh.flags,
		table:       bh.bitmapTableOffset,
		clusters:    bh.bitmapTableSize,
	}, n + pad, nil
}
