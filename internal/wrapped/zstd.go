package wrapped

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/paged"
)

// The magic numbers of RFC 8878, section 3.1. The last four bits of a skippable
// one are free.
const (
	zstdMagic     = 0xfd2fb528
	zstdSkippable = 0x184d2a50
)

// zstdCodec reads frames.
type zstdCodec struct {
	dec    *zstd.Decoder
	window int64 // the largest that a frame has asked for
}

func newZstdCodec(window int64) (*zstdCodec, error) {
	// Without concurrency there is no goroutine to end.
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(window)))
	return &zstdCodec{dec: dec}, err
}

func (c *zstdCodec) at(in, out int64) point { return point{in: in, out: out} }

func (c *zstdCodec) open(in *input) (io.Reader, error) {
	for {
		h, err := readFrame(in)
		if err != nil {
			return nil, err // io.EOF: the end
		}
		if h.skip {
			if err := skip(in, h.body); err != nil {
				return nil, err
			}
			continue
		}
		c.window = max(c.window, h.window)
		f := &frame{in: in, have: h.raw, blocks: true, checksum: h.checksum}
		if err := c.dec.Reset(f); err != nil {
			return nil, err
		}
		return &frameData{c.dec, h.content}, nil
	}
}

// skip passes over n bytes.
func skip(in *input, n int64) error {
	m, err := io.CopyN(io.Discard, in, n)
	if err == io.EOF && m < n {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// A frameHeader is what a frame begins with.
type frameHeader struct {
	raw      []byte
	skip     bool
	body     int64 // of a skippable frame
	content  int64 // the size of what it holds, -1 if it does not say
	window   int64
	checksum bool
}

// readFrame reads the header of a frame, io.EOF where there is none.
func readFrame(in io.Reader) (h frameHeader, err error) {
	b := make([]byte, 18)
	if _, err := io.ReadFull(in, b[:1]); err != nil {
		return h, err
	}
	if err := full(in, b[1:5]); err != nil {
		return h, err
	}
	m := binary.LittleEndian.Uint32(b)
	if m&^0xf == zstdSkippable {
		if err := full(in, b[5:8]); err != nil {
			return h, err
		}
		return frameHeader{skip: true, body: int64(binary.LittleEndian.Uint32(b[4:]))}, nil
	}
	if m != zstdMagic {
		return h, errHeader
	}
	d := b[4]
	single := d&0x20 != 0
	h.checksum = d&4 != 0
	contentLen := [4]int{0, 2, 4, 8}[d>>6]
	if single && contentLen == 0 {
		contentLen = 1
	}
	at := 5 + [4]int{0, 1, 2, 4}[d&3]
	if !single {
		at++
	}
	if err := full(in, b[5:at+contentLen]); err != nil {
		return h, err
	}
	h.raw = b[:at+contentLen]
	if !single {
		h.window = 1 << (10 + b[5]>>3)
		h.window += h.window / 8 * int64(b[5]&7)
	}
	var v [8]byte
	copy(v[:], h.raw[at:])
	n := binary.LittleEndian.Uint64(v[:])
	switch {
	case contentLen == 0:
		h.content = -1
	case n > math.MaxInt64:
		return h, block.Errorf("zst", "frame header", -1, block.ErrLimit, "it has %d bytes", n)
	default:
		h.content = int64(n)
		if contentLen == 2 {
			h.content += 256
		}
	}
	if single {
		h.window = h.content
	}
	return h, nil
}

// A frame hands one frame to the decoder and ends behind it.
type frame struct {
	in       io.Reader
	have     []byte // to be handed out before more is read
	left     int64  // of the block
	blocks   bool   // more of them follow
	checksum bool
	buf      [4]byte
}

func (f *frame) Read(p []byte) (int, error) {
	switch {
	case len(p) == 0:
		return 0, nil
	case len(f.have) > 0:
		n := copy(p, f.have)
		f.have = f.have[n:]
		return n, nil
	case f.left > 0:
		n, err := f.in.Read(p[:min(int64(len(p)), f.left)])
		f.left -= int64(n)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	case f.blocks:
		n, last, err := readBlock(f.in, f.buf[:3])
		if err != nil {
			return 0, err
		}
		f.have, f.left, f.blocks = f.buf[:3], n, !last
		return f.Read(p)
	case f.checksum:
		f.checksum, f.left = false, 4
		return f.Read(p)
	}
	return 0, io.EOF
}

// readBlock reads the header of a block and returns how many bytes follow.
func readBlock(r io.Reader, b []byte) (n int64, last bool, err error) {
	if err := full(r, b[:3]); err != nil {
		return 0, false, err
	}
	v := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	n = int64(v >> 3)
	switch v >> 1 & 3 {
	case 1: // one byte, repeated
		n = 1
	case 3:
		return 0, false, fmt.Errorf("a block of the reserved type")
	}
	return n, v&1 != 0, nil
}

// frameData is what a frame holds: as much as it says.
type frameData struct {
	dec  *zstd.Decoder
	left int64 // -1 if it does not say
}

func (d *frameData) Read(p []byte) (int, error) {
	n, err := d.dec.Read(p)
	if d.left >= 0 {
		if d.left -= int64(n); d.left < 0 || err == io.EOF && d.left > 0 {
			return 0, fmt.Errorf("the frame does not hold as much as its header says")
		}
	}
	return n, err
}

// zstdSize adds up what the frames of a file say of their size, without
// decoding them. It is -1 if one does not say.
func zstdSize(r block.Reader) (int64, error) {
	v := &view{c: paged.New(r, 4096, 64<<10)}
	total, off := int64(0), int64(0)
	for off < r.Size() {
		v.off = off
		h, err := readFrame(v)
		switch {
		case err != nil:
			return 0, err
		case h.skip:
			off += 8 + h.body
			continue
		case h.content < 0:
			return -1, nil
		case h.content > math.MaxInt64-total:
			return 0, block.Errorf("zst", "frame header", off, block.ErrLimit, "the frames have too many bytes")
		}
		total += h.content
		off += int64(len(h.raw))
		for last := false; !last; {
			var b [3]byte
			var n int64
			v.off = off
			if n, last, err = readBlock(v, b[:]); err != nil {
				return 0, err
			}
			off += 3 + n
		}
		if h.checksum {
			off += 4
		}
	}
	if off > r.Size() {
		return 0, io.ErrUnexpectedEOF
	}
	return total, nil
}

// A view reads through a cache, for a few bytes here and there.
type view struct {
	c   *paged.Cache
	off int64
}

func (v *view) Read(p []byte) (int, error) {
	b, err := v.c.View(v.off, 1)
	if errors.Is(err, block.ErrTruncated) {
		return 0, io.EOF
	}
	if err != nil {
		return 0, err
	}
	v.off++
	return copy(p, b), nil
}
