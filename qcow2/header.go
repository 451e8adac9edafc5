package qcow2

import (
	"encoding/binary"
	"math"

	"github.com/guestkit/guestkit/block"
)

const (
	format = "qcow2"

	magic = 0x514649fb // "QFI\xfb"

	headerLenV2    = 72  // a version 2 header has no header_length field
	headerLenV3    = 104 // the shortest version 3 header
	headerLenKnown = 112 // with the compression type and its padding

	minClusterBits  = 9
	maxClusterBits  = 21
	maxRefcountBits = 6 // refcount_order: 1 << 6 bits
	subclusters     = 32
)

// header is the qcow2 header.
type header struct {
	magic                 uint32 // 0x00
	version               uint32 // 0x04
	backingFileOffset     uint64 // 0x08
	backingFileSize       uint32 // 0x10
	clusterBits           uint32 // 0x14
	size                  uint64 // 0x18: of the virtual disk
	cryptMethod           uint32 // 0x20
	l1Size                uint32 // 0x24: in entries
	l1TableOffset         uint64 // 0x28
	refcountTableOffset   uint64 // 0x30
	refcountTableClusters uint32 // 0x38
	nbSnapshots           uint32 // 0x3c
	snapshotsOffset       uint64 // 0x40

	// Version 3 only; decode gives version 2 the values that it stands for.
	incompatibleFeatures uint64 // 0x48
	compatibleFeatures   uint64 // 0x50
	autoclearFeatures    uint64 // 0x58
	refcountOrder        uint32 // 0x60
	headerLength         uint32 // 0x64
	compressionType      uint8  // 0x68: where headerLength holds it
}

// decode takes the first bytes of an image; bytes that are missing are zeros.
func (h *header) decode(src []byte) {
	var b [headerLenKnown]byte
	copy(b[:], src)
	be := binary.BigEndian
	*h = header{
		magic:                 be.Uint32(b[0x00:]),
		version:               be.Uint32(b[0x04:]),
		backingFileOffset:     be.Uint64(b[0x08:]),
		backingFileSize:       be.Uint32(b[0x10:]),
		clusterBits:           be.Uint32(b[0x14:]),
		size:                  be.Uint64(b[0x18:]),
		cryptMethod:           be.Uint32(b[0x20:]),
		l1Size:                be.Uint32(b[0x24:]),
		l1TableOffset:         be.Uint64(b[0x28:]),
		refcountTableOffset:   be.Uint64(b[0x30:]),
		refcountTableClusters: be.Uint32(b[0x38:]),
		nbSnapshots:           be.Uint32(b[0x3c:]),
		snapshotsOffset:       be.Uint64(b[0x40:]),
		refcountOrder:         4,
		headerLength:          headerLenV2,
	}
	if h.version < 3 {
		return
	}
	h.incompatibleFeatures = be.Uint64(b[0x48:])
	h.compatibleFeatures = be.Uint64(b[0x50:])
	h.autoclearFeatures = be.Uint64(b[0x58:])
	h.refcountOrder = be.Uint32(b[0x60:])
	h.headerLength = be.Uint32(b[0x64:])
	if h.headerLength > 0x68 {
		h.compressionType = b[0x68]
	}
}

// encode writes the header into b, which has at least headerLength bytes; those
// past the known fields are left as they are.
func (h *header) encode(b []byte) {
	be := binary.BigEndian
	be.PutUint32(b[0x00:], h.magic)
	be.PutUint32(b[0x04:], h.version)
	be.PutUint64(b[0x08:], h.backingFileOffset)
	be.PutUint32(b[0x10:], h.backingFileSize)
	be.PutUint32(b[0x14:], h.clusterBits)
	be.PutUint64(b[0x18:], h.size)
	be.PutUint32(b[0x20:], h.cryptMethod)
	be.PutUint32(b[0x24:], h.l1Size)
	be.PutUint64(b[0x28:], h.l1TableOffset)
	be.PutUint64(b[0x30:], h.refcountTableOffset)
	be.PutUint32(b[0x38:], h.refcountTableClusters)
	be.PutUint32(b[0x3c:], h.nbSnapshots)
	be.PutUint64(b[0x40:], h.snapshotsOffset)
	if h.version < 3 {
		return
	}
	be.PutUint64(b[0x48:], h.incompatibleFeatures)
	be.PutUint64(b[0x50:], h.compatibleFeatures)
	be.PutUint64(b[0x58:], h.autoclearFeatures)
	be.PutUint32(b[0x60:], h.refcountOrder)
	be.PutUint32(b[0x64:], h.headerLength)
	if h.headerLength > 0x68 {
		b[0x68] = h.compressionType
	}
}

func (h *header) clusterSize() int64 { return 1 << h.clusterBits }
func (h *header) extendedL2() bool   { return h.incompatibleFeatures&incompatExtendedL2 != 0 }
func (h *header) dataFile() bool     { return h.incompatibleFeatures&incompatDataFile != 0 }

// l2EntrySize is 8 bytes, or 16 with extended L2 entries.
func (h *header) l2EntrySize() int64 {
	if h.extendedL2() {
		return 16
	}
	return 8
}

// l2Span is how many guest bytes one L2 table maps: at most 1 << 39.
func (h *header) l2Span() int64 {
	return h.clusterSize() / h.l2EntrySize() * h.clusterSize()
}

// l1Need is how many L1 entries a disk of the given size takes.
func (h *header) l1Need(size int64) int64 {
	span := h.l2Span()
	n := size / span
	if size%span != 0 {
		n++
	}
	return n
}

func corrupt(what string, off int64, detail string, args ...any) error {
	return block.Errorf(format, what, off, block.ErrCorrupt, detail, args...)
}

// validate checks what the header says by itself and against the size of the
// file. Unknown feature bits are named by the extensions, which come later.
func (h *header) validate(fileSize int64, lim *Limits) error {
	if h.version != 2 && h.version != 3 {
		return block.Errorf(format, "header version", 0x04, block.ErrUnsupported, "version %d", h.version)
	}
	if h.clusterBits < minClusterBits || h.clusterBits > maxClusterBits {
		return corrupt("header cluster_bits", 0x14, "%d is not in %d to %d", h.clusterBits, minClusterBits, maxClusterBits)
	}
	if h.version >= 3 {
		if h.headerLength < headerLenV3 || int64(h.headerLength) > h.clusterSize() {
			return corrupt("header header_length", 0x64, "%d is not in %d to the cluster size %d", h.headerLength, headerLenV3, h.clusterSize())
		}
		if int64(h.headerLength) > fileSize {
			return block.Errorf(format, "header", 0, block.ErrTruncated, "the file has %d of its %d bytes", fileSize, h.headerLength)
		}
	}
	if h.refcountOrder > maxRefcountBits {
		return corrupt("header refcount_order", 0x60, "%d is more than %d", h.refcountOrder, maxRefcountBits)
	}
	if h.size > math.MaxInt64 {
		return corrupt("header size", 0x18, "%#x bytes", h.size)
	}
	if h.backingFileOffset != 0 {
		if h.backingFileOffset > uint64(h.clusterSize()) || int64(h.backingFileSize) > h.clusterSize()-int64(h.backingFileOffset) {
			return corrupt("header backing_file_offset", 0x08, "the name (%d bytes at %#x) leaves the first cluster", h.backingFileSize, h.backingFileOffset)
		}
		if int64(h.backingFileSize) > lim.BackingName {
			return block.Errorf(format, "header backing_file_size", 0x10, block.ErrLimit, "%d bytes, at most %d are allowed", h.backingFileSize, lim.BackingName)
		}
	}
	return nil
}

// validateTables checks where the tables lie. It comes after the feature bits,
// since what it computes depends on them.
func (h *header) validateTables(fileSize int64, lim *Limits) error {
	if h.extendedL2() && h.clusterSize()/subclusters < 512 {
		return corrupt("header cluster_bits", 0x14, "%d is too small for subclusters", h.clusterBits)
	}
	if need := h.l1Need(int64(h.size)); need*8 > lim.L1Table {
		return block.Errorf(format, "L1 table", 0x18, block.ErrLimit, "a disk of %d bytes needs %d entries; %d bytes are allowed", h.size, need, lim.L1Table)
	}
	if err := h.validateL1("L1 table", 0x28, h.l1TableOffset, h.l1Size, int64(h.size), fileSize, lim); err != nil {
		return err
	}
	rt := int64(h.refcountTableClusters) << h.clusterBits
	switch {
	case rt > lim.RefcountTable:
		return block.Errorf(format, "refcount table", 0x38, block.ErrLimit, "%d bytes, at most %d are allowed", rt, lim.RefcountTable)
	case rt == 0:
		return corrupt("refcount table", 0x38, "there is none")
	}
	if err := h.validateTable("refcount table", 0x30, h.refcountTableOffset, rt, fileSize); err != nil {
		return err
	}
	if int64(h.nbSnapshots) > lim.Snapshots {
		return block.Errorf(format, "snapshot table", 0x3c, block.ErrLimit, "%d snapshots, at most %d are allowed", h.nbSnapshots, lim.Snapshots)
	}
	if h.nbSnapshots > 0 {
		return h.validateTable("snapshot table", 0x40, h.snapshotsOffset, snapshotHeaderLen, fileSize)
	}
	return nil
}

// validateL1 checks an L1 table of the given number of entries for a disk of
// size bytes. field is where its offset is stored.
func (h *header) validateL1(what string, field int64, off uint64, entries uint32, size, fileSize int64, lim *Limits) error {
	n := int64(entries) * 8
	if n > lim.L1Table {
		return block.Errorf(format, what, field, block.ErrLimit, "%d bytes, at most %d are allowed", n, lim.L1Table)
	}
	if need := h.l1Need(size); int64(entries) < need {
		return corrupt(what, field, "%d entries are too few for %d bytes, which take %d", entries, size, need)
	}
	if n == 0 {
		return nil
	}
	return h.validateTable(what, field, off, n, fileSize)
}

// validateTable checks that a table is aligned, is not the header, and lies in
// the file.
func (h *header) validateTable(what string, field int64, off uint64, n, fileSize int64) error {
	switch {
	case off&uint64(h.clusterSize()-1) != 0 || off > math.MaxInt64:
		return corrupt(what, field, "its offset %#x is no multiple of the cluster size %d", off, h.clusterSize())
	case off == 0:
		return corrupt(what, field, "it lies over the header")
	case int64(off) > fileSize || n > fileSize-int64(off):
		return block.Errorf(format, what, field, block.ErrTruncated, "%d bytes at %#x pass the end of the file at %#x", n, off, fileSize)
	}
	return nil
}
