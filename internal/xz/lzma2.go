package xz

import (
	"encoding/binary"
	"errors"
	"io"
)

// maxChunkIn is how many bytes of input a chunk may have.
const maxChunkIn = 64 << 10

// What decoding fails with.
var (
	ErrCorrupt = errors.New("what is compressed is damaged")
	ErrSpace   = errors.New("it holds more than there is room for")
)

// LZMA2 decodes a sequence of LZMA2 chunks. Its memory is the dictionary and the
// input of one chunk. It is ready after Reset.
type LZMA2 struct {
	lzma
	r    io.Reader
	in   []byte // the chunk
	left int    // bytes that the chunk still gives
	raw  bool   // it is not compressed

	fresh, props bool // a chunk has reset the dictionary, and set the properties
	done         bool
}

// Reset starts a new sequence, whose matches lie at most dict bytes back.
func (d *LZMA2) Reset(r io.Reader, dict int) {
	if cap(d.dict) < dict {
		d.dict = make([]byte, dict)
	}
	d.dict = d.dict[:dict]
	if d.in == nil {
		d.in = make([]byte, maxChunkIn)
	}
	d.r, d.pos, d.full, d.left, d.copyLen = r, 0, 0, 0, 0
	d.fresh, d.props, d.done = false, false, false
}

// DictLen returns how many bytes of memory the dictionary takes.
func (d *LZMA2) DictLen() int { return cap(d.dict) }

// Read implements io.Reader. It returns io.EOF behind the end mark, and has
// read no further.
func (d *LZMA2) Read(p []byte) (int, error) {
	for d.left == 0 {
		if d.done {
			return 0, io.EOF
		}
		if err := d.chunk(); err != nil {
			return 0, err
		}
	}
	n := min(len(p), d.left, len(d.dict))
	from := d.pos
	if d.raw {
		for got := 0; got < n; {
			q := d.dict[d.pos:min(len(d.dict), d.pos+n-got)]
			if err := readFull(d.r, q); err != nil {
				return 0, err
			}
			got += len(q)
			d.advance(len(q))
		}
	} else if err := d.decode(n); err != nil {
		return 0, err
	}
	m := copy(p[:n], d.dict[from:])
	copy(p[m:n], d.dict)
	d.left -= n
	if d.left == 0 && !d.raw && !(d.copyLen == 0 && d.rc.finished()) {
		return 0, ErrCorrupt
	}
	return n, nil
}

// chunk reads the header of the next chunk, and its input if it is compressed.
func (d *LZMA2) chunk() error {
	var h [6]byte
	if err := readFull(d.r, h[:1]); err != nil {
		return err
	}
	control := h[0]
	switch {
	case control == 0:
		d.done = true
		return nil
	case control == 1 || control >= 0xe0:
		d.fresh, d.full, d.processed = true, 0, 0
	case !d.fresh:
		return ErrCorrupt
	}
	if control < 0x80 {
		if control > 2 {
			return ErrCorrupt
		}
		if err := readFull(d.r, h[1:3]); err != nil {
			return err
		}
		d.raw, d.left = true, int(binary.BigEndian.Uint16(h[1:]))+1
		if control == 1 {
			d.props = false
		}
		return nil
	}
	n := 5
	if control >= 0xc0 {
		n = 6
	}
	if err := readFull(d.r, h[1:n]); err != nil {
		return err
	}
	d.raw = false
	d.left = int(control&0x1f)<<16 + int(binary.BigEndian.Uint16(h[1:])) + 1
	in := d.in[:int(binary.BigEndian.Uint16(h[3:]))+1]
	switch {
	case control >= 0xc0:
		if err := d.setProps(h[5]); err != nil {
			return err
		}
		d.props = true
		fallthrough
	case control >= 0xa0:
		if !d.props {
			return ErrCorrupt
		}
		d.resetState()
	case !d.props:
		return ErrCorrupt
	}
	if err := readFull(d.r, in); err != nil {
		return err
	}
	return d.rc.init(in)
}

// readFull is io.ReadFull for what must be there.
func readFull(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
