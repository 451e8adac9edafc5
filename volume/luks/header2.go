package luks

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/luks1"
)

const (
	magic2     = "SKUL\xba\xbe" // of the secondary header
	binarySize = 4096
	minHeader  = 16 << 10
	maxHeader  = 4 << 20
	csumOff    = 0x1c0
)

// binaryHeader is the binary header of LUKS2. Integers are big-endian.
type binaryHeader struct {
	magic       [6]byte  // 0x000
	version     uint16   // 0x006
	hdrSize     uint64   // 0x008 with the JSON area
	seqID       uint64   // 0x010
	label       string   // 0x018, 48 bytes
	checksumAlg string   // 0x048, 32 bytes
	salt        [64]byte // 0x068
	uuid        string   // 0x0a8, 40 bytes
	subsystem   string   // 0x0d0, 48 bytes
	hdrOffset   uint64   // 0x100
	csum        [64]byte // 0x1c0 of the header and its JSON area
}

func (h *binaryHeader) decode(b []byte) {
	be := binary.BigEndian
	copy(h.magic[:], b)
	h.version = be.Uint16(b[0x006:])
	h.hdrSize = be.Uint64(b[0x008:])
	h.seqID = be.Uint64(b[0x010:])
	h.label = cString(b[0x018:0x048])
	h.checksumAlg = cString(b[0x048:0x068])
	copy(h.salt[:], b[0x068:])
	h.uuid = cString(b[0x0a8:0x0d0])
	h.subsystem = cString(b[0x0d0:0x100])
	h.hdrOffset = be.Uint64(b[0x100:])
	copy(h.csum[:], b[csumOff:])
}

func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

// validate checks the header at off, whose magic is right.
func (h *binaryHeader) validate(off int64) error {
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf("luks2", "binary header", off+at, class, detail, args...)
	}
	switch {
	case h.version != 2:
		return fault(0x006, block.ErrUnsupported, "version %d", h.version)
	case h.hdrOffset != uint64(off):
		return fault(0x100, block.ErrCorrupt, "it says that it lies at %#x", h.hdrOffset)
	case h.hdrSize < minHeader || h.hdrSize > maxHeader || h.hdrSize&(h.hdrSize-1) != 0:
		return fault(0x008, block.ErrCorrupt, "a size of %d bytes", h.hdrSize)
	case off != 0 && h.hdrSize != uint64(off):
		return fault(0x008, block.ErrCorrupt, "a size of %d bytes, but the secondary header follows the first one", h.hdrSize)
	}
	return nil
}

// checksum hashes a header with its JSON area, the checksum itself as zeros.
func (h *binaryHeader) checksum(b []byte) ([]byte, error) {
	var zero [64]byte
	all := [][]byte{b[:csumOff], zero[:], b[csumOff+len(zero):]}
	sum := sha256.New()
	switch h.checksumAlg {
	case "sha256":
	case "sha1":
		sum = sha1.New()
	case "sha512":
		sum = sha512.New()
	default:
		return nil, block.Errorf("luks2", "binary header", int64(h.hdrOffset)+0x048, block.ErrUnsupported, "checksum %q", h.checksumAlg)
	}
	for _, p := range all {
		sum.Write(p)
	}
	return sum.Sum(nil), nil
}

// readCopy reads the copy of the headers at off: the binary header and the
// metadata of its JSON area.
func readCopy(r block.Reader, off int64) (*binaryHeader, []byte, error) {
	magic := luks1.Magic
	if off != 0 {
		magic = magic2
	}
	if r.Size() < off+binarySize {
		return nil, nil, block.Errorf("luks2", "binary header", off, block.ErrFormat, "")
	}
	b, err := block.ReadBytes(r, off, binarySize, binarySize)
	if err != nil {
		return nil, nil, block.Locate("luks2", "binary header", off, err)
	}
	h := new(binaryHeader)
	h.decode(b)
	if string(h.magic[:]) != magic {
		return nil, nil, block.Errorf("luks2", "binary header", off, block.ErrFormat, "")
	}
	if err := h.validate(off); err != nil {
		return nil, nil, err
	}
	b, err = block.ReadBytes(r, off, int64(h.hdrSize), maxHeader)
	if err != nil {
		return nil, nil, block.Locate("luks2", "JSON area", off+binarySize, err)
	}
	sum, err := h.checksum(b)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.Equal(sum, h.csum[:len(sum)]) {
		return nil, nil, block.Errorf("luks2", "binary header", off+csumOff, block.ErrCorrupt, "bad checksum")
	}
	json, _, _ := bytes.Cut(b[binarySize:], []byte{0})
	return h, json, nil
}

// A copy2 is one of the two copies of the headers.
type copy2 struct {
	off int64
	h   *binaryHeader
	m   *metadata
	err error // of class block.ErrUnsupported where the copy is sound
}

func (c *copy2) sound() bool {
	return c.h != nil && (c.err == nil || errors.Is(c.err, block.ErrUnsupported))
}

func copyAt(r block.Reader, off int64) copy2 {
	h, text, err := readCopy(r, off)
	if err != nil {
		return copy2{off: off, err: err}
	}
	m, err := parseMetadata(text, int64(h.hdrSize), off+binarySize)
	return copy2{off, h, m, err}
}

// open2 reads both copies and takes the newer sound one.
func (v *Volume) open2(r block.Reader, detached bool) error {
	first := copyAt(r, 0)
	second := copy2{err: block.Errorf("luks2", "secondary header", -1, block.ErrFormat, "")}
	if first.h != nil {
		second = copyAt(r, int64(first.h.hdrSize))
	} else {
		for off := int64(minHeader); off <= maxHeader && !second.sound(); off *= 2 {
			if c := copyAt(r, off); c.h != nil || !errors.Is(c.err, block.ErrFormat) {
				second = c
			}
		}
	}
	use, other, name := &first, &second, "secondary header"
	if !first.sound() || second.sound() && second.h.seqID > first.h.seqID {
		use, other, name = &second, &first, "binary header"
	}
	switch {
	case !use.sound() && errors.Is(first.err, block.ErrFormat) && !errors.Is(second.err, block.ErrFormat):
		return second.err
	case !use.sound():
		return first.err
	case use.err != nil:
		return use.err
	case errors.Is(other.err, block.ErrFormat):
		v.problems.Add(block.Errorf("luks2", name, other.off, block.ErrCorrupt, "there is none; the other copy is read"))
	case !other.sound():
		v.problems.Add(other.err)
	case other.h.seqID != use.h.seqID:
		v.problems.Add(block.Errorf("luks2", name, other.off, block.ErrCorrupt, "its sequence number %d is lower than %d, that of the copy that is read", other.h.seqID, use.h.seqID))
	}
	return v.use(r, use.h, use.m, detached)
}
