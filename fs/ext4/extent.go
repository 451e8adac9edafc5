package ext4

import (
	"encoding/binary"
	"sort"

	"github.com/guestkit/guestkit/block"
)

const (
	extentMagic    = 0xF30A
	extentSize     = 12 // of the header, an index and an extent alike
	maxExtentDepth = 5
	maxExtentLen   = 1 << 15 // longer ones are unwritten
)

// extentHeader is struct ext4_extent_header.
type extentHeader struct {
	magic   uint16 // 0x0
	entries uint16 // 0x2
	max     uint16 // 0x4
	depth   uint16 // 0x6
}

func (h *extentHeader) decode(b []byte) {
	le := binary.LittleEndian
	h.magic = le.Uint16(b[0:])
	h.entries = le.Uint16(b[2:])
	h.max = le.Uint16(b[4:])
	h.depth = le.Uint16(b[6:])
}

// extentNode is a node of the extent tree: its bytes, past the header.
type extentNode []byte

func (e extentNode) entry(i int) []byte { return e[extentSize*i:] }

// key returns the first block of the file that entry i is for.
func (e extentNode) key(i int) uint64 { return uint64(binary.LittleEndian.Uint32(e.entry(i))) }

// child returns the block that index entry i points to.
func (e extentNode) child(i int) uint64 {
	le := binary.LittleEndian
	return uint64(le.Uint32(e.entry(i)[4:])) | uint64(le.Uint16(e.entry(i)[8:]))<<32
}

// extent returns the extent in entry i of a leaf.
func (e extentNode) extent(i int) run {
	le := binary.LittleEndian
	r := run{lblk: e.key(i), n: uint64(le.Uint16(e.entry(i)[4:])),
		pblk: uint64(le.Uint16(e.entry(i)[6:]))<<32 | uint64(le.Uint32(e.entry(i)[8:]))}
	if r.n > maxExtentLen {
		r.n -= maxExtentLen
		r.unwritten = true
	}
	return r
}

// A leaf is what an extent tree tells of the blocks from low to high.
type leaf struct {
	extents   extentNode
	count     int
	low, high uint64
}

// mapExtent looks a block up in the extent tree.
func (n *inode) mapExtent(lblk uint64) (run, error) {
	l, err := n.leaf(lblk)
	if err != nil {
		return run{}, err
	}
	return l.run(lblk), nil
}

// leaf finds the leaf of a block. Depth falls by one with each level, and the keys of a
// node lie within the range that its parent gives it, so no tree can lead in a circle.
func (n *inode) leaf(lblk uint64) (leaf, error) {
	var h extentHeader
	h.decode(n.block[:])
	if !n.checked.Load() {
		if err := n.checkExtents(n.block[:], h, "extent tree"); err != nil {
			return leaf{}, err
		}
		n.checked.Store(true)
	}
	l := leaf{extentNode(n.block[extentSize:]), int(h.entries), 0, 1 << 32}
	for depth := h.depth; depth > 0; depth-- {
		i := l.last(lblk)
		if i < 0 {
			return leaf{low: l.low, high: min(l.extents.key(0), l.high)}, nil
		}
		l.low = l.extents.key(i)
		if i+1 < l.count {
			l.high = min(l.high, l.extents.key(i+1))
		}
		child := l.extents.child(i)
		b, err := n.extentBlock(child)
		if err != nil {
			return leaf{}, err
		}
		h.decode(b)
		l.extents, l.count = extentNode(b[extentSize:]), int(h.entries)
		if h.depth != depth-1 || l.count == 0 || l.extents.key(0) < l.low || l.extents.key(l.count-1) >= l.high {
			return leaf{}, n.fs.corrupt("extent block", child, "it does not fit its place in the tree of inode %d", n.ino)
		}
	}
	return l, nil
}

// last is the last entry that starts at or before a block, -1 if none does.
func (l *leaf) last(lblk uint64) int {
	return sort.Search(l.count, func(i int) bool { return l.extents.key(i) > lblk }) - 1
}

// run returns the run that holds a block of the leaf.
func (l *leaf) run(lblk uint64) run {
	i := l.last(lblk)
	hole := run{lblk: l.low}
	if i >= 0 {
		r := l.extents.extent(i)
		if lblk-r.lblk < r.n {
			return r
		}
		hole.lblk = r.lblk + r.n
	}
	high := l.high
	if i+1 < l.count {
		high = l.extents.key(i + 1)
	}
	hole.n = high - hole.lblk
	return hole
}

// extentBlock reads a node of the extent tree that has a block of its own. A
// node whose checksum is wrong is an error: it holds nothing but pointers, and
// what they lead to could not be told from the file.
func (n *inode) extentBlock(child uint64) ([]byte, error) {
	if !n.fs.data(child, 1) {
		return nil, n.corrupt("extent block %d", child)
	}
	return n.fs.readBlock(child, n.ino, kindExtent, func(b []byte) error {
		var h extentHeader
		h.decode(b)
		if int(h.max) > (len(b)-extentSize)/extentSize {
			return n.fs.corrupt("extent block", child, "room for %d entries", h.max)
		}
		if at := extentSize * (1 + int(h.max)); n.fs.sb.has(roMetadataCsum) && at+4 <= len(b) {
			if sum, want := crc32c(n.seed, b[:at]), binary.LittleEndian.Uint32(b[at:]); sum != want {
				return n.fs.corrupt("extent block", child, "checksum %#08x of inode %d, computed %#08x", want, n.ino, sum)
			}
		}
		return n.checkExtents(b, h, "extent block")
	})
}

// checkExtents verifies a node: its header, the order of its entries, and that
// extents lie where data may.
func (n *inode) checkExtents(b []byte, h extentHeader, what string) error {
	bad := func(detail string, args ...any) error {
		return block.Errorf("ext4", what, n.off(), block.ErrCorrupt, "inode %d: "+detail, append([]any{n.ino}, args...)...)
	}
	switch {
	case h.magic != extentMagic:
		return bad("magic %#04x", h.magic)
	case h.depth > maxExtentDepth:
		return bad("depth %d", h.depth)
	case h.entries > h.max || int(h.max) > len(b)/extentSize-1:
		return bad("%d entries of %d", h.entries, h.max)
	case h.entries == 0 && h.depth > 0:
		return bad("an index without entries")
	}
	e := extentNode(b[extentSize:])
	next := uint64(0) // the lowest key that may follow
	for i := range int(h.entries) {
		key := e.key(i)
		if key < next {
			return bad("entry %d for block %d is out of order", i, key)
		}
		if h.depth > 0 {
			next = key + 1
			continue
		}
		r := e.extent(i)
		if r.n == 0 || r.lblk+r.n > 1<<32 {
			return bad("extent %d has %d blocks from %d on", i, r.n, r.lblk)
		}
		if !n.fs.data(r.pblk, r.n) {
			return bad("extent %d points to %d blocks from %d on", i, r.n, r.pblk)
		}
		next = r.lblk + r.n
	}
	return nil
}
