package vhdx

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
)

const (
	format = "vhdx"
	kib    = 1 << 10
	mib    = 1 << 20

	fileSignature = "vhdxfile" // at 0, section 2.2.1
	headerSize    = 4 * kib
	headerAt1     = 64 * kib
	headerAt2     = 128 * kib
	// reservedEnd is where log, regions and blocks may begin (section 2.2).
	reservedEnd = 1 * mib
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C of b with the four bytes at 4 taken as zero.
func checksum(b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, b[:4])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	return crc32.Update(sum, castagnoli, b[8:])
}

// header is section 2.2.2.
type header struct {
	signature      [4]byte   // 0x00 "head"
	checksum       uint32    // 0x04
	sequenceNumber uint64    // 0x08
	fileWriteGUID  guid.GUID // 0x10
	dataWriteGUID  guid.GUID // 0x20
	logGUID        guid.GUID // 0x30 zero: the log is empty
	logVersion     uint16    // 0x40
	version        uint16    // 0x42
	logLength      uint32    // 0x44
	logOffset      uint64    // 0x48
}

func (h *header) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.signature[:], b[0x00:])
	h.checksum = le.Uint32(b[0x04:])
	h.sequenceNumber = le.Uint64(b[0x08:])
	copy(h.fileWriteGUID[:], b[0x10:])
	copy(h.dataWriteGUID[:], b[0x20:])
	copy(h.logGUID[:], b[0x30:])
	h.logVersion = le.Uint16(b[0x40:])
	h.version = le.Uint16(b[0x42:])
	h.logLength = le.Uint32(b[0x44:])
	h.logOffset = le.Uint64(b[0x48:])
}

// encode writes the header with its checksum.
func (h *header) encode() []byte {
	b := make([]byte, headerSize)
	le := binary.LittleEndian
	copy(b[0x00:], h.signature[:])
	le.PutUint64(b[0x08:], h.sequenceNumber)
	copy(b[0x10:], h.fileWriteGUID[:])
	copy(b[0x20:], h.dataWriteGUID[:])
	copy(b[0x30:], h.logGUID[:])
	le.PutUint16(b[0x40:], h.logVersion)
	le.PutUint16(b[0x42:], h.version)
	le.PutUint32(b[0x44:], h.logLength)
	le.PutUint64(b[0x48:], h.logOffset)
	le.PutUint32(b[0x04:], checksum(b))
	return b
}

// validate holds the rules for a header at off whose checksum is right, in a
// file of fileSize bytes.
func (h *header) validate(off, fileSize int64) error {
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "header", off+at, class, detail, args...)
	}
	switch {
	case h.version != 1:
		return fault(0x42, block.ErrUnsupported, "version %d, only 1 is read", h.version)
	case h.logGUID.IsZero():
		return nil // the log is not looked at
	case h.logVersion != 0:
		return fault(0x40, block.ErrUnsupported, "log version %d, only 0 is read", h.logVersion)
	case h.logLength == 0 || h.logLength%mib != 0:
		return fault(0x44, block.ErrCorrupt, "a log of %d bytes is no number of MiB", h.logLength)
	case h.logOffset < reservedEnd || h.logOffset%mib != 0:
		return fault(0x48, block.ErrCorrupt, "log at offset %#x", h.logOffset)
	case h.logOffset > uint64(fileSize) || int64(h.logLength) > fileSize-int64(h.logOffset):
		return fault(0x48, block.ErrTruncated, "the log at %#x does not end in the file", h.logOffset)
	}
	return nil
}

// readHeader returns the current header and where it lies. The other one may
// have a wrong checksum, as an update that was interrupted leaves it; problem
// says so.
func readHeader(r block.Reader) (h header, off int64, problem, err error) {
	off = -1
	for _, at := range []int64{headerAt1, headerAt2} {
		b, err := block.ReadBytes(r, at, headerSize, headerSize)
		if err != nil {
			return h, 0, nil, block.Locate(format, "header", at, err)
		}
		var x header
		x.decode(b)
		if string(x.signature[:]) != "head" {
			continue
		}
		if sum := checksum(b); sum != x.checksum {
			problem = block.Errorf(format, "header", at+0x04, block.ErrCorrupt, "checksum %#08x, computed %#08x; the other header is used", x.checksum, sum)
			continue
		}
		switch {
		case off < 0 || x.sequenceNumber > h.sequenceNumber:
			h, off = x, at
		case x.sequenceNumber == h.sequenceNumber && x != h:
			return h, 0, nil, block.Errorf(format, "header", at, block.ErrCorrupt, "both headers have sequence number %d and differ", x.sequenceNumber)
		}
	}
	if off < 0 {
		return h, 0, nil, block.Errorf(format, "header", headerAt1, block.ErrCorrupt, "neither of the two headers is valid")
	}
	return h, off, problem, h.validate(off, r.Size())
}
