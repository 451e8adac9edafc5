package btrfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/inflate"
	"github.com/guestkit/guestkit/internal/lzo"
)

// Values of the compression of an extent.
const (
	compressNone = iota
	compressZlib
	compressLZO
	compressZstd
)

const (
	// maxUncompressed is the most that one compressed extent holds.
	maxUncompressed = 128 << 10
	// maxCompressed is the most that it takes on disk: Linux writes no more,
	// and less than what it holds.
	maxCompressed = 128 << 10
)

func compressionName(c uint8) string {
	if names := [...]string{"none", "zlib", "lzo", "zstd"}; int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("compression %d", c)
}

// unpackers keeps decoders, which are dear to make, between extents.
type unpackers struct {
	zstd, zlib sync.Pool
}

// unpack decompresses src, which may end in padding, into dst. It returns how
// many bytes there were, at most those of dst.
func (u *unpackers) unpack(dst, src []byte, compression uint8, sector int) (int, error) {
	switch compression {
	case compressZlib:
		return u.unpackZlib(dst, src)
	case compressLZO:
		return unpackLZO(dst, src, sector)
	case compressZstd:
		return u.unpackZstd(dst, src)
	}
	return 0, fmt.Errorf("%w: %s", block.ErrUnsupported, compressionName(compression))
}

func (u *unpackers) unpackZlib(dst, src []byte) (int, error) {
	z, _ := u.zlib.Get().(*inflate.Decoder)
	if z == nil {
		z = new(inflate.Decoder)
	}
	defer u.zlib.Put(z)
	n, _, err := z.Zlib(dst, src)
	if err != nil && err != inflate.ErrSpace { // of a part of it, no checksum tells
		return n, fmt.Errorf("%w: %v", block.ErrCorrupt, err)
	}
	return n, nil
}

var errLZO = fmt.Errorf("%w: the segments of LZO do not fit", block.ErrCorrupt)

// unpackLZO reads the frame that Btrfs has around LZO1X: the length of all in
// four bytes, and segments with their length before them, of a sector each when
// they are unpacked. No length crosses the end of a sector.
func unpackLZO(dst, src []byte, sector int) (int, error) {
	if len(src) < 8 {
		return 0, errLZO
	}
	total := int64(binary.LittleEndian.Uint32(src))
	if total > int64(len(src)) || total < 8 {
		return 0, errLZO
	}
	src = src[:total]
	n := 0
	for at := 4; at+4 <= len(src); {
		if left := sector - at%sector; left < 4 {
			at += left
			if at+4 > len(src) {
				break
			}
		}
		size := int64(binary.LittleEndian.Uint32(src[at:]))
		at += 4
		if size > int64(len(src)-at) {
			return n, errLZO
		}
		if n == len(dst) {
			break
		}
		m, err := lzo.Decode(dst[n:min(len(dst), n+sector)], src[at:at+int(size)])
		if err != nil {
			return n, fmt.Errorf("%w: %v", block.ErrCorrupt, err)
		}
		n += m
		at += int(size)
		if m < sector {
			break
		}
	}
	return n, nil
}

func (u *unpackers) unpackZstd(dst, src []byte) (int, error) {
	size, err := zstdFrame(src)
	if err != nil {
		return 0, err
	}
	d, _ := u.zstd.Get().(*zstd.Decoder)
	if d == nil {
		d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*maxUncompressed), zstd.WithDecoderLowmem(true))
		if err != nil {
			return 0, err
		}
	}
	out, err := d.DecodeAll(src[:size], dst[:0:len(dst)])
	u.zstd.Put(d)
	if err != nil {
		return 0, fmt.Errorf("%w: %v", block.ErrCorrupt, err)
	}
	if len(out) > len(dst) {
		return 0, fmt.Errorf("%w: more than %d bytes", block.ErrCorrupt, len(dst))
	}
	if len(out) > 0 && &out[0] != &dst[0] {
		copy(dst, out)
	}
	return len(out), nil
}

var errFrame = errors.New("the frame of zstd is cut short")

// zstdFrame returns how long the frame at the start of b is (RFC 8878, 3.1.1):
// what follows it in the last sector is padding, which a decoder would take for
// another frame.
func zstdFrame(b []byte) (int, error) {
	fail := func(err error) (int, error) { return 0, fmt.Errorf("%w: %v", block.ErrCorrupt, err) }
	if len(b) < 5 || binary.LittleEndian.Uint32(b) != 0xFD2FB528 {
		return fail(errors.New("no frame of zstd"))
	}
	desc := b[4]
	at := 5
	single := desc>>5&1 != 0
	if !single {
		at++ // the window descriptor
	}
	at += [...]int{0, 1, 2, 4}[desc&3]
	switch desc >> 6 {
	case 0:
		if single {
			at++
		}
	case 1:
		at += 2
	case 2:
		at += 4
	case 3:
		at += 8
	}
	for {
		if at+3 > len(b) {
			return fail(errFrame)
		}
		h := uint32(b[at]) | uint32(b[at+1])<<8 | uint32(b[at+2])<<16
		at += 3
		if h>>1&3 == 1 { // RLE
			at++
		} else {
			at += int(h >> 3)
		}
		if at > len(b) {
			return fail(errFrame)
		}
		if h&1 != 0 {
			break
		}
	}
	if desc>>2&1 != 0 {
		at += 4 // a checksum
	}
	if at > len(b) {
		return fail(errFrame)
	}
	return at, nil
}
