package ova

import (
	"bufio"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/lru"
)

// A file that is compressed as a whole can be inflated from its start only.
// What was inflated is kept in pages, and a few streams are kept where they
// stand, so that reading in order costs one pass, and looking at the end and
// then at the start costs two.
const (
	pageLen    = 256 << 10
	maxStreams = 4
)

type inflated struct {
	src   block.Device
	size  int64
	pages *lru.Cache[int64, []byte]

	mu      sync.Mutex
	streams []*stream // that stand somewhere and are not in use
}

// A stream is an inflation that has come as far as pos.
type stream struct {
	z   *gzip.Reader
	pos int64
}

// inflate opens the gzip file in src, which it reads once to know its size.
func inflate(src block.Device, cache, most int64) (*inflated, error) {
	f := &inflated{src: src, pages: lru.New[int64, []byte](max(cache, pageLen))}
	s, err := f.start()
	if err != nil {
		return nil, err
	}
	f.size, err = io.Copy(io.Discard, io.LimitReader(s.z, most+1))
	switch {
	case err != nil:
		return nil, f.fault(f.size, err)
	case f.size > most:
		return nil, block.Errorf(format, "gzip stream", 0, block.ErrLimit, "it inflates to more than %d bytes", most)
	}
	return f, nil
}

func (f *inflated) start() (*stream, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(f.src, 0, f.src.Size()), 64<<10)
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, f.fault(0, err)
	}
	return &stream{z: z}, nil
}

// fault classes an error of the inflation.
func (f *inflated) fault(off int64, err error) error {
	class := block.ErrCorrupt
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		class = block.ErrTruncated
	}
	return block.Errorf(format, "gzip stream", off, class, "%v", err)
}

// take returns the stream that has come closest to off without passing it, or
// a new one.
func (f *inflated) take(off int64) (*stream, error) {
	f.mu.Lock()
	best := -1
	for i, s := range f.streams {
		if s.pos <= off && (best < 0 || s.pos > f.streams[best].pos) {
			best = i
		}
	}
	var s *stream
	if best >= 0 {
		s = f.streams[best]
		f.streams = append(f.streams[:best], f.streams[best+1:]...)
	}
	f.mu.Unlock()
	if s != nil {
		return s, nil
	}
	return f.start()
}

// put keeps a stream; the one that has stood longest goes.
func (f *inflated) put(s *stream) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.streams) == maxStreams {
		f.streams = append(f.streams[:0], f.streams[1:]...)
	}
	f.streams = append(f.streams, s)
}

func (f *inflated) page(i int64) ([]byte, error) {
	return f.pages.Get(i, func() ([]byte, int64, error) {
		off := i * pageLen
		s, err := f.take(off)
		if err != nil {
			return nil, 0, err
		}
		if _, err := io.CopyN(io.Discard, s.z, off-s.pos); err != nil {
			return nil, 0, f.fault(s.pos, err)
		}
		b := make([]byte, min(pageLen, f.size-off))
		if _, err := io.ReadFull(s.z, b); err != nil {
			return nil, 0, f.fault(off, err)
		}
		s.pos = off + int64(len(b))
		f.put(s)
		return b, int64(len(b)), nil
	})
}

func (f *inflated) Size() int64 { return f.size }

func (f *inflated) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, f.size)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		b, err := f.page(pos / pageLen)
		if err != nil {
			return done, err
		}
		done += copy(q[done:], b[pos%pageLen:])
	}
	return len(q), eof
}

func (f *inflated) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= f.size {
		return block.Extent{}, io.EOF
	}
	return block.Extent{Off: off, Len: f.size - off, Compressed: true}, nil
}

func (f *inflated) Close() error { return block.Close(f.src) }
