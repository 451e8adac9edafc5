package bitlocker

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/guestkit/guestkit/block"
)

// Encrypt-on-write keeps bitmaps of what is encrypted.
const (
	eowSignature    = "FVE-EOW\x00"
	bitmapSignature = "FVE-EOWBM\x00"
	recordSignature = "FVE-EOWBR\x00"

	eowHeader    = 56
	bitmapHeader = 60
	recordHeader = 36
	maxBitmap    = 32 << 20 // bytes, of all bitmaps
)

// eowInformation is the head of encrypt-on-write.
type eowInformation struct {
	signature   [8]byte // 0x00
	headerSize  uint16  // 0x08
	size        uint16  // 0x0a
	sectorSize  uint32  // 0x0c
	chunkSize   uint32  // 0x14 bytes for each bit
	convLogSize uint32  // 0x18
	regions     uint32  // 0x20
	crc         uint32  // 0x24 with this field as zero
}

// eowBitmap is the head of a bitmap.
type eowBitmap struct {
	signature     [10]byte  // 0x00
	headerSize    uint16    // 0x0a
	size          uint32    // 0x0c
	regionOffset  uint64    // 0x14
	regionSize    uint64    // 0x1c
	convLogOffset uint64    // 0x24
	records       [2]uint32 // 0x2c, 0x30 offsets from the head
	crc           uint32    // 0x38 up to the first record
}

// eowRecord is one of the two states of a bitmap.
type eowRecord struct {
	signature  [10]byte // 0x00
	headerSize uint16   // 0x0a
	size       uint32   // 0x0c
	bitmapSize uint32   // 0x10 bits
	sequence   uint64   // 0x14
	crc        uint32   // 0x20
}

func (h *eowInformation) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.signature[:], b)
	h.headerSize = le.Uint16(b[0x08:])
	h.size = le.Uint16(b[0x0a:])
	h.sectorSize = le.Uint32(b[0x0c:])
	h.chunkSize = le.Uint32(b[0x14:])
	h.convLogSize = le.Uint32(b[0x18:])
	h.regions = le.Uint32(b[0x20:])
	h.crc = le.Uint32(b[0x24:])
}

func (h *eowBitmap) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.signature[:], b)
	h.headerSize = le.Uint16(b[0x0a:])
	h.size = le.Uint32(b[0x0c:])
	h.regionOffset = le.Uint64(b[0x14:])
	h.regionSize = le.Uint64(b[0x1c:])
	h.convLogOffset = le.Uint64(b[0x24:])
	h.records[0] = le.Uint32(b[0x2c:])
	h.records[1] = le.Uint32(b[0x30:])
	h.crc = le.Uint32(b[0x38:])
}

func (h *eowRecord) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.signature[:], b)
	h.headerSize = le.Uint16(b[0x0a:])
	h.size = le.Uint32(b[0x0c:])
	h.bitmapSize = le.Uint32(b[0x10:])
	h.sequence = le.Uint64(b[0x14:])
	h.crc = le.Uint32(b[0x20:])
}

// A span is a run of bytes of the volume.
type span struct{ off, size int64 }

// bitmap says which chunks of a region are encrypted.
type bitmap struct {
	span
	chunk int64
	bits  []byte
}

// crcWithout is the CRC-32 of b with the four bytes at off as zeros.
func crcWithout(b []byte, off int) uint32 {
	var zero [4]byte
	sum := crc32.ChecksumIEEE(b[:off])
	sum = crc32.Update(sum, crc32.IEEETable, zero[:])
	return crc32.Update(sum, crc32.IEEETable, b[off+4:])
}

// readEOW reads the bitmaps by the information at off, and tells the areas that
// belong to them.
func readEOW(r block.Reader, off, sector int64) (maps []bitmap, reserved []span, err error) {
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "EOW information", off+at, class, detail, args...)
	}
	if off <= 0 || off > r.Size()-eowHeader {
		return nil, nil, fault(0, block.ErrTruncated, "the volume has %#x bytes", r.Size())
	}
	b, err := block.ReadBytes(r, off, min(maxInfo, r.Size()-off), maxInfo)
	if err != nil {
		return nil, nil, block.Locate(format, "EOW information", off, err)
	}
	var h eowInformation
	h.decode(b)
	switch {
	case string(h.signature[:]) != eowSignature:
		return nil, nil, fault(0, block.ErrCorrupt, "no signature")
	case h.headerSize < eowHeader || h.size < h.headerSize || int(h.size) > len(b):
		return nil, nil, fault(0x08, block.ErrCorrupt, "%d bytes with a head of %d", h.size, h.headerSize)
	case crcWithout(b[:h.size], 0x24) != h.crc:
		return nil, nil, fault(0x24, block.ErrCorrupt, "bad checksum")
	case int64(h.chunkSize) < sector || h.chunkSize&(h.chunkSize-1) != 0:
		return nil, nil, fault(0x14, block.ErrCorrupt, "chunks of %d bytes", h.chunkSize)
	}
	reserved = append(reserved, span{off, roundUp(int64(h.size), sector)})
	left, end := int64(maxBitmap), int64(0)
	for _, at := range offsets(b[h.headerSize:h.size], int(h.size-h.headerSize)/8) {
		m, own, err := readBitmap(r, at, int64(h.chunkSize), &left)
		if err != nil {
			return nil, nil, err
		}
		if m.off != end {
			return nil, nil, block.Errorf(format, "EOW bitmap", at, block.ErrCorrupt, "its region begins at %#x, that before it ends at %#x", m.off, end)
		}
		end += m.size
		maps = append(maps, m)
		reserved = append(reserved, own...)
		if h.convLogSize > 0 {
			reserved[len(reserved)-1].size = int64(h.convLogSize)
		}
	}
	for _, s := range reserved {
		if s.off%sector != 0 || s.off < 0 || s.off > r.Size() {
			return nil, nil, fault(0, block.ErrCorrupt, "an area at %#x", s.off)
		}
	}
	return maps, reserved, nil
}

// readBitmap reads the bitmap at off. The last of its own areas is the log of
// the conversion, whose size is not known here.
func readBitmap(r block.Reader, off, chunk int64, left *int64) (m bitmap, own []span, err error) {
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "EOW bitmap", off+at, class, detail, args...)
	}
	if off <= 0 || off > r.Size()-bitmapHeader {
		return m, nil, fault(0, block.ErrTruncated, "the volume has %#x bytes", r.Size())
	}
	b, err := block.ReadBytes(r, off, bitmapHeader, bitmapHeader)
	if err != nil {
		return m, nil, block.Locate(format, "EOW bitmap", off, err)
	}
	var h eowBitmap
	h.decode(b)
	switch {
	case string(h.signature[:]) != bitmapSignature:
		return m, nil, fault(0, block.ErrCorrupt, "no signature")
	case int64(h.size) > *left:
		return m, nil, fault(0x0c, block.ErrLimit, "%d bytes; %d of the %d for all bitmaps are left", h.size, *left, maxBitmap)
	case h.headerSize < bitmapHeader || h.records[0] < uint32(h.headerSize) || h.records[0] > h.size || h.records[1] > h.size:
		return m, nil, fault(0x2c, block.ErrCorrupt, "records at %d and %d of %d", h.records[0], h.records[1], h.size)
	case h.regionOffset > 1<<61 || h.regionSize > 1<<61 || h.convLogOffset > 1<<61:
		return m, nil, fault(0x14, block.ErrCorrupt, "a region of %#x bytes at %#x", h.regionSize, h.regionOffset)
	}
	*left -= int64(h.size)
	if b, err = block.ReadBytes(r, off, int64(h.size), maxBitmap); err != nil {
		return m, nil, block.Locate(format, "EOW bitmap", off, err)
	}
	if crcWithout(b[:h.records[0]], 0x38) != h.crc {
		return m, nil, fault(0x38, block.ErrCorrupt, "bad checksum")
	}
	m.span, m.chunk = span{int64(h.regionOffset), int64(h.regionSize)}, chunk
	newest := uint64(0)
	for _, at := range h.records {
		var rec eowRecord
		if len(b)-int(at) < recordHeader {
			continue
		}
		rec.decode(b[at:])
		rest := b[at:]
		if string(rec.signature[:]) != recordSignature || rec.headerSize < recordHeader || rec.size < uint32(rec.headerSize) ||
			int64(rec.size) > int64(len(rest)) || crcWithout(rest[:rec.size], 0x20) != rec.crc {
			continue
		}
		bits := rest[rec.headerSize:rec.size]
		if (int64(rec.bitmapSize)+7)/8 > int64(len(bits)) || int64(rec.bitmapSize) < (m.size+chunk-1)/chunk {
			continue
		}
		if m.bits == nil || rec.sequence > newest {
			m.bits, newest = bits, rec.sequence
		}
	}
	if m.bits == nil {
		return m, nil, fault(0x2c, block.ErrCorrupt, "neither of its records is valid")
	}
	return m, []span{{off, int64(h.size)}, {int64(h.convLogOffset), 0}}, nil
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
