package qcow2

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/inflate"
	"github.com/guestkit/guestkit/internal/lru"
)

// inflater turns compressed clusters into their bytes. It keeps the last few, so
// that reading one in small steps does not inflate it at each.
type inflater struct {
	r           block.Reader
	clusterSize int64
	cache       *lru.Cache[int64, []byte] // by host offset
	open        func() (codec, error)
	pool        sync.Pool // of *decoder
}

func newInflater(m *metadata, budget int64) *inflater {
	open := newDeflate
	if m.hdr.compressionType == compressionZstd {
		window := uint64(m.lim.ZstdWindowSize)
		open = func() (codec, error) { return newZstd(window) }
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
	c, err := f.open()
	return &decoder{codec: c}, err
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
	case err == nil || err == io.EOF || err == io.ErrUnexpectedEOF:
		return corrupt("compressed cluster", r.host, "it holds %d bytes, not %d", got, len(dst))
	}
	return corrupt("compressed cluster", r.host, "%v", err)
}

// A codec decompresses the stream at the start of src until dst is full, and
// returns how far it came.
type codec interface {
	decode(dst, src []byte) (int, error)
}

// A decoder decompresses one cluster at a time.
type decoder struct {
	codec
	buf []byte // the compressed bytes
}

// rawDeflate is deflate as qcow2 has it, without zlib's header.
type rawDeflate struct{ inflate.Decoder }

func newDeflate() (codec, error) { return new(rawDeflate), nil }

func (d *rawDeflate) decode(dst, src []byte) (int, error) {
	n, _, err := d.Raw(dst, src)
	return n, err
}

type zstdFrames struct {
	z  *zstd.Decoder
	in bytes.Reader
}

// newZstd makes a decoder that reads frame after frame. It must be a stream:
// QEMU may write a cluster as several frames, and what follows them in the
// sector is no frame. It starts no goroutine.
func newZstd(window uint64) (codec, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window), zstd.WithDecodeBuffersBelow(0))
	return &zstdFrames{z: z}, err
}

func (d *zstdFrames) decode(dst, src []byte) (int, error) {
	d.in.Reset(src)
	if err := d.z.Reset(&d.in); err != nil {
		return 0, err
	}
	return io.ReadFull(d.z, dst)
}
