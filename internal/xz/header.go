package xz

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"math"

	"github.com/guestkit/guestkit/block"
)

// HeaderLen is the length of the header and of the footer of a stream, in bytes.
const HeaderLen = 12

const (
	magic       = "\xfd7zXZ\x00"
	footerMagic = "YZ"
)

// The kinds of checksums of blocks.
const (
	checkNone   = 0
	checkCRC32  = 1
	checkCRC64  = 4
	checkSHA256 = 10
)

// ErrHeader says that what follows is no stream.
var ErrHeader = errors.New("no header where one should be")

var crc64Table = crc64.MakeTable(crc64.ECMA)

// Sum makes the checksum of a kind, nil for checkNone.
func Sum(check byte) (hash.Hash, error) {
	switch check {
	case checkNone:
		return nil, nil
	case checkCRC32:
		return crc32.NewIEEE(), nil
	case checkCRC64:
		return crc64.New(crc64Table), nil
	case checkSHA256:
		return sha256.New(), nil
	}
	return nil, block.Errorf("xz", "stream header", -1, block.ErrUnsupported, "checksums of the kind %d", check)
}

// SumBytes are the bytes of a checksum as a block ends with them.
func SumBytes(h hash.Hash, check byte) []byte {
	b := h.Sum(nil)
	if check != checkSHA256 { // little-endian
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
	return b
}

var filterNames = map[uint64]string{3: "delta", 4: "x86", 5: "PowerPC", 6: "IA-64", 7: "ARM", 8: "ARM-Thumb", 9: "SPARC", 10: "ARM64", 11: "RISC-V"}

const filterLZMA2 = 0x21

// A Filter is what a block was passed through before LZMA2.
type Filter struct {
	ID    uint64
	Props []byte
}

func (f Filter) String() string {
	if name := filterNames[f.ID]; name != "" {
		return name
	}
	return fmt.Sprintf("%#x", f.ID)
}

// A BlockHeader is what the header of a block says.
type BlockHeader struct {
	Packed, Size int64 // -1 where it does not say
	Dict         int64 // bytes that LZMA2 looks back
	Filters      []Filter
}

// ParseBlock decodes the header of a block: all of it, from the byte that says
// its length.
func ParseBlock(h []byte) (*BlockHeader, error) {
	body := h[:len(h)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(h[len(body):]) {
		return nil, errors.New("the checksum of a block header is wrong")
	}
	b := &BlockHeader{Packed: -1, Size: -1, Dict: -1}
	flags, rest := body[1], body[2:]
	var err error
	next := func() (v uint64) {
		if err == nil {
			v, rest, err = vli(rest)
		}
		return v
	}
	if flags&0x3c != 0 {
		return nil, block.Errorf("xz", "block header", -1, block.ErrUnsupported, "flags %#x", flags)
	}
	if flags&0x40 != 0 {
		b.Packed = int64(next())
	}
	if flags&0x80 != 0 {
		b.Size = int64(next())
	}
	for range int(flags&3) + 1 {
		id, n := next(), next()
		if err == nil && n > uint64(len(rest)) {
			err = errors.New("a block header ends inside of a filter")
		}
		switch {
		case err != nil:
			return nil, err
		case b.Dict >= 0:
			return nil, errors.New("a filter comes behind LZMA2")
		case id != filterLZMA2:
			b.Filters = append(b.Filters, Filter{id, rest[:n]})
		case n != 1 || rest[0] > 40:
			return nil, errors.New("the LZMA2 filter of a block is wrong")
		case rest[0] == 40:
			b.Dict = math.MaxUint32
		default:
			b.Dict = int64(2|rest[0]&1) << (rest[0]/2 + 11)
		}
		rest = rest[n:]
	}
	if b.Dict < 0 {
		return nil, block.Errorf("xz", "block header", -1, block.ErrUnsupported, "the filter %s, and no LZMA2", b.Filters[len(b.Filters)-1])
	}
	if len(bytes.TrimLeft(rest, "\x00")) > 0 {
		return nil, block.Errorf("xz", "block header", -1, block.ErrUnsupported, "it has more than is known")
	}
	return b, nil
}

// StreamHeader decodes the header of a stream.
func StreamHeader(b []byte) (check byte, err error) {
	if string(b[:6]) != magic {
		return 0, ErrHeader
	}
	if crc32.ChecksumIEEE(b[6:8]) != binary.LittleEndian.Uint32(b[8:]) {
		return 0, errors.New("the checksum of the stream header is wrong")
	}
	return flags(b[6:8])
}

func flags(b []byte) (check byte, err error) {
	if b[0] != 0 || b[1] > 15 {
		return 0, block.Errorf("xz", "stream flags", -1, block.ErrUnsupported, "%x", b[:2])
	}
	_, err = Sum(b[1])
	return b[1], err
}

// vli decodes a number of at most 63 bits and returns what follows it.
func vli(b []byte) (uint64, []byte, error) {
	var v uint64
	for i, c := range b {
		v |= uint64(c&0x7f) << (7 * i)
		switch {
		case c < 0x80 && (c != 0 || i == 0):
			return v, b[i+1:], nil
		case c == 0 || i == 8:
			return 0, nil, errors.New("a number is none")
		}
	}
	return 0, nil, errors.New("a number does not end")
}

// Footer decodes the footer of a stream: the length of the index before it,
// and the kind of checksums.
func Footer(b []byte) (indexLen int64, check byte, err error) {
	if string(b[10:12]) != footerMagic || crc32.ChecksumIEEE(b[4:10]) != binary.LittleEndian.Uint32(b) {
		return 0, 0, errors.New("the footer of a stream is wrong")
	}
	check, err = flags(b[8:10])
	return (int64(binary.LittleEndian.Uint32(b[4:])) + 1) * 4, check, err
}
