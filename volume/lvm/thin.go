package lvm

import (
	"encoding/binary"
	"io"
	"math"

	"github.com/guestkit/guestkit/block"
)

const (
	thinMagic      = 27022010
	thinXor        = 160774
	thinNeedsCheck = 1 << 0
	minThinBlock   = 64 << 10
	maxThinBlock   = 1 << 30
)

// thinSuper is the superblock of the metadata of a thin pool
// (struct thin_disk_superblock).
type thinSuper struct {
	csum      uint32 // 0x00
	flags     uint32 // 0x04
	blocknr   uint64 // 0x08
	magic     uint64 // 0x20
	version   uint32 // 0x28
	transID   uint64 // 0x30
	mapping   uint64 // 0x140 root of the trees of mappings, by device
	details   uint64 // 0x148 root of the tree of devices
	dataBlock uint32 // 0x150 sectors
	metaBlock uint32 // 0x154 sectors
	incompat  uint32 // 0x168
}

func (s *thinSuper) decode(b []byte) {
	le := binary.LittleEndian
	s.csum, s.flags, s.blocknr = le.Uint32(b), le.Uint32(b[0x04:]), le.Uint64(b[0x08:])
	s.magic, s.version, s.transID = le.Uint64(b[0x20:]), le.Uint32(b[0x28:]), le.Uint64(b[0x30:])
	s.mapping, s.details = le.Uint64(b[0x140:]), le.Uint64(b[0x148:])
	s.dataBlock, s.metaBlock, s.incompat = le.Uint32(b[0x150:]), le.Uint32(b[0x154:]), le.Uint32(b[0x168:])
}

func (s *thinSuper) validate(name string, b []byte) error {
	fault := func(off int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "superblock of the "+name, off, class, detail, args...)
	}
	size := int64(s.dataBlock) * sectorSize
	switch {
	case s.magic != thinMagic:
		return fault(0x20, block.ErrCorrupt, "no magic")
	case metaSum(b, thinXor) != s.csum:
		return fault(0, block.ErrCorrupt, "bad checksum")
	case s.blocknr != 0:
		return fault(8, block.ErrCorrupt, "it says that it lies in block %d", s.blocknr)
	case s.version < 1 || s.version > 2:
		return fault(0x28, block.ErrUnsupported, "version %d", s.version)
	case s.incompat != 0:
		return fault(0x168, block.ErrUnsupported, "features %#x that are not known", s.incompat)
	case size < minThinBlock || size > maxThinBlock || size%minThinBlock != 0:
		return fault(0x150, block.ErrCorrupt, "data blocks of %d sectors", s.dataBlock)
	case s.metaBlock != metaBlock/sectorSize:
		return fault(0x154, block.ErrUnsupported, "metadata blocks of %d sectors", s.metaBlock)
	}
	return nil
}

// A pool is a thin pool: metadata that maps blocks of many devices to data.
type pool struct {
	super thinSuper
	meta  *store
	data  block.Device
	block int64 // bytes of a data block

	problems []error
	pvs      []*PhysicalVolume
}

// openPool reads the superblock of a pool.
func openPool(name string, meta, data block.Device) (*pool, error) {
	name = "metadata of the thin pool " + name
	b, err := block.ReadBytes(meta, 0, metaBlock, metaBlock)
	if err != nil {
		return nil, block.Locate(format, name, 0, err)
	}
	p := &pool{meta: newStore(name, meta), data: data}
	p.super.decode(b)
	if err := p.super.validate(name, b); err != nil {
		return nil, err
	}
	p.block = int64(p.super.dataBlock) * sectorSize
	if p.super.flags&thinNeedsCheck != 0 {
		p.problems = append(p.problems, block.Errorf(format, name, -1, block.ErrDirty, "it says that it must be checked (thin_check)"))
	}
	return p, nil
}

// A thin is a thin volume.
type thin struct {
	pool   *pool
	root   uint64 // of its mappings
	size   int64
	origin block.Device // where what is not mapped comes from, nil for zeros
}

// device makes a thin volume of the device of that number.
func (p *pool) device(id uint64, size int64, origin block.Device) (*thin, error) {
	const detailSize = 24
	d, err := p.meta.lookup(p.super.details, id, detailSize)
	if err != nil {
		return nil, err
	}
	root, err := p.meta.lookup(p.super.mapping, id, 8)
	if err != nil {
		return nil, err
	}
	if d == nil || root == nil {
		return nil, block.Errorf(format, p.meta.name, -1, block.ErrCorrupt, "it has no device %d", id)
	}
	return &thin{p, binary.LittleEndian.Uint64(root), size, origin}, nil
}

func (t *thin) Size() int64     { return t.size }
func (t *thin) SectorSize() int { return block.SectorSize(t.pool.data) }

// at says where the bytes at off lie in the data of the pool, -1 if they are
// not mapped, and for how many bytes that goes on.
func (t *thin) at(off int64) (pos, n int64, err error) {
	p := t.pool
	in := off % p.block
	want := uint64(off / p.block)
	leaf, i, next, err := p.meta.seek(t.root, want, 8)
	if err != nil {
		return 0, 0, err
	}
	if i < int(leaf.entries) {
		next = leaf.key(i)
	}
	if i == int(leaf.entries) || next != want {
		return -1, t.span(want, next) - in, nil
	}
	// Neighbours that follow each other in the data too make one run.
	first := mapped(leaf.value(i))
	run := uint64(1)
	for j := i + 1; j < int(leaf.entries) && leaf.key(j) == want+run && mapped(leaf.value(j)) == first+run; j++ {
		run++
	}
	if first > uint64(p.data.Size()/p.block) || int64(first+run) > p.data.Size()/p.block {
		return 0, 0, block.Errorf(format, p.meta.name, -1, block.ErrCorrupt, "block %d of a thin volume is block %d of its data, which has %d bytes", want, first, p.data.Size())
	}
	return int64(first)*p.block + in, int64(run)*p.block - in, nil
}

// mapped is the number of a data block; the low 24 bits say when it was made.
func mapped(v []byte) uint64 { return binary.LittleEndian.Uint64(v) >> 24 }

// span is how many bytes lie from one block to another, at least one block and
// at most the rest of the volume.
func (t *thin) span(from, to uint64) int64 {
	if to <= from || to > uint64(math.MaxInt64/t.pool.block) {
		return t.size - int64(from)*t.pool.block
	}
	return int64(to-from) * t.pool.block
}

func (t *thin) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, t.size)
	for done := 0; done < len(q); {
		pos, n, err := t.at(off + int64(done))
		if err != nil {
			return done, err
		}
		part := q[done:min(int64(len(q)), int64(done)+max(n, 1))]
		if pos >= 0 {
			err = block.ReadFull(t.pool.data, part, pos)
		} else {
			err = readOrigin(t.origin, part, off+int64(done))
		}
		if err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(q), eof
}

func (t *thin) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= t.size {
		return block.Extent{}, io.EOF
	}
	pos, n, err := t.at(off)
	if err != nil {
		return block.Extent{}, err
	}
	n = max(n, 1)
	if pos < 0 {
		return originExtent(t.origin, off, n)
	}
	e, err := t.pool.data.Extent(pos)
	e.Off, e.Len = off, min(e.Len, n)
	return e, err
}

// originExtent describes what comes from an origin, or is zero past its end.
func originExtent(origin block.Device, off, n int64) (block.Extent, error) {
	if origin == nil || off >= origin.Size() {
		return block.Extent{Off: off, Len: n, Zero: true, Unset: true}, nil
	}
	e, err := origin.Extent(off)
	e.Len = min(e.Len, n, origin.Size()-off)
	return e, err
}

// readOrigin reads what comes from an origin; past its end, and where there is
// none, are zeros.
func readOrigin(origin block.Device, p []byte, off int64) error {
	if origin == nil {
		clear(p)
		return nil
	}
	return block.ReadParent(origin, p, off)
}
