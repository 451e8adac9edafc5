package xfs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	agfMagic    = 0x58414746 // "XAGF"
	agfSize     = 0xe0
	agfCRCOff   = 0xd8
	agfSector   = 1
	agHeaders   = 4          // sectors: superblock, AGF, AGI, AGFL
	bnoMagicV4  = 0x41425442 // "ABTB"
	bnoMagicV5  = 0x41423342 // "AB3B"
	shortLenV4  = 0x10
	shortLenV5  = 0x38
	shortCRCOff = 0x34
	maxBnoLevel = 9
	nullAG      = 1<<32 - 1
)

// agf is struct xfs_agf: the free space of an allocation group.
type agf struct {
	magicnum   uint32   // 0x00
	versionnum uint32   // 0x04
	seqno      uint32   // 0x08
	length     uint32   // 0x0c
	bnoRoot    uint32   // 0x10
	cntRoot    uint32   // 0x14
	rmapRoot   uint32   // 0x18, 0 without that feature
	bnoLevel   uint32   // 0x1c
	freeblks   uint32   // 0x34
	uuid       [16]byte // 0x40, from here on version 5 only
	crc        uint32   // 0xd8, little-endian
}

func (a *agf) decode(b []byte) {
	be := binary.BigEndian
	a.magicnum = be.Uint32(b[0x00:])
	a.versionnum = be.Uint32(b[0x04:])
	a.seqno = be.Uint32(b[0x08:])
	a.length = be.Uint32(b[0x0c:])
	a.bnoRoot = be.Uint32(b[0x10:])
	a.cntRoot = be.Uint32(b[0x14:])
	a.rmapRoot = be.Uint32(b[0x18:])
	a.bnoLevel = be.Uint32(b[0x1c:])
	a.freeblks = be.Uint32(b[0x34:])
	copy(a.uuid[:], b[0x40:])
	a.crc = binary.LittleEndian.Uint32(b[0xd8:])
}

// shortBlock is struct xfs_btree_block with pointers of 32 bits.
type shortBlock struct {
	magic    uint32   // 0x00
	level    uint16   // 0x04
	numrecs  uint16   // 0x06
	rightsib uint32   // 0x0c
	blkno    uint64   // 0x10, from here on version 5 only
	uuid     [16]byte // 0x20
	owner    uint32   // 0x30
	crc      uint32   // 0x34, little-endian
}

func (h *shortBlock) decode(b []byte) {
	be := binary.BigEndian
	h.magic = be.Uint32(b[0x00:])
	h.level = be.Uint16(b[0x04:])
	h.numrecs = be.Uint16(b[0x06:])
	h.rightsib = be.Uint32(b[0x0c:])
	if len(b) >= shortLenV5 {
		h.blkno = be.Uint64(b[0x10:])
		copy(h.uuid[:], b[0x20:])
		h.owner = be.Uint32(b[0x30:])
		h.crc = binary.LittleEndian.Uint32(b[0x34:])
	}
}

// Free implements vfs.Freer: it walks the tree of free extents by block number
// of each allocation group. What is free must lie in rising order, come to as
// many blocks as the group says, and leave the group's headers, the tree itself,
// the root inode and the log alone.
func (f *filesystem) Free(yield func(off, n int64) error) error {
	sb := &f.sb
	const roKnown = 1<<len(roCompatNames) - 1
	switch {
	case f.opts.IgnoreLog:
		return block.Errorf(format, "log", -1, block.ErrDirty, "nobody looked whether it is clean")
	case sb.v5() && sb.roCompat&^roKnown != 0:
		return block.Errorf(format, "superblock", 0xd4, block.ErrUnsupported, "free blocks with the feature %s", names(sb.roCompat&^roKnown, nil)[0])
	case f.dev.Size() < sb.size():
		return block.Errorf(format, "filesystem", f.dev.Size(), block.ErrTruncated, "")
	}
	for agno := range uint64(sb.agcount) {
		w := &bnoWalk{f: f, agno: agno, blocks: uint32(sb.agBlocks(agno)), yield: yield}
		if err := w.group(); err != nil {
			return err
		}
	}
	return nil
}

// A bnoWalk lists the free extents of one group.
type bnoWalk struct {
	f      *filesystem
	agno   uint64
	blocks uint32
	yield  func(off, n int64) error

	next uint32 // no further extent may start before it
	free uint64
	own  []span32 // of the filesystem itself, none of which may be free
	seen int
}

// span32 are blocks of a group.
type span32 struct{ first, end uint64 }

func (w *bnoWalk) off(agbno uint32) int64 {
	return int64((w.agno*uint64(w.f.sb.agblocks) + uint64(agbno)) << w.f.sb.blocklog)
}

func (w *bnoWalk) group() error {
	f, sb := w.f, &w.f.sb
	off := w.off(0) + agfSector*int64(sb.sectsize)
	b, err := block.ReadBytes(f.dev, off, int64(sb.sectsize), 1<<maxSectorLog)
	if err != nil {
		return block.Locate(format, "AGF", off, err)
	}
	bad := func(detail string, args ...any) error {
		return block.Errorf(format, "AGF", off, block.ErrCorrupt, detail, args...)
	}
	var a agf
	a.decode(b)
	switch {
	case a.magicnum != agfMagic || a.versionnum != 1:
		return bad("magic %#x, version %d", a.magicnum, a.versionnum)
	case sb.v5() && checksum(b, agfCRCOff) != a.crc:
		return bad("checksum is %#x, not %#x", a.crc, checksum(b, agfCRCOff))
	case sb.v5() && a.uuid != f.uuid:
		return bad("it belongs to filesystem %s", formatUUID(a.uuid))
	case uint64(a.seqno) != w.agno || a.length != w.blocks:
		return bad("it is for group %d of %d blocks, not for group %d of %d", a.seqno, a.length, w.agno, w.blocks)
	case a.bnoLevel < 1 || a.bnoLevel > maxBnoLevel:
		return bad("a tree of %d levels", a.bnoLevel)
	}
	w.own = append(w.own, span32{0, (agHeaders*uint64(sb.sectsize) + uint64(sb.blocksize) - 1) >> sb.blocklog})
	local := func(fsb, n uint64) {
		if fsb>>sb.agblklog == w.agno {
			first := fsb & (1<<sb.agblklog - 1)
			w.own = append(w.own, span32{first, first + n})
		}
	}
	if sb.logstart != 0 {
		local(sb.logstart, uint64(sb.logblocks))
	}
	local(sb.rootino>>sb.inopblog, 1)
	inodes, err := w.inodeTree()
	if err != nil {
		return err
	}
	for _, root := range []uint32{a.cntRoot, a.rmapRoot, inodes} {
		if root != 0 {
			w.own = append(w.own, span32{uint64(root), uint64(root) + 1})
		}
	}
	if err := w.tree(a.bnoRoot, int(a.bnoLevel)-1); err != nil {
		return err
	}
	if w.free != uint64(a.freeblks) {
		return bad("%d blocks are free in its tree, and it has %d", w.free, a.freeblks)
	}
	return nil
}

// inodeTree returns the root of the tree of inodes, which the AGI names.
func (w *bnoWalk) inodeTree() (uint32, error) {
	const magic, root = 0x58414749, 0x14 // "XAGI"
	off := w.off(0) + 2*int64(w.f.sb.sectsize)
	b, err := block.ReadBytes(w.f.dev, off, root+4, root+4)
	if err != nil {
		return 0, block.Locate(format, "AGI", off, err)
	}
	if m := binary.BigEndian.Uint32(b); m != magic {
		return 0, block.Errorf(format, "AGI", off, block.ErrCorrupt, "magic %#x", m)
	}
	return binary.BigEndian.Uint32(b[root:]), nil
}

// tree goes down the left edge, and then along the leaves by their siblings:
// each leaf's first extent lies behind the last one of the leaf before, so that
// none is met twice.
func (w *bnoWalk) tree(root uint32, level int) error {
	for at := root; ; level-- {
		h, recs, err := w.read(at, level)
		if err != nil {
			return err
		}
		if level == 0 {
			return w.leaves(at, h, recs)
		}
		if h.numrecs == 0 {
			return w.corrupt(at, "a node without pointers")
		}
		room := len(recs) / 12 // keys of 8 bytes, then pointers of 4
		if int(h.numrecs) > room {
			return w.corrupt(at, "%d records", h.numrecs)
		}
		at = binary.BigEndian.Uint32(recs[room*8:])
	}
}

func (w *bnoWalk) leaves(at uint32, h shortBlock, recs []byte) error {
	for {
		if int(h.numrecs) > len(recs)/8 {
			return w.corrupt(at, "%d records", h.numrecs)
		}
		for i := range int(h.numrecs) {
			first, n := binary.BigEndian.Uint32(recs[i*8:]), binary.BigEndian.Uint32(recs[i*8+4:])
			if n == 0 || first < w.next || first >= w.blocks || n > w.blocks-first {
				return w.corrupt(at, "%d free blocks at %d, in a group of %d", n, first, w.blocks)
			}
			for _, o := range w.own {
				if uint64(first) < o.end && uint64(first)+uint64(n) > o.first {
					return w.corrupt(at, "block %d is free in it, and holds the filesystem's own structures", max(uint64(first), o.first))
				}
			}
			w.next = first + n
			w.free += uint64(n)
			if err := w.yield(w.off(first), int64(n)<<w.f.sb.blocklog); err != nil {
				return err
			}
		}
		if h.rightsib == nullAG {
			return nil
		}
		// An empty leaf would let a chain of siblings run in a circle.
		if h.numrecs == 0 {
			return w.corrupt(at, "an empty block with a sibling")
		}
		at = h.rightsib
		var err error
		if h, recs, err = w.read(at, 0); err != nil {
			return err
		}
	}
}

func (w *bnoWalk) corrupt(at uint32, detail string, args ...any) error {
	return block.Errorf(format, "free space tree", w.off(at), block.ErrCorrupt, detail, args...)
}

// read reads and checks a block of the tree. The blocks of the way down are held
// to be the filesystem's own.
func (w *bnoWalk) read(at uint32, level int) (h shortBlock, recs []byte, err error) {
	f, sb := w.f, &w.f.sb
	if at >= w.blocks {
		return h, nil, w.corrupt(0, "it leads to block %d of %d", at, w.blocks)
	}
	b, err := block.ReadBytes(f.dev, w.off(at), int64(sb.blocksize), 1<<maxBlockLog)
	if err != nil {
		return h, nil, block.Locate(format, "free space tree", w.off(at), err)
	}
	h.decode(b)
	head, magic := shortLenV4, uint32(bnoMagicV4)
	if sb.v5() {
		head, magic = shortLenV5, bnoMagicV5
	}
	switch {
	case h.magic != magic || int(h.level) != level:
		err = w.corrupt(at, "magic %#x, level %d", h.magic, h.level)
	case sb.v5() && checksum(b, shortCRCOff) != h.crc:
		err = w.corrupt(at, "checksum is %#x, not %#x", h.crc, checksum(b, shortCRCOff))
	case sb.v5() && h.uuid != f.uuid:
		err = w.corrupt(at, "it belongs to filesystem %s", formatUUID(h.uuid))
	case sb.v5() && (h.blkno != uint64(w.off(at))/basicBlock || uint64(h.owner) != w.agno):
		err = w.corrupt(at, "it says that it lies at sector %d, in group %d", h.blkno, h.owner)
	}
	if w.seen++; w.seen <= maxBnoLevel {
		w.own = append(w.own, span32{uint64(at), uint64(at) + 1})
	}
	return h, b[head:], err
}
