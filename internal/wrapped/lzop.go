package wrapped

import (
	"bytes"
	"encoding/binary"
	"hash/adler32"
	"hash/crc32"
	"io"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/lzo"
)

// Files of lzop 1.00 and later: a header, blocks that are compressed each by itself,
// and four bytes of zero. The source is lzop.c and conf.h of lzop 1.04.
const (
	lzopMagic    = "\x89LZO\x00\r\n\x1a\n"
	maxLzopBlock = 16 << 20 // bytes; lzop makes blocks of 256 KiB
	// maxLzopScan is how many blocks and headers are passed over to find the size of a file;
	// one of more is decoded.
	maxLzopScan = 1 << 20
	// lzopHeaderRoom holds most headers: a name has up to 255 bytes.
	lzopHeaderRoom = 512
)

// The flags of the header.
const (
	lzopAdlerData  = 1 << 0
	lzopAdlerPack  = 1 << 1
	lzopExtra      = 1 << 6
	lzopCRCData    = 1 << 8
	lzopCRCPack    = 1 << 9
	lzopMultipart  = 1 << 10
	lzopFilter     = 1 << 11
	lzopHeaderCRC  = 1 << 12
	lzopSums       = lzopAdlerData | lzopAdlerPack | lzopCRCData | lzopCRCPack
	lzopNewVersion = 0x0940 // from which on there are more fields
)

// lzopCodec reads the blocks one by one.
type lzopCodec struct {
	inside bool
	later  bool // not the first header
	flags  uint32
	block  []byte
	packed []byte
}

// newLzopCodec starts at a point, which keeps the flags of checksums.
func newLzopCodec(at point) *lzopCodec {
	c := &lzopCodec{}
	if at.check&0x80 != 0 {
		c.inside, c.flags = true, uint32(at.check&3)|uint32(at.check>>2&3)<<8
	}
	return c
}

func (c *lzopCodec) at(in, out int64) point { return lzopPoint(in, out, c.flags) }

func lzopPoint(in, out int64, flags uint32) point {
	return point{in: in, out: out, check: byte(0x80 | flags&3 | flags>>8&3<<2)}
}

func (c *lzopCodec) open(in *input) (io.Reader, error) {
	for {
		if !c.inside {
			if c.later {
				b, err := in.Peek(1)
				if err != nil {
					return nil, err // io.EOF: the end
				}
				if b[0] == 0 {
					return nil, zerosToEnd(in)
				}
			}
			flags, err := readLzopHeader(in)
			if err != nil {
				return nil, err
			}
			c.flags, c.inside, c.later = flags, true, true
		}
		h, err := readLzopBlock(in, c.flags)
		if err != nil {
			return nil, err
		}
		if h.size > 0 {
			return c.decode(in, h)
		}
		c.inside, c.later = false, true
	}
}

// lzopBlock is the header of a block.
type lzopBlock struct {
	size, packed   uint32
	data, pack     [2]uint32 // Adler-32 and CRC-32
	hasData, hasPk [2]bool
}

// readLzopBlock reads the header of a block; that of the end has the size 0.
func readLzopBlock(in io.Reader, flags uint32) (h lzopBlock, err error) {
	word := func() uint32 {
		var b [4]byte
		if err == nil {
			err = full(in, b[:])
		}
		return binary.BigEndian.Uint32(b[:])
	}
	if h.size = word(); h.size == 0 || err != nil {
		return h, err
	}
	h.packed = word()
	if err != nil {
		return h, err
	}
	switch {
	case h.packed == 0 || h.packed > h.size:
		return h, block.Errorf("lzo", "block", -1, block.ErrCorrupt, "%d bytes of %d", h.packed, h.size)
	case h.size > maxLzopBlock:
		return h, block.Errorf("lzo", "block", -1, block.ErrLimit, "%d bytes; at most %d are taken", h.size, maxLzopBlock)
	}
	sum := func(flag uint32, to *uint32, has *bool) {
		if flags&flag != 0 {
			*to, *has = word(), true
		}
	}
	sum(lzopAdlerData, &h.data[0], &h.hasData[0])
	sum(lzopCRCData, &h.data[1], &h.hasData[1])
	if h.packed < h.size {
		sum(lzopAdlerPack, &h.pack[0], &h.hasPk[0])
		sum(lzopCRCPack, &h.pack[1], &h.hasPk[1])
	}
	return h, err
}

func (c *lzopCodec) decode(in io.Reader, h lzopBlock) (io.Reader, error) {
	if cap(c.packed) < int(h.packed) {
		c.packed = make([]byte, h.packed)
	}
	packed := c.packed[:h.packed]
	if err := full(in, packed); err != nil {
		return nil, err
	}
	check := func(b []byte, want [2]uint32, has [2]bool) error {
		for i, sum := range []func([]byte) uint32{adler32.Checksum, crc32.ChecksumIEEE} {
			if has[i] && sum(b) != want[i] {
				return block.Errorf("lzo", "block", -1, block.ErrCorrupt, "its checksum is %#08x, and %#08x is said", sum(b), want[i])
			}
		}
		return nil
	}
	if err := check(packed, h.pack, h.hasPk); err != nil {
		return nil, err
	}
	if cap(c.block) < int(h.size) {
		c.block = make([]byte, h.size)
	}
	data := c.block[:h.size]
	if h.packed == h.size {
		copy(data, packed)
	} else if n, err := lzo.Decode(data, packed); err != nil || n != len(data) {
		return nil, block.Errorf("lzo", "block", -1, block.ErrCorrupt, "%d of its %d bytes come out", n, h.size)
	}
	if err := check(data, h.data, h.hasData); err != nil {
		return nil, err
	}
	return bytes.NewReader(data), nil
}

// readLzopHeader returns the flags.
func readLzopHeader(r io.Reader) (uint32, error) {
	magic := make([]byte, len(lzopMagic))
	if err := full(r, magic); err != nil {
		return 0, err
	}
	if string(magic) != lzopMagic {
		return 0, errHeader
	}
	var raw []byte // what the checksum is of
	var err error
	take := func(n int) []byte {
		b := make([]byte, n)
		if err == nil {
			if err = full(r, b); err == nil {
				raw = append(raw, b...)
			}
		}
		return b
	}
	be := binary.BigEndian
	v := be.Uint16(take(2))
	take(2) // version of the library
	method := byte(0)
	if v >= lzopNewVersion {
		take(2) // version that is needed
	}
	if method = take(1)[0]; v >= lzopNewVersion {
		take(1) // level
	}
	flags := be.Uint32(take(4))
	if flags&lzopFilter != 0 {
		take(4)
	}
	take(8) // mode, time
	if v >= lzopNewVersion {
		take(4)
	}
	take(int(take(1)[0])) // name
	sum := adler32.Checksum(raw)
	if flags&lzopHeaderCRC != 0 {
		sum = crc32.ChecksumIEEE(raw)
	}
	want := be.Uint32(take(4))
	switch {
	case err != nil:
		return 0, err
	case sum != want:
		return 0, block.Errorf("lzo", "header", -1, block.ErrCorrupt, "its checksum is %#08x, and %#08x is said", sum, want)
	case v < 0x0900 || method < 1 || method > 3:
		return 0, block.Errorf("lzo", "header", -1, block.ErrUnsupported, "method %d of version %#04x", method, v)
	case flags&(lzopFilter|lzopMultipart) != 0:
		return 0, block.Errorf("lzo", "header", -1, block.ErrUnsupported, "filters, and files in several parts")
	}
	if flags&lzopExtra != 0 {
		n := be.Uint32(take(4))
		if err == nil && n > 1<<20 {
			return 0, block.Errorf("lzo", "header", -1, block.ErrLimit, "an extra field of %d bytes", n)
		}
		take(int(n) + 4)
	}
	return flags & lzopSums, err
}

// lzopPoints passes over all blocks of a file, and returns where they begin and the
// size of what the file holds; -1 if there are too many.
func lzopPoints(r block.Reader) ([]point, int64, error) {
	var all thinned
	out := int64(0)
	for off, blocks := int64(0), 0; ; blocks++ { // a header takes as long as a block
		in := newInputSize(io.NewSectionReader(r, off, r.Size()-off), off, lzopHeaderRoom)
		flags, err := readLzopHeader(in)
		if err != nil {
			return nil, 0, err
		}
		for off = in.off(); ; blocks++ {
			if blocks >= maxLzopScan {
				return nil, -1, nil
			}
			var b [24]byte
			n := min(int64(len(b)), r.Size()-off)
			if err := block.ReadFull(r, b[:n], off); err != nil {
				return nil, 0, err
			}
			head := bytes.NewReader(b[:n])
			h, err := readLzopBlock(head, flags)
			if err != nil {
				return nil, 0, err
			}
			if h.size == 0 {
				off += 4
				break
			}
			all.add(lzopPoint(off, out, flags))
			out += int64(h.size)
			if off += n - int64(head.Len()) + int64(h.packed); off > r.Size() {
				return nil, 0, io.ErrUnexpectedEOF
			}
		}
		if off == r.Size() {
			return all.points, out, nil
		}
		var b [1]byte
		if err := block.ReadFull(r, b[:], off); err != nil {
			return nil, 0, err
		}
		if b[0] == 0 { // filled up, which decoding looks at
			return all.points, out, nil
		}
	}
}
