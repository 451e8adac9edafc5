package iso9660

import (
	"encoding/binary"
	"io"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/inflate"
)

const (
	zisofsMagic  = "\x37\xE4\x53\x96\xC9\xDB\xD6\x07"
	zisofs2Magic = "\xEF\x22\x55\xA1\xBC\x1B\x95\xA0"
	zisofs2Zlib  = 1 // the one algorithm
	blockCost    = 128
)

// zisofs is what Rock Ridge says of a compressed file.
type zisofs struct {
	algorithm string
	size      int64
}

// zfile is the content of such a file: a header, the offsets of its blocks, and
// those, each of them compressed by zlib. One without bytes is zeros.
type zfile struct {
	n         *inode
	d         block.Device // as it is stored
	size      int64
	table     int64
	width     int64 // of an offset
	blockBits uint
}

func (z *zisofs) open(n *inode, d block.Device) (block.Device, error) {
	const headerLen = 16
	if z.algorithm != "pz" && z.algorithm != "PZ" {
		return nil, n.errorf(block.ErrUnsupported, "compressed by %q", z.algorithm)
	}
	if d.Size() < headerLen {
		return nil, n.errorf(block.ErrCorrupt, "a zisofs file of %d bytes", d.Size())
	}
	b := make([]byte, min(24, d.Size()))
	if err := block.ReadFull(d, b, 0); err != nil {
		return nil, err
	}
	f := &zfile{n: n, d: d, size: z.size}
	size := int64(0)
	switch {
	case string(b[:8]) == zisofsMagic:
		size, f.table, f.blockBits, f.width = int64(binary.LittleEndian.Uint32(b[8:])), int64(b[12])*4, uint(b[13]), 4
	case string(b[:8]) == zisofs2Magic && len(b) == 24:
		size, f.table, f.blockBits, f.width = int64(binary.LittleEndian.Uint64(b[12:])), int64(b[9])*4, uint(b[11]), 8
		if algorithm := b[10]; algorithm != zisofs2Zlib {
			return nil, n.errorf(block.ErrUnsupported, "compressed by algorithm %d of zisofs2", algorithm)
		}
	default:
		return nil, n.errorf(block.ErrCorrupt, "it has no zisofs header")
	}
	if size != z.size || f.table < headerLen || f.blockBits < 12 || f.blockBits > 20 {
		return nil, n.errorf(block.ErrCorrupt, "its zisofs header: %d bytes in blocks of 2^%d", size, f.blockBits)
	}
	if count := (size + 1<<f.blockBits - 1) >> f.blockBits; count > (d.Size()-f.table)/f.width-1 {
		return nil, n.errorf(block.ErrCorrupt, "%d zisofs blocks do not fit into %d bytes", count, d.Size())
	}
	return f, nil
}

func (f *zfile) Size() int64 { return f.size }

// place returns where block i lies.
func (f *zfile) place(i int64) (off, n int64, err error) {
	b := make([]byte, 2*f.width)
	if err := block.ReadFull(f.d, b, f.table+i*f.width); err != nil {
		return 0, 0, err
	}
	le := binary.LittleEndian
	from, to := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:]))
	if f.width == 8 {
		from, to = le.Uint64(b), le.Uint64(b[8:])
	}
	if from > to || to > uint64(f.d.Size()) || to-from > 2<<f.blockBits {
		return 0, 0, f.n.errorf(block.ErrCorrupt, "zisofs block %d lies from %d to %d", i, from, to)
	}
	return int64(from), int64(to - from), nil
}

func (f *zfile) ReadAt(p []byte, off int64) (int, error) {
	q, end := block.Clip(p, off, f.size)
	for done := 0; done < len(q); {
		i, in := (off+int64(done))>>f.blockBits, (off+int64(done))&(1<<f.blockBits-1)
		holds := min(1<<f.blockBits, f.size-i<<f.blockBits)
		part := q[done:min(int64(len(q)), int64(done)+holds-in)]
		if err := f.readBlock(part, i, in, holds); err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(q), end
}

func (f *zfile) readBlock(q []byte, i, in, holds int64) error {
	at, n, err := f.place(i)
	if err != nil {
		return err
	}
	if n == 0 {
		clear(q)
		return nil
	}
	b, err := f.n.f.blocks.Get(f.n.start()+at, func() ([]byte, int64, error) {
		src := make([]byte, n)
		if err := block.ReadFull(f.d, src, at); err != nil {
			return nil, 0, err
		}
		b := make([]byte, holds)
		var z inflate.Decoder
		switch k, _, err := z.Zlib(b, src); {
		case err != nil && err != inflate.ErrSpace:
			return nil, 0, f.n.errorf(block.ErrCorrupt, "zisofs block %d: %v", i, err)
		case k < len(b):
			return nil, 0, f.n.errorf(block.ErrCorrupt, "zisofs block %d holds %d bytes, not %d", i, k, len(b))
		}
		return b, holds + blockCost, nil
	})
	if err != nil {
		return err
	}
	if int64(len(b)) < in+int64(len(q)) {
		return f.n.errorf(block.ErrCorrupt, "zisofs block %d holds %d bytes", i, len(b))
	}
	copy(q, b[in:])
	return nil
}

func (f *zfile) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= f.size {
		return block.Extent{}, io.EOF
	}
	i := off >> f.blockBits
	_, n, err := f.place(i)
	if err != nil {
		return block.Extent{}, err
	}
	e := block.Extent{Off: off, Len: min((i+1)<<f.blockBits, f.size) - off}
	if n == 0 {
		e.Zero, e.Unset = true, true
	} else {
		e.Compressed = true
	}
	return e, nil
}
