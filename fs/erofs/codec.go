package erofs

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/inflate"
	"github.com/guestkit/guestkit/internal/lz4"
	"github.com/guestkit/guestkit/internal/xz"
)

// Compressors, as the index numbers them.
const (
	codecLZ4 = iota
	codecLZMA
	codecDeflate
	codecZstd
	codecStored // of pieces that are in two parts: what is whole is verbatim
)

var algorithmNames = [...]string{"lz4", "lzma", "deflate", "zstd"}

const (
	maxPacked   = 1 << 20  // bytes of a physical cluster
	maxUnpacked = 12 << 20 // and of what it holds
	pieceCost   = 160      // of one in the cache, beside its bytes
)

// pieceKey names what is unpacked in the cache.
type pieceKey struct {
	dev       int
	pos       int64
	packed, n int64
	codec     uint8
	box       bool
	turn      int64
}

// codecs keeps decoders for the next piece.
type codecs struct {
	buffers, lzma, deflate, zstd sync.Pool
}

var errShort = errors.New("it holds less than the index says")

// unpack fills q with all that a piece holds.
func (n *inode) unpack(q []byte, x piece) error {
	f := n.f
	if x.packed > maxPacked || x.n > maxUnpacked || x.packed == 0 {
		return n.fault(block.ErrLimit, "%d bytes are packed into %d", x.n, x.packed)
	}
	buf, _ := f.codecs.buffers.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer f.codecs.buffers.Put(buf)
	if int64(cap(*buf)) < x.packed {
		*buf = make([]byte, x.packed)
	}
	src := (*buf)[:x.packed]
	if x.inArea {
		b, err := n.a.view("inline data", x.pos, len(src))
		if err != nil {
			return err
		}
		copy(src, b)
	} else if err := f.readAt("physical cluster", src, x.dev, x.pos); err != nil {
		return err
	}
	if x.codec != codecStored && f.sb.has(incompatZeroPadding) {
		src = bytes.TrimLeft(src, "\x00")
	}
	if err := f.codecs.decode(q, src, x, !f.sb.has(incompatZeroPadding)); err != nil {
		return block.Errorf(format, "physical cluster", x.pos, block.ErrCorrupt, "%s, inode %d: %v", codecName(x.codec), n.nid, err)
	}
	return nil
}

func codecName(c uint8) string {
	if int(c) < len(algorithmNames) {
		return algorithmNames[c]
	}
	return "stored"
}

// decode fills dst from src, which is trimmed to its end unless it is padded
// behind.
func (c *codecs) decode(dst, src []byte, x piece, padded bool) error {
	switch x.codec {
	case codecLZ4:
		n, used, err := lz4.Decode(dst, src)
		switch {
		case err != nil:
			return err
		case n < len(dst):
			return errShort
		case used < len(src) && !x.partial && !padded:
			return errors.New("it holds more than the index says")
		}
		return nil
	case codecLZMA:
		d, _ := c.lzma.Get().(*xz.Decoder)
		if d == nil {
			d = new(xz.Decoder)
		}
		defer c.lzma.Put(d)
		return d.Micro(dst, src)
	case codecDeflate:
		d, _ := c.deflate.Get().(*inflate.Decoder)
		if d == nil {
			d = new(inflate.Decoder)
		}
		defer c.deflate.Put(d)
		n, _, err := d.Raw(dst, src)
		switch {
		case n == len(dst):
			return nil
		case err == nil:
			return errShort
		}
		return short(n, err)
	case codecZstd:
		d, _ := c.zstd.Get().(*zstd.Decoder)
		if d == nil {
			var err error // without concurrency there is no goroutine to end
			if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(maxUnpacked)); err != nil {
				return err
			}
		}
		defer c.zstd.Put(d)
		if err := d.Reset(bytes.NewReader(src)); err != nil {
			return err
		}
		return short(io.ReadFull(d, dst))
	}
	if len(dst) > len(src) {
		return errShort
	}
	n := copy(dst, src[len(src)-int(x.turn):])
	copy(dst[n:], src)
	return nil
}

func short(_ int, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errShort
	}
	return err
}
