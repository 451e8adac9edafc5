package xz

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/guestkit/guestkit/block"
)

// A Decoder decodes buffers into buffers: what filesystems compress is small and
// has a known largest size, so that the output is all the window that is
// needed. Its zero value is ready; it is not safe for concurrent use, and worth
// keeping for its tables.
type Decoder struct{ lz LZMA2 }

// Decode decodes the one stream of xz in src into dst and returns how many
// bytes of dst it has filled. Blocks may have passed through the filters for
// machine code and the delta filter; checksums are verified.
func (d *Decoder) Decode(dst, src []byte) (int, error) {
	if len(src) < HeaderLen {
		return 0, ErrCorrupt
	}
	check, err := StreamHeader(src)
	if err != nil {
		return 0, err
	}
	out, at := 0, HeaderLen
	var blocks [][2]uint64 // as the index is to list them
	for at < len(src) && src[at] != 0 {
		used, n, err := d.block(dst[out:], src[at:], check)
		if err != nil {
			return 0, err
		}
		blocks = append(blocks, [2]uint64{uint64(used), uint64(n)})
		at, out = at+(used+3)&^3, out+n
	}
	if at >= len(src) {
		return 0, ErrCorrupt
	}
	in, seen := bytes.NewReader(src[at+1:]), 0
	if err := ReadIndex(in, func(unpadded, size uint64) error {
		if seen++; seen > len(blocks) || blocks[seen-1] != [2]uint64{unpadded, size} {
			return errIndex
		}
		return nil
	}); err != nil {
		return 0, err
	}
	if seen != len(blocks) {
		return 0, errIndex
	}
	index := len(src) - in.Len() - at
	if in.Len() != HeaderLen {
		return 0, ErrCorrupt
	}
	n, again, err := Footer(src[len(src)-HeaderLen:])
	if err == nil && (again != check || n != int64(index)) {
		err = errors.New("the footer of a stream does not fit to the stream")
	}
	return out, err
}

var errIndex = errors.New("the index does not list the blocks that were read")

// block decodes the block that src starts with, and returns its length without
// padding and how many bytes it holds. The padding is verified.
func (d *Decoder) block(dst, src []byte, check byte) (used, n int, err error) {
	size := (int(src[0]) + 1) * 4
	if size > len(src) {
		return 0, 0, ErrCorrupt
	}
	h, err := ParseBlock(src[:size])
	if err != nil {
		return 0, 0, err
	}
	in := bytes.NewReader(src[size:])
	if n, err = d.chunks(dst, in); err != nil {
		return 0, 0, err
	}
	packed := len(src) - size - in.Len()
	if h.Packed >= 0 && h.Packed != int64(packed) || h.Size >= 0 && h.Size != int64(n) {
		return 0, 0, errors.New("a block has not the size that its header says")
	}
	for i := len(h.Filters) - 1; i >= 0; i-- {
		if err := h.Filters[i].undo(dst[:n]); err != nil {
			return 0, 0, err
		}
	}
	used = size + packed
	sum, err := Sum(check)
	if err != nil {
		return 0, 0, err
	}
	pad := -used & 3
	if used+pad > len(src) || len(bytes.Trim(src[used:used+pad], "\x00")) > 0 {
		return 0, 0, errors.New("the padding of a block is not zero")
	}
	if sum == nil {
		return used, n, nil
	}
	sum.Write(dst[:n])
	want := SumBytes(sum, check)
	if at := used + pad; at+len(want) > len(src) || !bytes.Equal(want, src[at:at+len(want)]) {
		return 0, 0, errors.New("the checksum of a block is wrong")
	}
	return used + len(want), n, nil
}

// chunks decodes LZMA2 with dst as its window.
func (d *Decoder) chunks(dst []byte, in *bytes.Reader) (int, error) {
	d.lz.dict = dst
	defer func() { d.lz.dict = nil }()
	d.lz.Reset(in, len(dst))
	for out := 0; ; {
		if err := d.lz.chunk(); err != nil {
			return 0, err
		}
		switch {
		case d.lz.done:
			return out, nil
		case d.lz.left > len(dst)-out:
			return 0, ErrSpace
		case d.lz.raw:
			if err := readFull(in, dst[out:out+d.lz.left]); err != nil {
				return 0, err
			}
			d.lz.advance(d.lz.left)
		default:
			if err := d.lz.decode(d.lz.left); err != nil {
				return 0, err
			}
			if d.lz.copyLen > 0 || !d.lz.rc.finished() {
				return 0, ErrCorrupt
			}
		}
		out += d.lz.left
	}
}

// Alone decodes the format of the old lzma tool (.lzma), in which squashfs was
// packed before there was xz. src says how many bytes it holds; an end mark may
// come behind them.
func (d *Decoder) Alone(dst, src []byte) (int, error) {
	const headerLen = 13
	if len(src) < headerLen+5 {
		return 0, ErrCorrupt
	}
	size := binary.LittleEndian.Uint64(src[5:])
	switch {
	case size == 1<<64-1:
		return 0, block.Errorf("lzma", "header", -1, block.ErrUnsupported, "it does not say how many bytes it holds")
	case size > uint64(len(dst)):
		return 0, ErrSpace
	case src[headerLen] != 0:
		return 0, ErrCorrupt
	}
	return int(size), d.raw(dst[:size], src[0], src[headerLen:])
}

// Micro decodes MicroLZMA, which EROFS holds: its first byte is the properties,
// inverted, in the place of the zero that LZMA begins with. It fills dst, and
// does not look at what src holds beyond that.
func (d *Decoder) Micro(dst, src []byte) error {
	if len(src) < 5 {
		return ErrCorrupt
	}
	return d.raw(dst, ^src[0], src)
}

// raw fills dst from LZMA without a header. The first byte of src is skipped.
func (d *Decoder) raw(dst []byte, props byte, src []byte) error {
	lz := &d.lz.lzma
	if err := lz.setProps(props); err != nil {
		return err
	}
	lz.resetState()
	lz.dict, lz.pos, lz.full, lz.copyLen, lz.processed = dst, 0, 0, 0, 0
	defer func() { lz.dict = nil }()
	lz.rc.start(src)
	return lz.decode(len(dst))
}
