package vmdk

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	sparseMagic = "KDMV"
	headerSize  = 512

	// Limits of a sparse extent, those of qemu: sectors a grain, entries a
	// grain table, entries of the grain directory.
	maxGrain     = 0x200000
	maxTable     = 512
	maxDirectory = 32 << 20

	directoryAtEnd = 1<<64 - 1 // a gdOffset that sends the reader to the footer
)

// Flags of a sparse header.
const (
	flagNewlines   = 1 << 0 // the line end characters are to be checked
	flagRedundant  = 1 << 1 // there is a redundant grain directory
	flagZeroGrain  = 1 << 2 // a grain table entry of 1 is a grain of zeros
	flagCompressed = 1 << 16
	flagMarkers    = 1 << 17
)

const (
	compressNone    = 0
	compressDeflate = 1
)

// sparseHeader is the header of a hosted sparse extent, and its footer.
type sparseHeader struct {
	magic            [4]byte // 0x00 "KDMV"
	version          uint32  // 0x04
	flags            uint32  // 0x08
	capacity         uint64  // 0x0c sectors of the disk
	grainSize        uint64  // 0x14 sectors
	descriptorOffset uint64  // 0x1c sectors
	descriptorSize   uint64  // 0x24 sectors
	numGTEsPerGT     uint32  // 0x2c
	rgdOffset        uint64  // 0x30 sectors, redundant grain directory
	gdOffset         uint64  // 0x38 sectors
	overHead         uint64  // 0x40 sectors before the first grain
	uncleanShutdown  uint8   // 0x48
	singleEndLine    byte    // 0x49 "\n"
	nonEndLine       byte    // 0x4a " "
	doubleEndLine1   byte    // 0x4b "\r"
	doubleEndLine2   byte    // 0x4c "\n"
	compressAlgo     uint16  // 0x4d
	// set tells extents that are of one disk; 0 if the header has none. The format
	// leaves these bytes free, and so do other programs.
	set uint32 // 0x54 behind the mark "GKST"
}

const (
	setMark = "GKST"
	// setKey is the entry of the disk data base that has the same number.
	setKey = "guestkit.set"
)

func (h *sparseHeader) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.magic[:], b[0x00:])
	h.version = le.Uint32(b[0x04:])
	h.flags = le.Uint32(b[0x08:])
	h.capacity = le.Uint64(b[0x0c:])
	h.grainSize = le.Uint64(b[0x14:])
	h.descriptorOffset = le.Uint64(b[0x1c:])
	h.descriptorSize = le.Uint64(b[0x24:])
	h.numGTEsPerGT = le.Uint32(b[0x2c:])
	h.rgdOffset = le.Uint64(b[0x30:])
	h.gdOffset = le.Uint64(b[0x38:])
	h.overHead = le.Uint64(b[0x40:])
	h.uncleanShutdown = b[0x48]
	h.singleEndLine, h.nonEndLine, h.doubleEndLine1, h.doubleEndLine2 = b[0x49], b[0x4a], b[0x4b], b[0x4c]
	h.compressAlgo = le.Uint16(b[0x4d:])
	if string(b[0x50:0x54]) == setMark {
		h.set = le.Uint32(b[0x54:])
	}
}

func (h *sparseHeader) encode() []byte {
	b := make([]byte, headerSize)
	le := binary.LittleEndian
	copy(b[0x00:], h.magic[:])
	le.PutUint32(b[0x04:], h.version)
	le.PutUint32(b[0x08:], h.flags)
	le.PutUint64(b[0x0c:], h.capacity)
	le.PutUint64(b[0x14:], h.grainSize)
	le.PutUint64(b[0x1c:], h.descriptorOffset)
	le.PutUint64(b[0x24:], h.descriptorSize)
	le.PutUint32(b[0x2c:], h.numGTEsPerGT)
	le.PutUint64(b[0x30:], h.rgdOffset)
	le.PutUint64(b[0x38:], h.gdOffset)
	le.PutUint64(b[0x40:], h.overHead)
	b[0x48] = h.uncleanShutdown
	b[0x49], b[0x4a], b[0x4b], b[0x4c] = h.singleEndLine, h.nonEndLine, h.doubleEndLine1, h.doubleEndLine2
	le.PutUint16(b[0x4d:], h.compressAlgo)
	if h.set != 0 {
		copy(b[0x50:], setMark)
		le.PutUint32(b[0x54:], h.set)
	}
	return b
}

// validate holds the rules for a header or footer at off in a file of fileSize
// bytes. What it accepts does not overflow when sectors become bytes.
func (h *sparseHeader) validate(off, fileSize int64) error {
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "sparse header", off+at, class, detail, args...)
	}
	compressed := h.flags&flagCompressed != 0
	switch {
	case string(h.magic[:]) != sparseMagic:
		return fault(0, block.ErrFormat, "")
	case h.version < 1 || h.version > 3:
		return fault(0x04, block.ErrUnsupported, "version %d, 1 to 3 are read", h.version)
	case h.flags&flagNewlines != 0 && (h.singleEndLine != '\n' || h.nonEndLine != ' ' || h.doubleEndLine1 != '\r' || h.doubleEndLine2 != '\n'):
		return fault(0x49, block.ErrCorrupt, "the line ends were changed, as by a transfer as text")
	case h.grainSize == 0 || h.grainSize > maxGrain || h.grainSize&(h.grainSize-1) != 0:
		return fault(0x14, block.ErrCorrupt, "grains of %d sectors; a power of two to %d is valid", h.grainSize, maxGrain)
	case h.numGTEsPerGT == 0:
		return fault(0x2c, block.ErrCorrupt, "grain tables of no entries")
	case h.numGTEsPerGT > maxTable:
		return fault(0x2c, block.ErrLimit, "grain tables of %d entries, at most %d are read", h.numGTEsPerGT, maxTable)
	case h.capacity > MaxSize/sectorSize:
		return fault(0x0c, block.ErrLimit, "a disk of %d sectors", h.capacity)
	case h.directoryEntries() > maxDirectory:
		return fault(0x0c, block.ErrLimit, "a grain directory of %d entries, at most %d are read", h.directoryEntries(), int64(maxDirectory))
	case compressed && h.compressAlgo != compressDeflate || !compressed && h.compressAlgo != compressNone:
		return fault(0x4d, block.ErrUnsupported, "compression algorithm %d with flags %#x", h.compressAlgo, h.flags)
	case compressed != (h.flags&flagMarkers != 0):
		return fault(0x08, block.ErrUnsupported, "flags %#x", h.flags)
	case h.descriptorOffset != 0 && h.descriptorSize > MaxDescriptor/sectorSize+1:
		return fault(0x24, block.ErrLimit, "a descriptor of %d sectors", h.descriptorSize)
	case h.descriptorOffset > uint64(fileSize)/sectorSize:
		return fault(0x1c, block.ErrCorrupt, "descriptor at sector %#x, past the end of the file", h.descriptorOffset)
	}
	return nil
}

// directoryEntries is how many entries the grain directory has.
func (h *sparseHeader) directoryEntries() int64 {
	per := int64(h.grainSize) * int64(h.numGTEsPerGT)
	return (int64(h.capacity) + per - 1) / per
}
