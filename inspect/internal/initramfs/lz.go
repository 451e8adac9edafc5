package initramfs

import (
	"bufio"
	"fmt"
	"io"

	"github.com/guestkit/guestkit/internal/lz4"
	"github.com/guestkit/guestkit/internal/lzo"
)

// A blocks hands out blocks that were unpacked.
type blocks struct {
	left []byte
	buf  []byte
	err  error
}

func (b *blocks) read(p []byte, next func() ([]byte, error)) (int, error) {
	for len(b.left) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		b.left, b.err = next()
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

// take reads n bytes into the buffer of packed ones.
func (b *blocks) take(r io.Reader, n int) ([]byte, error) {
	if cap(b.buf) < n {
		b.buf = make([]byte, n)
	}
	q := b.buf[:n]
	if _, err := io.ReadFull(r, q); err != nil {
		return nil, noEOF(err)
	}
	return q, nil
}

// legacy reads the frame of LZ4 that the kernel takes: a mark, and blocks of 8 MiB
// with their packed length before them.
type legacy struct {
	r      *bufio.Reader
	blocks blocks
	out    []byte
	begun  bool
}

func (l *legacy) Read(p []byte) (int, error) { return l.blocks.read(p, l.next) }

func (l *legacy) next() ([]byte, error) {
	for {
		b, err := l.r.Peek(4)
		if len(b) < 4 {
			if err == io.EOF && l.begun {
				return nil, io.EOF // up to three bytes of padding
			}
			return nil, noEOF(err)
		}
		n := int(le.Uint32(b))
		if _, err := l.r.Discard(4); err != nil {
			return nil, err
		}
		switch {
		case n == 0x184C2102: // another frame may follow
			l.begun = true
			continue
		case n == 0:
			return nil, io.EOF
		case n > maxBlock+maxBlock/128:
			return nil, fmt.Errorf("a block of %d bytes", n)
		}
		src, err := l.blocks.take(l.r, n)
		if err != nil {
			return nil, err
		}
		if l.out == nil {
			l.out = make([]byte, maxBlock)
		}
		k, _, err := lz4.Decode(l.out, src)
		return l.out[:k], err
	}
}

// lzop reads the format of lzop(1): a header, and blocks of LZO1X with their lengths
// and checksums before them. The checksums are left to whoever boots from it.
type lzop struct {
	r      *bufio.Reader
	blocks blocks
	flags  uint32
	begun  bool
	out    []byte
}

func (l *lzop) Read(p []byte) (int, error) { return l.blocks.read(p, l.next) }

// Flags in the header of lzop.
const (
	lzopAdlerData   = 1 << 0
	lzopAdlerPacked = 1 << 1
	lzopExtra       = 1 << 6
	lzopCRCData     = 1 << 8
	lzopCRCPacked   = 1 << 9
	lzopFilter      = 1 << 11
)

// header reads what stands before the blocks: mark, versions, method, flags, mode,
// time, name, checksum.
func (l *lzop) header() error {
	const fixed = 9 + 2 + 2 + 2 + 1 + 1
	b, err := l.blocks.take(l.r, fixed)
	if err != nil {
		return err
	}
	version, method := be.Uint16(b[9:]), b[15]
	if version < 0x0940 || method < 1 || method > 3 {
		return fmt.Errorf("lzop of version %#x, method %d", version, method)
	}
	if b, err = l.blocks.take(l.r, 4); err != nil {
		return err
	}
	if l.flags = be.Uint32(b); l.flags&(lzopExtra|lzopFilter) != 0 {
		return fmt.Errorf("flags %#x of lzop", l.flags)
	}
	if b, err = l.blocks.take(l.r, 4+4+4+1); err != nil {
		return err
	}
	_, err = l.blocks.take(l.r, int(b[12])+4)
	return err
}

func (l *lzop) next() ([]byte, error) {
	if !l.begun {
		if err := l.header(); err != nil {
			return nil, err
		}
		l.begun = true
	}
	b, err := l.blocks.take(l.r, 4)
	if err != nil {
		return nil, err
	}
	size := be.Uint32(b)
	if size == 0 {
		return nil, io.EOF
	}
	if b, err = l.blocks.take(l.r, 4); err != nil {
		return nil, err
	}
	packed := be.Uint32(b)
	if size > maxBlock || packed > size || packed == 0 {
		return nil, fmt.Errorf("a block of %d bytes in %d", size, packed)
	}
	sums := 0
	for _, f := range []uint32{lzopAdlerData, lzopCRCData} {
		if l.flags&f != 0 {
			sums += 4
		}
	}
	if packed < size {
		for _, f := range []uint32{lzopAdlerPacked, lzopCRCPacked} {
			if l.flags&f != 0 {
				sums += 4
			}
		}
	}
	if _, err = l.blocks.take(l.r, sums); err != nil {
		return nil, err
	}
	if b, err = l.blocks.take(l.r, int(packed)); err != nil || packed == size {
		return b, err
	}
	if cap(l.out) < int(size) {
		l.out = make([]byte, size)
	}
	n, err := lzo.Decode(l.out[:size], b)
	return l.out[:n], err
}
