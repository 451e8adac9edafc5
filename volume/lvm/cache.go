package lvm

import (
	"encoding/binary"
	"io"
	"sort"
	"sync"

	"github.com/guestkit/guestkit/block"
)

const (
	cacheMagic = 0o6142003
	cacheXor   = 9031977
	cacheClean = 1 << 0 // it was stopped in order
	mapValid   = 1 << 0
	mapDirty   = 1 << 1 // of format 1
	// maxCacheBlocks bounds the blocks of a cache: 16 bytes are kept for
	// each that is dirty.
	maxCacheBlocks = 8 << 20
	arrayHeader    = 24
)

// cacheSuper is the superblock of the metadata of a cache
// (struct cache_disk_superblock).
type cacheSuper struct {
	csum      uint32 // 0x00
	flags     uint32 // 0x04
	blocknr   uint64 // 0x08
	magic     uint64 // 0x20
	version   uint32 // 0x28
	mapping   uint64 // 0xc0 root of the array of mappings, by block of the cache
	dataBlock uint32 // 0xe8 sectors
	metaBlock uint32 // 0xec sectors
	blocks    uint32 // 0xf0
	incompat  uint32 // 0xfc
	dirty     uint64 // 0x11c root of the bits of dirty blocks, in format 2
}

func (s *cacheSuper) decode(b []byte) {
	le := binary.LittleEndian
	s.csum, s.flags, s.blocknr = le.Uint32(b), le.Uint32(b[0x04:]), le.Uint64(b[0x08:])
	s.magic, s.version, s.mapping = le.Uint64(b[0x20:]), le.Uint32(b[0x28:]), le.Uint64(b[0xc0:])
	s.dataBlock, s.metaBlock = le.Uint32(b[0xe8:]), le.Uint32(b[0xec:])
	s.blocks, s.incompat, s.dirty = le.Uint32(b[0xf0:]), le.Uint32(b[0xfc:]), le.Uint64(b[0x11c:])
}

func (s *cacheSuper) validate(name string, b []byte) error {
	fault := func(off int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "superblock of the "+name, off, class, detail, args...)
	}
	switch {
	case s.magic != cacheMagic:
		return fault(0x20, block.ErrCorrupt, "no magic")
	case metaSum(b, cacheXor) != s.csum:
		return fault(0, block.ErrCorrupt, "bad checksum")
	case s.blocknr != 0:
		return fault(8, block.ErrCorrupt, "it says that it lies in block %d", s.blocknr)
	case s.version < 1 || s.version > 2:
		return fault(0x28, block.ErrUnsupported, "version %d", s.version)
	case s.incompat != 0:
		return fault(0xfc, block.ErrUnsupported, "features %#x that are not known", s.incompat)
	case s.dataBlock == 0 || s.dataBlock > maxThinBlock/sectorSize:
		return fault(0xe8, block.ErrCorrupt, "blocks of %d sectors", s.dataBlock)
	case s.metaBlock != metaBlock/sectorSize:
		return fault(0xec, block.ErrUnsupported, "metadata blocks of %d sectors", s.metaBlock)
	case s.blocks > maxCacheBlocks:
		return fault(0xf0, block.ErrLimit, "%d blocks, at most %d are read", s.blocks, maxCacheBlocks)
	}
	return nil
}

// A cached is an origin with a cache: what the cache holds that was not written
// back yet comes from there. Which blocks those are is read when it is first
// needed.
type cached struct {
	super        cacheSuper
	meta         *store
	origin, data block.Device
	block        int64
	once         sync.Once
	dirty        []dirtyBlock // by block of the origin
	err          error
}

type dirtyBlock struct{ origin, cache int64 }

// openCache reads the superblock of a cache.
func openCache(name string, origin, meta, data block.Device) (*cached, error) {
	name = "metadata of the cache of " + name
	b, err := block.ReadBytes(meta, 0, metaBlock, metaBlock)
	if err != nil {
		return nil, block.Locate(format, name, 0, err)
	}
	c := &cached{meta: newStore(name, meta), origin: origin, data: data}
	c.super.decode(b)
	if err := c.super.validate(name, b); err != nil {
		return nil, err
	}
	c.block = int64(c.super.dataBlock) * sectorSize
	return c, nil
}

// array calls f with the values of an array of n entries of 8 bytes.
func (s *store) array(root, n uint64, f func(i uint64, v uint64) error) error {
	const per = (metaBlock - arrayHeader) / 8
	le := binary.LittleEndian
	for first := uint64(0); first < n; first += per {
		at, err := s.lookup(root, first/per, 8)
		if err != nil {
			return err
		}
		if at == nil {
			return s.fault(root, block.ErrCorrupt, "an array of %d entries ends at %d", n, first)
		}
		b, err := s.block(le.Uint64(at), arrayXor)
		if err != nil {
			return err
		}
		count := uint64(le.Uint32(b[8:]))
		if size := le.Uint32(b[12:]); size != 8 || count > per || first+count < min(n, first+per) {
			return s.fault(le.Uint64(at), block.ErrCorrupt, "%d entries of %d bytes in a block of an array", count, size)
		}
		for i := range min(count, n-first) {
			if err := f(first+i, le.Uint64(b[arrayHeader+8*i:])); err != nil {
				return err
			}
		}
	}
	return nil
}

// load finds the blocks that the origin lacks. Where the cache was not stopped
// in order that may be each that it has.
func (c *cached) load() {
	s := &c.super
	clean := s.flags&cacheClean != 0
	var bits []uint64
	if clean && s.version >= 2 {
		c.err = c.meta.array(s.dirty, (uint64(s.blocks)+63)/64, func(_, v uint64) error {
			bits = append(bits, v)
			return nil
		})
		if c.err != nil {
			return
		}
	}
	limit := c.data.Size() / c.block
	c.err = c.meta.array(s.mapping, uint64(s.blocks), func(i, v uint64) error {
		switch {
		case v&mapValid == 0:
			return nil
		case !clean:
		case s.version == 1 && v&mapDirty == 0, s.version >= 2 && bits[i/64]>>(i%64)&1 == 0:
			return nil
		}
		if int64(i) >= limit {
			return c.meta.fault(s.mapping, block.ErrCorrupt, "it uses block %d of its data, which has %d", i, limit)
		}
		if int64(v>>16) > c.origin.Size()/c.block {
			return c.meta.fault(s.mapping, block.ErrCorrupt, "it caches block %d of an origin of %d bytes", v>>16, c.origin.Size())
		}
		c.dirty = append(c.dirty, dirtyBlock{int64(v >> 16), int64(i)})
		return nil
	})
	sort.Slice(c.dirty, func(i, j int) bool { return c.dirty[i].origin < c.dirty[j].origin })
	for i := 1; i < len(c.dirty) && c.err == nil; i++ {
		if c.dirty[i].origin == c.dirty[i-1].origin {
			c.err = c.meta.fault(s.mapping, block.ErrCorrupt, "block %d is cached twice", c.dirty[i].origin)
		}
	}
}

func (c *cached) Size() int64     { return c.origin.Size() }
func (c *cached) SectorSize() int { return block.SectorSize(c.origin) }

// at returns which device has the bytes at off, where, and for how many bytes.
func (c *cached) at(off int64) (block.Device, int64, int64, error) {
	c.once.Do(c.load)
	if c.err != nil {
		return nil, 0, 0, c.err
	}
	b, in := off/c.block, off%c.block
	i := sort.Search(len(c.dirty), func(i int) bool { return c.dirty[i].origin >= b })
	switch {
	case i == len(c.dirty):
		return c.origin, off, c.Size() - off, nil
	case c.dirty[i].origin > b:
		return c.origin, off, min((c.dirty[i].origin-b)*c.block-in, c.Size()-off), nil
	}
	return c.data, c.dirty[i].cache*c.block + in, c.block - in, nil
}

func (c *cached) ReadAt(p []byte, off int64) (int, error) { return readRouted(c, p, off) }

func (c *cached) Extent(off int64) (block.Extent, error) { return routedExtent(c, off) }

// A routed device finds its bytes in others.
type routed interface {
	Size() int64
	// at returns which device has the bytes at off, where they lie there,
	// and for how many bytes that goes on.
	at(off int64) (d block.Device, pos, n int64, err error)
}

func readRouted(r routed, p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, r.Size())
	for done := 0; done < len(q); {
		d, pos, n, err := r.at(off + int64(done))
		if err != nil {
			return done, err
		}
		part := q[done:min(int64(len(q)), int64(done)+n)]
		if err := block.ReadFull(d, part, pos); err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(q), eof
}

func routedExtent(r routed, off int64) (block.Extent, error) {
	if off < 0 || off >= r.Size() {
		return block.Extent{}, io.EOF
	}
	d, pos, n, err := r.at(off)
	if err != nil {
		return block.Extent{}, err
	}
	e, err := d.Extent(pos)
	e.Off, e.Len = off, min(e.Len, n)
	return e, err
}
