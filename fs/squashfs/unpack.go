package squashfs

import (
	"encoding/binary"
	"errors"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/inflate"
	"github.com/guestkit/guestkit/internal/lz4"
	"github.com/guestkit/guestkit/internal/lzo"
	"github.com/guestkit/guestkit/internal/xz"
)

var compressors = [...]string{1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}

// A decoder decodes all of src into dst and returns how many bytes that are. It
// is safe for concurrent use.
type decoder func(dst, src []byte) (int, error)

var errSpace = errors.New("it holds more than a block may")

// newDecoder makes the decoder of a compressor.
func (s *superblock) newDecoder() (decoder, error) {
	switch s.compression {
	case 1:
		return zlibDecoder(), nil
	case 2:
		return xzDecoder((*xz.Decoder).Alone), nil
	case 3:
		return lzo.Decode, nil
	case 4:
		return xzDecoder((*xz.Decoder).Decode), nil
	case 5:
		return decodeLZ4, nil
	case 6:
		return zstdDecoder()
	}
	return nil, badSuper(0x14, block.ErrUnsupported, "compressor %d", s.compression)
}

func decodeLZ4(dst, src []byte) (int, error) {
	n, used, err := lz4.Decode(dst, src)
	if err == nil && used < len(src) {
		err = errSpace
	}
	return n, err
}

func zstdDecoder() (decoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(8<<20))
	if err != nil {
		return nil, err
	}
	return func(dst, src []byte) (int, error) {
		out, err := z.DecodeAll(src, dst[:0:len(dst)])
		if len(out) > len(dst) {
			return 0, errSpace
		}
		return len(out), err
	}, nil
}

func xzDecoder(decode func(*xz.Decoder, []byte, []byte) (int, error)) decoder {
	pool := &sync.Pool{New: func() any { return new(xz.Decoder) }}
	return func(dst, src []byte) (int, error) {
		d := pool.Get().(*xz.Decoder)
		defer pool.Put(d)
		return decode(d, dst, src)
	}
}

func zlibDecoder() decoder {
	pool := &sync.Pool{New: func() any { return new(inflate.Decoder) }}
	return func(dst, src []byte) (int, error) {
		d := pool.Get().(*inflate.Decoder)
		defer pool.Put(d)
		n, _, err := d.Zlib(dst, src)
		if err == inflate.ErrSpace {
			err = errSpace
		}
		return n, err
	}
}

// checkOptions reads what the compressor was told, where that matters.
func (f *filesystem) checkOptions() error {
	if f.sb.flags&flagOptions == 0 || f.sb.compression != 5 {
		return nil
	}
	m, err := f.metaAt(superblockLen)
	if err != nil {
		return err
	}
	if len(m.data) < 8 || binary.LittleEndian.Uint32(m.data) != 1 {
		return block.Errorf(format, "compressor options", superblockLen, block.ErrUnsupported, "a format of LZ4 other than 1")
	}
	return nil
}

// unpack reads the n bytes at off and decodes them into dst.
func (f *filesystem) unpack(dst []byte, what string, off, n int64) (int, error) {
	buf, _ := f.packed.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer f.packed.Put(buf)
	if int64(cap(*buf)) < n {
		*buf = make([]byte, n)
	}
	src := (*buf)[:n]
	if err := f.read(what, src, off); err != nil {
		return 0, err
	}
	m, err := f.decode(dst, src)
	if err == nil {
		return m, nil
	}
	var e *block.Error
	if errors.As(err, &e) {
		return 0, err
	}
	return 0, block.Errorf(format, what, off, block.ErrCorrupt, "%s: %v", compressors[f.sb.compression], err)
}

// read fills p from off, which lies inside of what is in use.
func (f *filesystem) read(what string, p []byte, off int64) error {
	if off < superblockLen || off > int64(f.sb.bytesUsed) || int64(len(p)) > int64(f.sb.bytesUsed)-off {
		return block.Errorf(format, what, off, block.ErrCorrupt, "%d bytes there do not lie inside the %d in use", len(p), f.sb.bytesUsed)
	}
	return block.Locate(format, what, off, block.ReadFull(f.dev, p, off))
}
