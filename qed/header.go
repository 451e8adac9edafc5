package qed

import (
	"encoding/binary"
	"math"

	"github.com/guestkit/guestkit/block"
)

const (
	format     = "qed"
	headerSize = 64
	magic      = 0x00444551 // "QED\0"
	sectorSize = 512

	// Clusters are a power of two of bytes in these limits.
	minClusterSize = 4 << 10
	maxClusterSize = 64 << 20
	maxTableSize   = 16 // clusters

	// maxBackingName is the longest name of a backing file, in bytes: what a
	// host takes for a path.
	maxBackingName = 4096
)

// Bits of features.
const (
	featureBacking = 1 << iota
	featureNeedCheck
	featureBackingRaw
	knownFeatures = 1<<iota - 1
)

// header is the header, "Header" of the specification.
type header struct {
	magic             uint32 // 0x00 "QED\0"
	clusterSize       uint32 // 0x04 bytes
	tableSize         uint32 // 0x08 of L1 and L2 tables, in clusters
	headerSize        uint32 // 0x0c clusters
	features          uint64 // 0x10
	compatFeatures    uint64 // 0x18
	autoclearFeatures uint64 // 0x20
	l1TableOffset     uint64 // 0x28
	imageSize         uint64 // 0x30 bytes
	backingNameOffset uint32 // 0x38 with featureBacking
	backingNameSize   uint32 // 0x3c bytes
}

func (h *header) decode(b []byte) {
	le := binary.LittleEndian
	h.magic = le.Uint32(b[0x00:])
	h.clusterSize = le.Uint32(b[0x04:])
	h.tableSize = le.Uint32(b[0x08:])
	h.headerSize = le.Uint32(b[0x0c:])
	h.features = le.Uint64(b[0x10:])
	h.compatFeatures = le.Uint64(b[0x18:])
	h.autoclearFeatures = le.Uint64(b[0x20:])
	h.l1TableOffset = le.Uint64(b[0x28:])
	h.imageSize = le.Uint64(b[0x30:])
	h.backingNameOffset = le.Uint32(b[0x38:])
	h.backingNameSize = le.Uint32(b[0x3c:])
}

// validate holds the rules that need nothing but the header and the size of the
// file. What it accepts cannot overflow: a table has at most 2^27 entries.
func (h *header) validate(fileSize int64) error {
	fault := func(off int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "header", off, class, detail, args...)
	}
	powerOfTwo := func(n uint32) bool { return n != 0 && n&(n-1) == 0 }
	switch {
	case h.magic != magic:
		return fault(0x00, block.ErrFormat, "")
	case h.features&^knownFeatures != 0:
		return fault(0x10, block.ErrUnsupported, "unknown features %#x", h.features&^knownFeatures)
	case !powerOfTwo(h.clusterSize) || h.clusterSize < minClusterSize || h.clusterSize > maxClusterSize:
		return fault(0x04, block.ErrCorrupt, "clusters of %d bytes; a power of two from 4 KiB to 64 MiB is valid", h.clusterSize)
	case !powerOfTwo(h.tableSize) || h.tableSize > maxTableSize:
		return fault(0x08, block.ErrCorrupt, "tables of %d clusters; 1, 2, 4, 8 or 16 are valid", h.tableSize)
	case h.headerSize == 0:
		return fault(0x0c, block.ErrCorrupt, "a header of no clusters")
	case h.imageSize%sectorSize != 0:
		return fault(0x30, block.ErrCorrupt, "a disk of %d bytes, which are no sectors of 512", h.imageSize)
	case h.imageSize > math.MaxInt64:
		return fault(0x30, block.ErrLimit, "a disk of %d bytes", h.imageSize)
	case h.l2Tables() > h.entries():
		return fault(0x30, block.ErrCorrupt, "a disk of %d bytes needs %d L2 tables, the L1 table has %d entries", h.imageSize, h.l2Tables(), h.entries())
	case h.l1TableOffset%uint64(h.clusterSize) != 0:
		return fault(0x28, block.ErrCorrupt, "L1 table at unaligned offset %#x", h.l1TableOffset)
	case h.l1TableOffset < uint64(h.dataStart()):
		return fault(0x28, block.ErrCorrupt, "L1 table at %#x lies inside the header, which ends at %#x", h.l1TableOffset, h.dataStart())
	case h.l1TableOffset > uint64(fileSize) || h.tableBytes() > fileSize-int64(h.l1TableOffset):
		return fault(0x28, block.ErrTruncated, "the L1 table (%d bytes at %#x) leaves the file, which ends at %#x", h.tableBytes(), h.l1TableOffset, fileSize)
	case h.features&featureBacking == 0:
		return nil
	case int64(h.backingNameOffset)+int64(h.backingNameSize) > h.dataStart():
		return fault(0x38, block.ErrCorrupt, "the name of the backing file (%d bytes at %#x) leaves the header, which ends at %#x", h.backingNameSize, h.backingNameOffset, h.dataStart())
	case h.backingNameSize > maxBackingName:
		return fault(0x3c, block.ErrLimit, "the name of the backing file has %d bytes, at most %d are read", h.backingNameSize, maxBackingName)
	}
	return nil
}

// dataStart is where the header ends, in bytes: no table and no data lie before.
func (h *header) dataStart() int64 { return int64(h.headerSize) * int64(h.clusterSize) }

// tableBytes is the size of a table, and entries the number of its entries.
func (h *header) tableBytes() int64 { return int64(h.tableSize) * int64(h.clusterSize) }
func (h *header) entries() int64    { return h.tableBytes() / 8 }

// l2Tables is how many L2 tables the disk needs.
func (h *header) l2Tables() int64 {
	clusters := (int64(h.imageSize) + int64(h.clusterSize) - 1) / int64(h.clusterSize)
	return (clusters + h.entries() - 1) / h.entries()
}

// dirty reports whether the image was not closed.
func (h *header) dirty() bool { return h.features&featureNeedCheck != 0 }
