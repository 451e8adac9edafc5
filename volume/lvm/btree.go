package lvm

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"sort"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/lru"
)

// Blocks of the metadata of device-mapper (drivers/md/persistent-data): each
// has a checksum whose start depends on what it holds, and its own number.
const (
	metaBlock    = 4096
	nodeXor      = 121107
	arrayXor     = 595846735
	maxTreeDepth = 16
	// metaCache is how many bytes of blocks a pool or a cache keeps.
	metaCache = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// metaSum is the checksum of a block, which covers all but itself.
func metaSum(b []byte, xor uint32) uint32 { return ^crc32.Checksum(b[4:], castagnoli) ^ xor }

// A store reads blocks of metadata through a bounded cache.
type store struct {
	name   string // in errors
	r      block.Reader
	blocks *lru.Cache[uint64, []byte]
}

func newStore(name string, r block.Reader) *store {
	return &store{name, r, lru.New[uint64, []byte](metaCache)}
}

func (s *store) fault(n uint64, class error, detail string, args ...any) error {
	off := int64(-1)
	if n <= math.MaxInt64/metaBlock {
		off = int64(n) * metaBlock
	}
	return block.Errorf(format, s.name, off, class, detail, args...)
}

// block returns block n, whose checksum is right and which says that it is n.
func (s *store) block(n uint64, xor uint32) ([]byte, error) {
	b, err := s.blocks.Get(n, func() ([]byte, int64, error) {
		if n >= uint64(s.r.Size())/metaBlock {
			return nil, 0, s.fault(n, block.ErrCorrupt, "block %d lies past the end, at %d", n, s.r.Size())
		}
		b, err := block.ReadBytes(s.r, int64(n)*metaBlock, metaBlock, metaBlock)
		if err != nil {
			return nil, 0, block.Locate(format, s.name, int64(n)*metaBlock, err)
		}
		if binary.LittleEndian.Uint64(b[8:]) != n && xor != arrayXor || xor == arrayXor && binary.LittleEndian.Uint64(b[16:]) != n {
			return nil, 0, s.fault(n, block.ErrCorrupt, "block %d says that it is another", n)
		}
		if metaSum(b, xor) != binary.LittleEndian.Uint32(b) {
			return nil, 0, s.fault(n, block.ErrCorrupt, "block %d has a bad checksum", n)
		}
		return b, metaBlock, nil
	})
	return b, err
}

// The flags of a node.
const (
	nodeInternal = 1 << 0
	nodeLeaf     = 1 << 1
	nodeHeader   = 32
)

// node is a node of a B-tree (struct btree_node): a header, the keys, and the
// values, which of an inner node are the numbers of its children.
type node struct {
	csum      uint32 // 0x00
	flags     uint32 // 0x04
	blocknr   uint64 // 0x08
	entries   uint32 // 0x10
	max       uint32 // 0x14
	valueSize uint32 // 0x18
	b         []byte
}

func (n *node) decode(b []byte) {
	le := binary.LittleEndian
	n.csum, n.flags, n.blocknr = le.Uint32(b), le.Uint32(b[0x04:]), le.Uint64(b[0x08:])
	n.entries, n.max, n.valueSize = le.Uint32(b[0x10:]), le.Uint32(b[0x14:]), le.Uint32(b[0x18:])
	n.b = b
}

func (n *node) key(i int) uint64 { return binary.LittleEndian.Uint64(n.b[nodeHeader+8*i:]) }

func (n *node) value(i int) []byte {
	at := nodeHeader + 8*int(n.max) + i*int(n.valueSize)
	return n.b[at : at+int(n.valueSize)]
}

// node reads and checks a node whose values, if it is a leaf, have valueSize
// bytes.
func (s *store) node(at uint64, valueSize uint32) (node, error) {
	var n node
	b, err := s.block(at, nodeXor)
	if err != nil {
		return n, err
	}
	n.decode(b)
	if n.flags&nodeLeaf == 0 {
		valueSize = 8
	}
	switch {
	case n.flags&(nodeLeaf|nodeInternal) != nodeLeaf && n.flags&(nodeLeaf|nodeInternal) != nodeInternal:
		return n, s.fault(at, block.ErrCorrupt, "node %d is of the kind %#x", at, n.flags)
	case n.valueSize != valueSize:
		return n, s.fault(at, block.ErrCorrupt, "values of %d bytes in node %d", n.valueSize, at)
	case n.entries > n.max || uint64(n.max)*uint64(8+valueSize) > metaBlock-nodeHeader:
		return n, s.fault(at, block.ErrCorrupt, "%d of %d entries in node %d", n.entries, n.max, at)
	case n.flags&nodeInternal != 0 && n.entries == 0:
		return n, s.fault(at, block.ErrCorrupt, "the inner node %d is empty", at)
	}
	return n, nil
}

// seek finds the first entry of the tree at root whose key is at least key, as
// far as its leaf goes: i is its index there, or the number of entries if it has no
// such key, and then the tree has none between key and next.
func (s *store) seek(root, key uint64, valueSize uint32) (leaf node, i int, next uint64, err error) {
	low, high := uint64(0), uint64(math.MaxUint64)
	for range maxTreeDepth {
		n, err := s.node(root, valueSize)
		if err != nil {
			return n, 0, 0, err
		}
		count := int(n.entries)
		i := sort.Search(count, func(i int) bool { return n.key(i) >= key })
		// Only keys that the walk depends on are looked at.
		for _, j := range [...]int{0, i - 1, i, count - 1} {
			if j >= 0 && j < count && (n.key(j) < low || n.key(j) >= high && high != math.MaxUint64) {
				return n, 0, 0, s.fault(root, block.ErrCorrupt, "node %d has the key %d outside of [%d, %d)", root, n.key(j), low, high)
			}
		}
		if i > 0 && i < count && n.key(i) <= n.key(i-1) {
			return n, 0, 0, s.fault(root, block.ErrCorrupt, "the keys of node %d are not in order", root)
		}
		if n.flags&nodeLeaf != 0 {
			return n, i, high, nil
		}
		if i == count || n.key(i) > key {
			i--
		}
		if i < 0 { // key comes before all of them
			return node{}, 0, n.key(0), nil
		}
		low = n.key(i)
		if i+1 < count {
			high = n.key(i + 1)
		}
		root = binary.LittleEndian.Uint64(n.value(i))
	}
	return leaf, 0, 0, s.fault(root, block.ErrLoop, "a tree more than %d deep", maxTreeDepth)
}

// lookup returns the value of a key, nil if the tree has it not.
func (s *store) lookup(root, key uint64, valueSize uint32) ([]byte, error) {
	leaf, i, _, err := s.seek(root, key, valueSize)
	if err != nil || i == int(leaf.entries) || leaf.key(i) != key {
		return nil, err
	}
	return leaf.value(i), nil
}
