package qcow2

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/lru"
)

// inflater turns compressed clusters into their bytes. It keeps the last few, so
// that reading one in small steps does not inflate it at each.
type inflater struct {
	r           block.Reader
	clusterSize int64
	cache       *lru.Cache[int64, []byte] // by host offset
	open        func() (stream, error)
	pool        sync.Pool // of *decoder
}

func newInflater(m *metadata, budget int64) *inflater {
	open := newFlate
	if m.hdr.compressionType == compressionZstd {
		window := uint64(m.lim.ZstdWindowSize)
		open = func() (stream, error) { return newZstd(window) }
	}
	return &inflater{
		r:           m.r,
		clusterSize: m.hdr.clusterSize(),
		cache:       lru.New[int64, []byte](budget),
		open:        open,
	}
}

// decoder takes one from the pool.
func (f *inflater) decoder() (*decoder, error) {
	if d, ok := f.pool.Get().(*decoder); ok {
		return d, nil
	}
	z, err := f.open()
	return &decoder{z: z}, err
}

// read fills p with the bytes of a compressed cluster that start at off on the
// disk and lie inside it.
func (f *inflater) read(p []byte, off int64, r run) error {
	if int64(len(p)) == f.clusterSize {
		return f.inflate(p, r)
	}
	b, err := f.cache.Get(r.host, func() ([]byte, int64, error) {
		b := make([]byte, f.clusterSize)
		return b, f.clusterSize, f.inflate(b, r)
	})
	if err != nil {
		return err
	}
	copy(p, b[off&(f.clusterSize-1):])
	return nil
}

// inflate fills dst, which is one cluster long. The stream must hold that much;
// what follows is the padding of its last sector, or the next cluster's bytes.
func (f *inflater) inflate(dst []byte, r run) error {
	d, err := f.decoder()
	if err != nil {
		return err
	}
	defer f.pool.Put(d)
	n := min(r.csize, f.r.Size()-r.host)
	if int64(cap(d.buf)) < n {
		d.buf = make([]byte, n)
	}
	src := d.buf[:n]
	if err := block.ReadFull(f.r, src, r.host); err != nil {
		return block.Locate(format, "compressed cluster", r.host, err)
	}
	got, err := d.decode(dst, src)
	switch {
	case got == len(dst):
		return nil
	case n < r.csize:
		return block.Errorf(format, "compressed cluster", r.host, block.ErrTruncated, "the file ends %d bytes short", r.csize-n)
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return corrupt("compressed cluster", r.host, "it holds %d bytes, not %d", got, len(dst))
	}
	return corrupt("compressed cluster", r.host, "%v", err)
}

// A stream is a decompressor that can start over.
type stream interface {
	io.Reader
	Reset(r io.Reader) error
}

// A decoder decompresses one cluster at a time.
type decoder struct {
	z   stream
	in  bytes.Reader
	buf []byte // the compressed bytes
}

// decode fills dst from the stream in src and returns how far it came.
func (d *decoder) decode(dst, src []byte) (int, error) {
	d.in.Reset(src)
	if err := d.z.Reset(&d.in); err != nil {
		return 0, err
	}
	return io.ReadFull(d.z, dst)
}

// flateStream is raw deflate, as qcow2 has it, without zlib's header.
type flateStream struct{ io.Reader }

func newFlate() (stream, error) { return flateStream{flate.NewReader(bytes.NewReader(nil))}, nil }

func (s flateStream) Reset(r io.Reader) error { return s.Reader.(flate.Resetter).Reset(r, nil) }

// newZstd makes a decoder that reads frame after frame. It must be a stream:
// QEMU may write a cluster as several frames, and what follows them in the
// sector is no frame. It starts no goroutine.
func newZstd(window uint64) (stream, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window), zstd.WithDecodeBuffersBelow(0))
}
