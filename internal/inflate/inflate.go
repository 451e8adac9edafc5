package inflate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/guestkit/guestkit/internal/deflate"
)

var (
	// ErrSpace says that the stream holds more than there is room for. All of
	// dst is filled then, and what follows was not looked at.
	ErrSpace = errors.New("it holds more than there is room for")

	errEnd      = io.ErrUnexpectedEOF
	errCode     = errors.New("a code that stands for nothing")
	errDistance = errors.New("a distance that reaches before the start")
	errType     = errors.New("a block of type 3")
	errStored   = errors.New("a stored block whose two lengths differ")
	errLengths  = errors.New("code lengths that make no code")
	errCount    = errors.New("more codes than the format has")
	errRepeat   = errors.New("a repeated code length that is not there")
)

// A Decoder decompresses one stream at a time; its zero value is ready. It keeps
// 20 KiB of tables, so it pays to use one again.
type Decoder struct {
	lit   [litSize]uint32
	dist  [distSize]uint32
	pre   [preSize]uint32
	lens  [maxLit + maxDist]uint8
	fixed bool // the tables hold the fixed codes (3.2.6)
}

// Raw decompresses the stream at the start of src (RFC 1951) into dst. It returns
// how many bytes that are and how many of src the stream takes, the last one
// perhaps in part. The content of dst behind them is undefined.
//
// A stream that is cut short is io.ErrUnexpectedEOF, and one of more bytes than
// dst has is ErrSpace.
func (d *Decoder) Raw(dst, src []byte) (n, used int, err error) {
	in := input{src: src}
	for last := uint32(0); last == 0; {
		head, err := in.take(3)
		if err != nil {
			return n, 0, err
		}
		last = head & 1
		switch head >> 1 {
		case 0:
			n, err = in.stored(dst, n)
		case 1:
			d.setFixed()
			n, err = d.codes(dst, n, &in)
		case 2:
			if err = d.dynamic(&in); err == nil {
				n, err = d.codes(dst, n, &in)
			}
		default:
			err = errType
		}
		if err != nil {
			return n, 0, err
		}
	}
	in.align()
	return n, in.pos, nil
}

// Zlib is Raw for a stream of zlib (RFC 1950), whose checksum it verifies. One
// with a preset dictionary is refused.
func (d *Decoder) Zlib(dst, src []byte) (n, used int, err error) {
	if len(src) < 2 {
		return 0, 0, errEnd
	}
	switch head := binary.BigEndian.Uint16(src); {
	case head>>8&15 != 8 || head>>12 > 7 || head%31 != 0:
		return 0, 0, errors.New("no header of zlib")
	case head&0x20 != 0:
		return 0, 0, errors.New("zlib with a preset dictionary")
	}
	n, used, err = d.Raw(dst, src[2:])
	if err != nil {
		return n, 0, err
	}
	used += 2
	if len(src)-used < 4 {
		return n, 0, errEnd
	}
	if want, got := binary.BigEndian.Uint32(src[used:]), adler(dst[:n]); got != want {
		return n, 0, fmt.Errorf("its Adler-32 is %08x, not %08x", got, want)
	}
	return n, used + 4, nil
}

// stored copies a block that is not compressed (3.2.4).
func (in *input) stored(dst []byte, n int) (int, error) {
	in.align()
	if len(in.src)-in.pos < 4 {
		return n, errEnd
	}
	size := int(binary.LittleEndian.Uint16(in.src[in.pos:]))
	if size != int(^binary.LittleEndian.Uint16(in.src[in.pos+2:])) {
		return n, errStored
	}
	in.pos += 4
	got := copy(dst[n:], in.src[in.pos:min(len(in.src), in.pos+size)])
	in.pos += got
	n += got
	switch {
	case got == size:
		return n, nil
	case n == len(dst):
		return n, ErrSpace
	}
	return n, errEnd
}

// setFixed makes the tables those of the fixed codes (3.2.6).
func (d *Decoder) setFixed() {
	if d.fixed {
		return
	}
	lens := d.lens[:]
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		case i < maxLit:
			lens[i] = 8
		default:
			lens[i] = 5
		}
	}
	build(d.lit[:], litBits, lens[:maxLit], litEntries[:])
	build(d.dist[:], distBits, lens[maxLit:], distEntries[:])
	d.fixed = true
}

// dynamic reads the codes that stand before a block (3.2.7).
func (d *Decoder) dynamic(in *input) error {
	d.fixed = false
	head, err := in.take(14)
	if err != nil {
		return err
	}
	nLit, nDist, nPre := int(head&31)+257, int(head>>5&31)+1, int(head>>10)+4
	if nLit > usedLit || nDist > usedDist {
		return errCount
	}
	var pre [maxPre]uint8
	for _, s := range deflate.CodeOrder[:nPre] {
		n, err := in.take(3)
		if err != nil {
			return err
		}
		pre[s] = uint8(n)
	}
	if !build(d.pre[:], preBits, pre[:], preEntries[:]) {
		return errLengths
	}
	lens := d.lens[:nLit+nDist]
	for i := 0; i < len(lens); {
		in.fill()
		e, err := in.symbol(d.pre[:], preBits)
		if err != nil {
			return err
		}
		if in.have < uint(e&takes) {
			return errEnd
		}
		in.drop(uint(e & takes))
		s := e >> baseShift & baseMask
		if s < 16 {
			lens[i] = uint8(s)
			i++
			continue
		}
		var value uint8
		base, extra := 3, uint(2)
		switch s {
		case 16:
			if i == 0 {
				return errRepeat
			}
			value = lens[i-1]
		case 17:
			extra = 3
		case 18:
			base, extra = 11, 7
		}
		more, err := in.take(extra)
		if err != nil {
			return err
		}
		times := base + int(more)
		if times > len(lens)-i {
			return errRepeat
		}
		for range times {
			lens[i] = value
			i++
		}
	}
	if !build(d.lit[:], litBits, lens[:nLit], litEntries[:]) || !build(d.dist[:], distBits, lens[nLit:], distEntries[:]) {
		return errLengths
	}
	return nil
}
