package xfs

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/guestkit/guestkit/block"
)

const (
	bmbtMagic   = 0x424d4150 // "BMAP"
	bmbtMagicV5 = 0x424d4133 // "BMA3"

	btreeHeader   = 24
	btreeHeaderV5 = 72

	// maxBtreeLevel is the level of the highest root; leaves are level 0.
	maxBtreeLevel = 9
)

// bmbtHeader begins a block of a btree of extents.
type bmbtHeader struct {
	magic   uint32 // 0x00
	level   uint16 // 0x04
	numrecs uint16 // 0x06
	left    uint64 // 0x08
	right   uint64 // 0x10
	owner   uint64 // 0x38 version 5
}

func (h *bmbtHeader) decode(b []byte, v5 bool) {
	be := binary.BigEndian
	h.magic = be.Uint32(b[0x00:])
	h.level = be.Uint16(b[0x04:])
	h.numrecs = be.Uint16(b[0x06:])
	h.left = be.Uint64(b[0x08:])
	h.right = be.Uint64(b[0x10:])
	if v5 {
		h.owner = be.Uint64(b[0x38:])
	}
}

// bmbtNode is a block of the tree or its root: children with the first file
// block that each holds, or, at level 0, extents.
type bmbtNode struct {
	level int
	owner uint64
	keys  []uint64
	ptrs  []uint64
	recs  []mapping
}

func (n *bmbtNode) cost() int64 { return int64(len(n.keys)*16 + len(n.recs)*40) }

// root decodes the root of a fork's btree, which lies in the inode: level,
// count, keys, and pointers where a full root would have them.
func (k *fork) root() (*bmbtNode, error) {
	if len(k.b) < 4 {
		return nil, k.corrupt("btree root in %d bytes", len(k.b))
	}
	level, count := int(binary.BigEndian.Uint16(k.b)), int(binary.BigEndian.Uint16(k.b[2:]))
	room := (len(k.b) - 4) / 16
	if level == 0 || level > maxBtreeLevel {
		return nil, k.corrupt("btree root has level %d", level)
	}
	if count == 0 || count > room {
		return nil, k.corrupt("btree root has %d records and room for %d", count, room)
	}
	n := &bmbtNode{level: level}
	if !n.setChildren(k.b[4:], count, room) {
		return nil, k.corrupt("keys of the btree root are out of order")
	}
	return n, nil
}

// setChildren decodes count keys and pointers of a node with the given room,
// and reports whether the keys rise.
func (n *bmbtNode) setChildren(b []byte, count, room int) bool {
	n.keys, n.ptrs = make([]uint64, count), make([]uint64, count)
	for i := range count {
		n.keys[i] = binary.BigEndian.Uint64(b[i*8:])
		n.ptrs[i] = binary.BigEndian.Uint64(b[(room+i)*8:])
		if i > 0 && n.keys[i] <= n.keys[i-1] {
			return false
		}
	}
	return true
}

// windowOfTree finds the leaf of blk in a btree. Levels fall with every step, so
// that no cycle can hold it.
func (f *filesystem) windowOfTree(k *fork, blk uint64) (window, error) {
	n, err := k.root()
	if err != nil {
		return window{}, err
	}
	w := window{end: maxFileBlock}
	for n.level > 0 {
		i := sort.Search(len(n.keys), func(i int) bool { return n.keys[i] > blk })
		if i < len(n.keys) {
			w.end = min(w.end, n.keys[i])
		}
		if i == 0 { // a hole before the first extent
			w.from = blk
			return w, nil
		}
		w.from = max(w.from, n.keys[i-1])
		if n, err = f.bmbtBlock(k, n.ptrs[i-1], n.level-1); err != nil {
			return window{}, err
		}
	}
	w.recs = n.recs
	return w, nil
}

// bmbtBlock returns the decoded block of a fork's btree at a filesystem block.
func (f *filesystem) bmbtBlock(k *fork, fsb uint64, level int) (*bmbtNode, error) {
	off, ok := f.sb.blockOff(fsb)
	if !ok {
		return nil, k.corrupt("btree block %d lies outside the filesystem", fsb)
	}
	n, err := cached(f, cacheKey{kind: kindBmbt, pos: uint64(off)}, func() (*bmbtNode, int64, error) {
		n, err := f.readBmbt(off)
		if err != nil {
			return nil, 0, err
		}
		return n, n.cost(), nil
	})
	if err != nil {
		return nil, err
	}
	bad := func(detail string, args ...any) error {
		return block.Errorf(format, "bmbt block", off, block.ErrCorrupt, "%s of inode %d", fmt.Sprintf(detail, args...), k.ino)
	}
	if n.level != level {
		return nil, bad("level %d where %d is due, in the tree", n.level, level)
	}
	// After a swap of extents the log leaves the owners to be changed.
	if f.sb.v5() && n.owner != k.ino && !(f.log != nil && f.log.ownerChanged(k.ino, k.attr)) {
		return nil, bad("it belongs to inode %d and is in the tree", n.owner)
	}
	return n, nil
}

func (f *filesystem) readBmbt(off int64) (*bmbtNode, error) {
	b, err := f.read(kindBmbt, off, int(f.sb.blocksize))
	if err != nil {
		return nil, err
	}
	var h bmbtHeader
	h.decode(b, f.sb.v5())
	bad := func(detail string, args ...any) error {
		return block.Errorf(format, "bmbt block", off, block.ErrCorrupt, detail, args...)
	}
	magic, header := uint32(bmbtMagic), btreeHeader
	if f.sb.v5() {
		magic, header = bmbtMagicV5, btreeHeaderV5
	}
	if h.magic != magic {
		return nil, bad("magic is %#x", h.magic)
	}
	if err := f.verify(kindBmbt, b, off, 0); err != nil {
		return nil, err
	}
	room := (len(b) - header) / 16
	if h.level >= maxBtreeLevel || h.numrecs == 0 || int(h.numrecs) > room {
		return nil, bad("level %d with %d records in room for %d", h.level, h.numrecs, room)
	}
	n := &bmbtNode{level: int(h.level), owner: h.owner}
	if h.level == 0 {
		if n.recs, err = decodeExtents(b[header:][:int(h.numrecs)*extentSize]); err != nil {
			return nil, bad("%s", err)
		}
		return n, nil
	}
	if !n.setChildren(b[header:], int(h.numrecs), room) {
		return nil, bad("keys are out of order")
	}
	return n, nil
}
