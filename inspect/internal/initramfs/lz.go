package initramfs

import (
	"bufio"
	"fmt"
	"io"

	"github.com/guestkit/guestkit/internal/lz4"
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
