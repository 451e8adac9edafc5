package xfs

import (
	"encoding/binary"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// Directories and attributes index names by hash in the same btree, whose
// blocks lie in the fork: nodes, and leaves of one sort or the other.
const (
	daNodeMagic     = 0xfebe
	daNodeMagicV5   = 0x3ebe
	dirLeaf1Magic   = 0xd2f1 // the only block of the index
	dirLeaf1MagicV5 = 0x3df1
	dirLeafMagic    = 0xd2ff
	dirLeafMagicV5  = 0x3dff
	attrLeafMagic   = 0xfbee
	attrLeafMagicV5 = 0x3bee

	leafEntrySize  = 8
	maxDALevel     = 5
	daHeaderSize   = 16 // of nodes and directory leaves
	daHeaderSizeV5 = 64
)

// daInfo begins each of these blocks.
type daInfo struct {
	forw  uint32 // 0x00 the next block of the level, 0 for none
	back  uint32 // 0x04
	magic uint16 // 0x08
	count uint16 // 0x0c, or 0x38 in version 5
	level uint16 // 0x0e, or 0x3a; of nodes, 1 being above the leaves
}

func (h *daInfo) decode(b []byte, v5 bool) {
	h.forw = binary.BigEndian.Uint32(b[0x00:])
	h.back = binary.BigEndian.Uint32(b[0x04:])
	h.magic = binary.BigEndian.Uint16(b[0x08:])
	h.count = binary.BigEndian.Uint16(b[0x0c:])
	h.level = binary.BigEndian.Uint16(b[0x0e:])
	if v5 {
		h.count = binary.BigEndian.Uint16(b[0x38:])
		h.level = binary.BigEndian.Uint16(b[0x3a:])
	}
}

// daBlock is a node, or a leaf of a directory's index.
type daBlock struct {
	daInfo
	b       []byte
	off     int64
	entries []byte // hash and block, or hash and address
}

func (d *daBlock) hash(i int) uint32  { return binary.BigEndian.Uint32(d.entries[i*leafEntrySize:]) }
func (d *daBlock) value(i int) uint32 { return binary.BigEndian.Uint32(d.entries[i*leafEntrySize+4:]) }

// search returns the first entry whose hash is at least h.
func (d *daBlock) search(h uint32) int {
	return sort.Search(int(d.count), func(i int) bool { return d.hash(i) >= h })
}

func (d *daBlock) corrupt(detail string, args ...any) error {
	return block.Errorf(format, "hash index block", d.off, block.ErrCorrupt, detail, args...)
}

func (d *daBlock) node() bool { return d.magic == daNodeMagic || d.magic == daNodeMagicV5 }

// daBlock reads a block of the index in a fork: of an attribute fork the kind
// is kindAttr and the size a filesystem block, else that of a directory block.
func (f *filesystem) daBlock(k *fork, blk uint64) (*daBlock, error) {
	kd, size := kindDA, f.sb.dirBlockSize()
	if k.attr {
		kd, size = kindAttr, int(f.sb.blocksize)
	}
	return cached(f, cacheKey{kind: kd, ino: k.ino, pos: blk}, func() (*daBlock, int64, error) {
		b, off, err := f.forkBlock(k, kd, blk, size)
		if err != nil {
			return nil, 0, err
		}
		d := &daBlock{b: b, off: off}
		d.decode(b, f.sb.v5())
		if err := f.openDA(d, k); err != nil {
			return nil, 0, err
		}
		return d, int64(len(b)), nil
	})
}

// daMagics are the blocks of version 4 and 5.
var daMagics = [2]map[uint16]bool{
	{daNodeMagic: true, dirLeaf1Magic: true, dirLeafMagic: true, attrLeafMagic: true},
	{daNodeMagicV5: true, dirLeaf1MagicV5: true, dirLeafMagicV5: true, attrLeafMagicV5: true},
}

func (f *filesystem) openDA(d *daBlock, k *fork) error {
	version, header := 0, daHeaderSize
	if f.sb.v5() {
		version, header = 1, daHeaderSizeV5
	}
	leaf := d.magic == attrLeafMagic || d.magic == attrLeafMagicV5
	if !daMagics[version][d.magic] || leaf && !k.attr || k.attr && !leaf && !d.node() {
		return d.corrupt("magic is %#x", d.magic)
	}
	if err := f.verify(kindDA, d.b, d.off, k.ino); err != nil {
		return err
	}
	if leaf {
		return nil // attrLeaf looks further
	}
	if room := (len(d.b) - header) / leafEntrySize; int(d.count) > room {
		return d.corrupt("%d entries in room for %d", d.count, room)
	}
	if d.node() && (d.count == 0 || d.level == 0 || d.level > maxDALevel) {
		return d.corrupt("node of level %d with %d entries", d.level, d.count)
	}
	d.entries = d.b[header:][:int(d.count)*leafEntrySize]
	for i := 1; i < int(d.count); i++ {
		if d.hash(i) < d.hash(i-1) {
			return d.corrupt("hashes are out of order")
		}
	}
	return nil
}

// daLeaf goes down from the block root to the first leaf that may hold hash h.
// It returns nil if all hashes are lower.
func (f *filesystem) daLeaf(k *fork, root uint64, h uint32) (*daBlock, error) {
	d, err := f.daBlock(k, root)
	if err != nil {
		return nil, err
	}
	for d.node() {
		i := d.search(h)
		if i == int(d.count) {
			return nil, nil
		}
		child, err := f.daBlock(k, uint64(d.value(i)))
		if err != nil {
			return nil, err
		}
		if child.node() && child.level != d.level-1 || !child.node() && d.level != 1 {
			return nil, child.corrupt("in the wrong level, below %d", d.level)
		}
		d = child
	}
	return d, nil
}

// daFirst goes down to the first leaf of all.
func (f *filesystem) daFirst(k *fork, root uint64) (*daBlock, error) { return f.daLeaf(k, root, 0) }
