package btrfs

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/guestkit/guestkit/block"
)

const (
	headerSize = 0x65
	itemSize   = 0x19 // of the head of an item in a leaf
	ptrSize    = 0x21
	keySize    = 0x11
)

// key is struct btrfs_disk_key: what the items of all trees are sorted by.
type key struct {
	objectid uint64 // 0x00
	typ      uint8  // 0x08
	offset   uint64 // 0x09
}

func decodeKey(b []byte) key {
	le := binary.LittleEndian
	return key{le.Uint64(b), b[8], le.Uint64(b[9:])}
}

func (k key) less(o key) bool {
	if k.objectid != o.objectid {
		return k.objectid < o.objectid
	}
	if k.typ != o.typ {
		return k.typ < o.typ
	}
	return k.offset < o.offset
}

// next returns the least key that is greater than k.
func (k key) next() key {
	if k.offset++; k.offset == 0 {
		if k.typ++; k.typ == 0 {
			k.objectid++
		}
	}
	return k
}

func (k key) String() string { return fmt.Sprintf("(%d %d %d)", int64(k.objectid), k.typ, k.offset) }

var maxKey = key{1<<64 - 1, 0xFF, 1<<64 - 1}

// header is struct btrfs_header.
type header struct {
	fsid       uuid   // 0x20
	bytenr     uint64 // 0x30
	generation uint64 // 0x50
	owner      uint64 // 0x58
	nritems    uint32 // 0x60
	level      uint8  // 0x64
}

func (h *header) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.fsid[:], b[0x20:])
	h.bytenr = le.Uint64(b[0x30:])
	h.generation = le.Uint64(b[0x50:])
	h.owner = le.Uint64(b[0x58:])
	h.nritems = le.Uint32(b[0x60:])
	h.level = b[0x64]
}

// A node is a block of a tree: a leaf, or a node of pointers. It has been
// validated: its keys rise, and the items of a leaf lie in it.
type node struct {
	header
	b []byte
	n int
}

// entry returns the head of item or pointer i.
func (n *node) entry(i int) []byte {
	if n.level == 0 {
		return n.b[headerSize+i*itemSize:]
	}
	return n.b[headerSize+i*ptrSize:]
}

func (n *node) key(i int) key { return decodeKey(n.entry(i)) }

// item returns the data of item i of a leaf.
func (n *node) item(i int) []byte {
	le := binary.LittleEndian
	e := n.entry(i)
	off, size := headerSize+int(le.Uint32(e[keySize:])), int(le.Uint32(e[keySize+4:]))
	return n.b[off : off+size : off+size]
}

// ptr returns the block that pointer i leads to, and its generation.
func (n *node) ptr(i int) (bytenr, generation uint64) {
	e := n.entry(i)
	return binary.LittleEndian.Uint64(e[keySize:]), binary.LittleEndian.Uint64(e[keySize+8:])
}

// search returns the first entry whose key is k or greater.
func (n *node) search(k key) int {
	size := ptrSize
	if n.level == 0 {
		size = itemSize
	}
	b := n.b[headerSize:]
	return sort.Search(n.n, func(i int) bool {
		e := b[i*size:][:keySize]
		if o := binary.LittleEndian.Uint64(e); o != k.objectid {
			return o > k.objectid
		}
		if e[8] != k.typ {
			return e[8] > k.typ
		}
		return binary.LittleEndian.Uint64(e[9:]) >= k.offset
	})
}

// validate checks all that reading a node relies on.
func (n *node) validate(s *superblock) error {
	room := len(n.b) - headerSize
	size := ptrSize
	if n.level == 0 {
		size = itemSize
	}
	switch {
	case n.level >= maxLevel:
		return fmt.Errorf("%w: level %d", block.ErrCorrupt, n.level)
	case uint64(n.nritems)*uint64(size) > uint64(room):
		return fmt.Errorf("%w: %d items", block.ErrCorrupt, n.nritems)
	case n.level > 0 && n.nritems == 0:
		return fmt.Errorf("%w: a node without pointers", block.ErrCorrupt)
	}
	n.n = int(n.nritems)
	var last key
	for i := range n.n {
		k := n.key(i)
		if i > 0 && !last.less(k) {
			return fmt.Errorf("%w: key %v of item %d is out of order", block.ErrCorrupt, k, i)
		}
		last = k
		if n.level > 0 {
			if at, _ := n.ptr(i); at%uint64(s.sectorSize) != 0 {
				return fmt.Errorf("%w: pointer %d to %#x", block.ErrCorrupt, i, at)
			}
			continue
		}
		e := n.entry(i)
		off, size := binary.LittleEndian.Uint32(e[keySize:]), binary.LittleEndian.Uint32(e[keySize+4:])
		if uint64(off)+uint64(size) > uint64(room) || int(off) < n.n*itemSize {
			return fmt.Errorf("%w: item %d has %d bytes at %d", block.ErrCorrupt, i, size, off)
		}
	}
	return nil
}

// nodeOverhead is about what a node costs in the cache beside its bytes.
const nodeOverhead = 160

// node reads a block of a tree, of which the level and the generation are known
// to who points to it.
func (f *filesystem) node(bytenr uint64, level uint8, generation uint64) (*node, error) {
	n, err := f.nodes.Get(bytenr, func() (*node, int64, error) {
		n, err := f.loadNode(bytenr, level, generation)
		return n, int64(f.sb.nodeSize) + nodeOverhead, err
	})
	if err != nil {
		return nil, err
	}
	if err := n.expect(level, generation); err != nil {
		name, off := f.where(bytenr, 0)
		return nil, block.Errorf(format, "tree block on "+name, off, err, "logical address %#x", bytenr)
	}
	return n, nil
}

// expect checks that a node is the one that was meant.
func (n *node) expect(level uint8, generation uint64) error {
	switch {
	case n.level != level:
		return fmt.Errorf("%w: level %d, want %d", block.ErrCorrupt, n.level, level)
	case n.generation != generation:
		return fmt.Errorf("%w: generation %d, want %d", block.ErrCorrupt, n.generation, generation)
	}
	return nil
}

// loadNode reads a node from the first copy that is good.
func (f *filesystem) loadNode(bytenr uint64, level uint8, generation uint64) (*node, error) {
	if bytenr%uint64(f.sb.sectorSize) != 0 {
		return nil, block.Errorf(format, "tree block", -1, block.ErrCorrupt, "logical address %#x", bytenr)
	}
	var first error
	for copy := range f.ways(bytenr) {
		n := &node{b: make([]byte, f.sb.nodeSize)}
		err := f.readCopy(n.b, bytenr, copy)
		if err == nil {
			if err = f.checkNode(n, bytenr); err == nil {
				err = n.expect(level, generation)
			}
			if err != nil {
				name, off := f.where(bytenr, copy)
				err = block.Errorf(format, "tree block on "+name, off, err, "logical address %#x", bytenr)
			}
		}
		if err == nil {
			if first != nil {
				f.problems.Add(fmt.Errorf("%w; another copy serves", first))
			}
			return n, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// checkNode decodes a node and checks it by itself.
func (f *filesystem) checkNode(n *node, bytenr uint64) error {
	n.decode(n.b)
	size := f.sb.csumType.size()
	if !f.sb.csumType.match(n.b[32:], n.b[:size]) {
		var sum [32]byte
		f.sb.csumType.sum(&sum, n.b[32:])
		return fmt.Errorf("%w: checksum %x, computed %x", block.ErrCorrupt, n.b[:size], sum[:size])
	}
	if n.header.bytenr != bytenr {
		return fmt.Errorf("%w: it says that it is for %#x", block.ErrCorrupt, n.header.bytenr)
	}
	if !f.ours(n.fsid) {
		return fmt.Errorf("%w: it is of the filesystem %v", block.ErrCorrupt, n.fsid)
	}
	return n.validate(f.sb)
}

// ours reports whether tree blocks may have this UUID: that of the filesystem,
// or of a seed beneath it.
func (f *filesystem) ours(u uuid) bool {
	if u == f.sb.metadataID() {
		return true
	}
	for _, seed := range f.seeds {
		if u == seed {
			return true
		}
	}
	return false
}
