package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/lz4"
	"github.com/guestkit/guestkit/internal/xz"
)

// The flags of a data object: how its payload is compressed.
const (
	dataXZ   = 1 << 0
	dataLZ4  = 1 << 1
	dataZstd = 1 << 2
)

const (
	dataSize    = 0x40 // of a data object before its payload
	dataCompact = 0x48 // of one in the compact form
	viewLen     = 4096 // what is longer is not read through the cache of pages
)

// A Field is one field of an entry. Names may come several times in an entry.
// The value is any bytes, and not to be changed.
type Field struct {
	Name  string
	Value []byte
}

// data reads the data object at off.
func (f *File) data(off uint64) (*Field, error) {
	v, err := f.values.Get(off, func() (value, int64, error) {
		v, err := f.readData(off)
		switch {
		case err == nil:
			return value{field: v}, int64(len(v.Name)+len(v.Value)) + 128, nil
		case errors.Is(err, block.ErrCorrupt), errors.Is(err, block.ErrLimit), errors.Is(err, block.ErrUnsupported):
			// Kept as well: one that unpacks to far too much may stand in an
			// entry 65,536 times.
			return value{err: err}, 512, nil
		}
		return value{}, 0, err
	})
	if err != nil {
		return nil, err
	}
	return v.field, v.err
}

// A value is a field, or what is wrong with it.
type value struct {
	field *Field
	err   error
}

func (f *File) readData(off uint64) (*Field, error) {
	const what = "data object"
	head := uint64(dataSize)
	if f.header.has(flagCompact) {
		head = dataCompact
	}
	o, err := f.object(off, typeData, head+1)
	if err != nil {
		return nil, err
	}
	at := int64(off)
	fail := func(class error, detail string, args ...any) (*Field, error) {
		return nil, block.Errorf(format, what, at, class, detail, args...)
	}
	n := int64(o.size - head)
	if n > f.o.MaxFieldBytes {
		return fail(block.ErrLimit, "its value takes %d bytes, more than %d", n, f.o.MaxFieldBytes)
	}
	b, err := f.pages.View(at, dataSize)
	if err != nil {
		return nil, block.Locate(format, what, at, err)
	}
	hash := binary.LittleEndian.Uint64(b[0x10:])
	payload, err := f.bytes(at+int64(head), n)
	if err != nil {
		return nil, block.Locate(format, what, at, err)
	}
	payload, err = f.unpack(o.flags, payload)
	switch {
	case errors.Is(err, block.ErrLimit):
		return fail(block.ErrLimit, "its value unpacks to more than %d bytes", f.o.MaxFieldBytes)
	case errors.Is(err, block.ErrUnsupported):
		return fail(block.ErrUnsupported, "flags %#x", o.flags)
	case err != nil:
		return fail(block.ErrCorrupt, "its value cannot be unpacked: %v", err)
	}
	if have := f.hash(payload); have != hash {
		f.problems.Add(block.Errorf(format, what, at, block.ErrCorrupt, "its hash is %#x, and that of its value %#x", hash, have))
	}
	name, value, ok := bytes.Cut(payload, []byte("="))
	if !ok || len(name) == 0 || bytes.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fail(block.ErrCorrupt, "it holds no field with a value")
	}
	return &Field{string(name), bytes.Clone(value)}, nil
}

// bytes reads the n bytes at off, which is not more than the options allow.
func (f *File) bytes(off, n int64) ([]byte, error) {
	if n <= viewLen {
		return f.pages.View(off, int(n))
	}
	return block.ReadBytes(f.r, off, n, n)
}

func (f *File) hash(payload []byte) uint64 {
	if f.header.has(flagKeyed) {
		return sipHash(f.header.fileID, payload)
	}
	return jenkins(payload)
}

// unpack decompresses a payload. The error of one that is too long is ErrLimit.
func (f *File) unpack(flags byte, b []byte) ([]byte, error) {
	most := f.o.MaxFieldBytes
	switch flags {
	case 0:
		return b, nil
	case dataXZ:
		d := f.xz.Get().(*xz.Decoder)
		defer f.xz.Put(d)
		for size := min(most, int64(len(b))*8+1024); ; size = min(most, size*8) {
			dst := make([]byte, size)
			n, err := d.Decode(dst, b)
			if errors.Is(err, xz.ErrSpace) && size < most {
				continue
			}
			if errors.Is(err, xz.ErrSpace) {
				err = block.ErrLimit
			}
			return dst[:n], err
		}
	case dataLZ4:
		if len(b) < 8 {
			return nil, lz4.ErrCorrupt
		}
		size := binary.LittleEndian.Uint64(b)
		b = b[8:]
		switch {
		case size > uint64(most):
			return nil, block.ErrLimit
		case size > 256*uint64(len(b)): // no match stands for more
			return nil, lz4.ErrCorrupt
		}
		dst := make([]byte, size)
		n, used, err := lz4.Decode(dst, b)
		if err == nil && (n != len(dst) || used != len(b)) {
			err = fmt.Errorf("it has %d bytes, and should have %d", n, size)
		}
		return dst, err
	case dataZstd:
		d, err := f.zstdDecoder()
		if err != nil {
			return nil, err
		}
		defer f.zstd.Put(d)
		out, err := d.DecodeAll(b, nil)
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
			err = block.ErrLimit
		}
		return out, err
	}
	return nil, block.ErrUnsupported
}

func (f *File) zstdDecoder() (*zstd.Decoder, error) {
	if d, ok := f.zstd.Get().(*zstd.Decoder); ok {
		return d, nil
	}
	most := uint64(f.o.MaxFieldBytes)
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(max(most, zstd.MinWindowSize)), zstd.WithDecoderMaxMemory(most))
}
