package xfs

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/guestkit/guestkit/block"
)

// The log is a ring of basic blocks. Records lie in it one after the other, each
// a header and its data; the first four bytes of every block of data are
// replaced by the number of the round (cycle) in which it was written, and kept
// in the header.
//
//	| header | more headers | data … | header | data … |   ← head, the next round
//	  cycles   for data past            starts here
//	           32 KiB
const (
	recMagic       = 0xfeedbabe
	recHeaderSize  = 328 // that is part of the checksum
	recHeaderI386  = 324 // the same, written by 32-bit x86
	recExtSize     = 260 // of each further header
	recCyclesOff   = 44
	recExtOff      = 4
	cyclesPerBlock = 64
	cycleDataSize  = cyclesPerBlock * basicBlock // data that one header block serves

	maxRecordSize = 256 << 10
	maxInFlight   = 8 // records that may be written at once
	maxLogBytes   = 2 << 30
)

// Byte orders of log items.
const (
	recFormatLE = 1
	recFormatBE = 2
)

// recHeader begins a record.
type recHeader struct {
	magic     uint32   // 0x00
	cycle     uint32   // 0x04
	version   uint32   // 0x08
	length    uint32   // 0x0c of the data
	lsn       uint64   // 0x10 cycle and block of this record
	tailLSN   uint64   // 0x18 where recovery has to begin
	crc       uint32   // 0x20 little-endian
	prevBlock uint32   // 0x24
	numOps    uint32   // 0x28
	format    uint32   // 0x12c, after 64 cycles
	uuid      [16]byte // 0x130
	size      uint32   // 0x140 of the buffer in memory, version 2
}

func (h *recHeader) decode(b []byte) {
	be := binary.BigEndian
	h.magic = be.Uint32(b[0x00:])
	h.cycle = be.Uint32(b[0x04:])
	h.version = be.Uint32(b[0x08:])
	h.length = be.Uint32(b[0x0c:])
	h.lsn = be.Uint64(b[0x10:])
	h.tailLSN = be.Uint64(b[0x18:])
	h.crc = binary.LittleEndian.Uint32(b[0x20:])
	h.prevBlock = be.Uint32(b[0x24:])
	h.numOps = be.Uint32(b[0x28:])
	h.format = be.Uint32(b[0x12c:])
	copy(h.uuid[:], b[0x130:])
	h.size = be.Uint32(b[0x140:])
}

// headers returns how many blocks the headers of the record take.
func (h *recHeader) headers() int64 {
	if h.version&2 != 0 && h.size > cycleDataSize {
		return (int64(h.size) + cycleDataSize - 1) / cycleDataSize
	}
	return 1
}

func (h *recHeader) dataBlocks() int64 { return (int64(h.length) + basicBlock - 1) / basicBlock }
func (h *recHeader) blocks() int64     { return h.headers() + h.dataBlocks() }

// journal is the log as it lies on disk.
type journal struct {
	r      block.Reader
	off    int64 // in bytes
	blocks int64
	sb     *superblock
}

// at returns the offset in bytes of a block of the ring.
func (j *journal) at(blk int64) int64 { return j.off + blk%j.blocks*basicBlock }

// read reads blocks of the ring, around its end if need be.
func (j *journal) read(blk, n int64) ([]byte, error) {
	blk %= j.blocks
	if n > j.blocks {
		return nil, block.Errorf(format, "log record", j.at(blk), block.ErrCorrupt, "larger than the log")
	}
	first := min(n, j.blocks-blk)
	b, err := block.ReadBytes(j.r, j.at(blk), first*basicBlock, maxLogBytes)
	if err == nil && first < n {
		var rest []byte
		rest, err = block.ReadBytes(j.r, j.off, (n-first)*basicBlock, maxLogBytes)
		b = append(b, rest...)
	}
	return b, block.Locate(format, "log", j.at(blk), err)
}

// blockCycle returns the cycle that the first bytes of a block tell.
func blockCycle(b []byte) uint32 {
	if c := binary.BigEndian.Uint32(b); c != recMagic {
		return c
	}
	return binary.BigEndian.Uint32(b[4:])
}

func (j *journal) cycle(blk int64) (uint32, error) {
	b, err := j.read(blk, 1)
	if err != nil {
		return 0, err
	}
	return blockCycle(b), nil
}

func (j *journal) corrupt(blk int64, detail string, args ...any) error {
	return block.Errorf(format, "log record", j.at(blk), block.ErrCorrupt, "%s (block %d of the log)", fmt.Sprintf(detail, args...), blk)
}

// header reads and checks the header of the record at a block.
func (j *journal) header(blk int64) (recHeader, error) {
	var h recHeader
	b, err := j.read(blk, 1)
	if err != nil {
		return h, err
	}
	h.decode(b)
	switch {
	case h.magic != recMagic:
		return h, j.corrupt(blk, "magic is %#x", h.magic)
	case h.version == 0 || h.version > 3:
		return h, block.Errorf(format, "log record", j.at(blk), block.ErrUnsupported, "version %d", h.version)
	case h.length == 0 || h.length > maxRecordSize || h.size > maxRecordSize && h.version&2 != 0:
		return h, j.corrupt(blk, "%d bytes of data, buffer of %d", h.length, h.size)
	case h.length > cycleDataSize*uint32(h.headers()):
		// mkfs says 32 KiB whatever it writes; its record needs no more headers.
		if h.numOps != 1 {
			return h, j.corrupt(blk, "%d bytes of data in a buffer of %d", h.length, h.size)
		}
		h.size = h.length
	}
	if h.uuid != j.sb.uuid && h.uuid != [16]byte{} {
		return h, j.corrupt(blk, "it belongs to filesystem %s", formatUUID(h.uuid))
	}
	return h, nil
}

// record reads the record at a block with its data unpacked, and checks it.
func (j *journal) record(blk int64) (recHeader, []byte, error) {
	h, err := j.header(blk)
	if err != nil {
		return h, nil, err
	}
	b, err := j.read(blk, h.blocks())
	if err != nil {
		return h, nil, err
	}
	data := b[h.headers()*basicBlock:]
	if j.sb.v5() && !h.checksumOK(b, data) {
		return h, nil, j.corrupt(blk, "checksum is wrong")
	}
	for i := int64(0); i < h.dataBlocks(); i++ {
		cycle := h.cycle
		if blk+h.headers()+i >= j.blocks { // past the end of the ring
			cycle++
		}
		if c := binary.BigEndian.Uint32(data[i*basicBlock:]); c != cycle {
			return h, nil, j.corrupt(blk, "block %d was written in cycle %d, not %d", i, c, cycle)
		}
		copy(data[i*basicBlock:], b[cycleOff(i):][:4])
	}
	return h, data[:h.length], nil
}

// cycleOff returns where, from the start of a record, the first four bytes of
// its data block i are kept.
func cycleOff(i int64) int64 {
	if i < cyclesPerBlock {
		return recCyclesOff + 4*i
	}
	return i/cyclesPerBlock*basicBlock + recExtOff + 4*(i%cyclesPerBlock)
}

// checksumOK checks a whole record, still packed. The checksum covers as many
// headers as the data needs (xlog_cksum), however many the buffer has.
func (h *recHeader) checksumOK(b, data []byte) bool {
	headers := (int64(h.length) + cycleDataSize - 1) / cycleDataSize
	for _, size := range [...]int{recHeaderSize, recHeaderI386} {
		c := checksum(b[:size], 0x20)
		for i := int64(1); i < headers; i++ {
			c = crc32.Update(c, castagnoli, b[i*basicBlock:][:recExtSize])
		}
		if crc32.Update(c, castagnoli, data[:h.length]) == h.crc {
			return true
		}
	}
	return false
}
