package evtx

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/guestkit/guestkit/block"
)

const (
	format          = "evtx"
	fileSignature   = "ElfFile\x00"
	chunkSignature  = "ElfChnk\x00"
	headerSize      = 4096 // of the file, unless it says otherwise
	chunkSize       = 64 << 10
	chunkHeaderSize = 512
)

// The flags of a file.
const (
	flagDirty = 1 << 0
	flagFull  = 1 << 1
	flagNoCRC = 1 << 2
)

// fileHeader begins a log.
type fileHeader struct {
	signature  [8]byte // 0x00 "ElfFile"
	firstChunk uint64  // 0x08 number of the oldest
	lastChunk  uint64  // 0x10
	nextRecord uint64  // 0x18
	size       uint32  // 0x20 of what is used of the header: 128
	minor      uint16  // 0x24
	major      uint16  // 0x26
	blockSize  uint16  // 0x28 of the header
	chunks     uint16  // 0x2a
	// 0x2c 76 bytes that are not used
	flags    uint32 // 0x78
	checksum uint32 // 0x7c CRC-32 of the first 120 bytes

	sum uint32 // what the checksum should be
}

func (h *fileHeader) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.signature[:], b)
	h.firstChunk = le.Uint64(b[0x08:])
	h.lastChunk = le.Uint64(b[0x10:])
	h.nextRecord = le.Uint64(b[0x18:])
	h.size = le.Uint32(b[0x20:])
	h.minor = le.Uint16(b[0x24:])
	h.major = le.Uint16(b[0x26:])
	h.blockSize = le.Uint16(b[0x28:])
	h.chunks = le.Uint16(b[0x2a:])
	h.flags = le.Uint32(b[0x78:])
	h.checksum = le.Uint32(b[0x7c:])
	h.sum = crc32.ChecksumIEEE(b[:0x78])
}

func (h *fileHeader) validate() error {
	switch {
	case h.major != 3:
		return block.Errorf(format, "file header", 0x24, block.ErrUnsupported, "version %d.%d", h.major, h.minor)
	case h.blockSize < 128 || h.blockSize%chunkHeaderSize != 0:
		return block.Errorf(format, "file header", 0x28, block.ErrCorrupt, "it says that it has %d bytes", h.blockSize)
	}
	return nil
}

// readHeader reads the header of r. ErrFormat means that r is no event log.
func readHeader(r block.Reader) (*fileHeader, error) {
	if r.Size() < int64(len(fileSignature)) {
		return nil, block.Errorf(format, "file header", 0, block.ErrFormat, "")
	}
	b, err := block.ReadBytes(r, 0, min(r.Size(), 128), 128)
	if err != nil {
		return nil, block.Locate(format, "file header", 0, err)
	}
	if string(b[:8]) != fileSignature {
		return nil, block.Errorf(format, "file header", 0, block.ErrFormat, "")
	}
	if len(b) < 128 {
		return nil, block.Errorf(format, "file header", 0, block.ErrTruncated, "it has %d bytes, %d are there", headerSize, len(b))
	}
	h := new(fileHeader)
	h.decode(b)
	return h, h.validate()
}

// chunkHeader begins a chunk.
type chunkHeader struct {
	signature   [8]byte // 0x00 "ElfChnk"
	firstNumber uint64  // 0x08 of the records in the file
	lastNumber  uint64  // 0x10
	firstID     uint64  // 0x18 of the records
	lastID      uint64  // 0x20
	size        uint32  // 0x28 128
	lastRecord  uint32  // 0x2c its offset
	free        uint32  // 0x30 where the records end
	recordsSum  uint32  // 0x34 CRC-32 of the records
	// 0x38 64 bytes that are not used
	flags    uint32 // 0x78
	checksum uint32 // 0x7c CRC-32 of the header but for the 8 bytes from 0x78
	// 0x80 offsets of 64 common strings, 0x180 of 32 templates
}

func (h *chunkHeader) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.signature[:], b)
	h.firstNumber = le.Uint64(b[0x08:])
	h.lastNumber = le.Uint64(b[0x10:])
	h.firstID = le.Uint64(b[0x18:])
	h.lastID = le.Uint64(b[0x20:])
	h.size = le.Uint32(b[0x28:])
	h.lastRecord = le.Uint32(b[0x2c:])
	h.free = le.Uint32(b[0x30:])
	h.recordsSum = le.Uint32(b[0x34:])
	h.flags = le.Uint32(b[0x78:])
	h.checksum = le.Uint32(b[0x7c:])
}

// headerSum is what the checksum of a chunk's header should be.
func headerSum(b []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(b[:0x78]), crc32.IEEETable, b[0x80:chunkHeaderSize])
}
