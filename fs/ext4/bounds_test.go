package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/testimg"
)

// A scratch is a filesystem whose last blocks a test may fill; checksums are off.
type scratch struct {
	*filesystem
	b    []byte
	last uint64 // the first of its last 16 blocks
}

func newScratch(t *testing.T) *scratch {
	t.Helper()
	b := testimg.Unpack(t, "testdata/fast.img.gz")
	sb, err := readSuperblock(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	sb.featureRoCompat &^= roMetadataCsum
	s := &scratch{newFilesystem(block.Plain(bytes.NewReader(b)), sb, Options{CacheBytes: 1 << 20}), b, sb.blocksCount - 16}
	if !s.data(s.last, 16) {
		t.Fatal("the last blocks are no data")
	}
	return s
}

// fill writes block i of the last ones.
func (s *scratch) fill(i uint64, content []byte) uint64 {
	b := s.b[int64(s.last+i)*s.sb.blockSize:][:s.sb.blockSize]
	clear(b)
	copy(b, content)
	return s.last + i
}

// node is a node of an extent tree.
func node(depth, most int, entries ...[3]uint64) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, 0xF30A)
	b = le.AppendUint16(b, uint16(len(entries)))
	b = le.AppendUint16(b, uint16(most))
	b = le.AppendUint16(b, uint16(depth))
	b = le.AppendUint32(b, 0)
	for _, e := range entries {
		b = le.AppendUint32(b, uint32(e[0]))
		if depth > 0 { // block, its high bits
			b = le.AppendUint32(b, uint32(e[1]))
			b = le.AppendUint32(b, uint32(e[1]>>32))
			continue
		}
		b = le.AppendUint16(b, uint16(e[2])) // blocks
		b = le.AppendUint16(b, uint16(e[1]>>32))
		b = le.AppendUint32(b, uint32(e[1]))
	}
	return b
}

// TestExtentBounds puts a node at the bounds that the kernel's documentation sets (ext4,
// "Extent Tree"): its depth, its room, and what its entries are for.
func TestExtentBounds(t *testing.T) {
	s := newScratch(t)
	count := s.sb.blocksCount
	for _, c := range []struct {
		name string
		b    []byte
		good bool
	}{
		{"empty leaf", node(0, 4), true},
		{"magic", append([]byte{0x0B}, node(0, 4)[1:]...), false},
		{"empty index", node(1, 4), false},
		{"depth 5", node(5, 4, [3]uint64{0, 1}), true},
		{"depth 6", node(6, 4, [3]uint64{0, 1}), false},
		{"more room than there is", node(0, 5), false},
		{"full", node(0, 1, [3]uint64{0, s.last, 1}), true},
		{"more than full", node(0, 1, [3]uint64{0, s.last, 1}, [3]uint64{1, s.last, 1}), false},
		{"keys in order", node(1, 4, [3]uint64{0, 1}, [3]uint64{1, 1}), true},
		{"a key twice", node(1, 4, [3]uint64{1, 1}, [3]uint64{1, 1}), false},
		{"extents in a row", node(0, 4, [3]uint64{0, s.last, 5}, [3]uint64{5, s.last, 1}), true},
		{"extents over each other", node(0, 4, [3]uint64{0, s.last, 5}, [3]uint64{4, s.last, 1}), false},
		{"an extent of nothing", node(0, 4, [3]uint64{0, s.last, 0}), false},
		{"to the last block of a file", node(0, 4, [3]uint64{1<<32 - 2, s.last, 2}), true},
		{"past it", node(0, 4, [3]uint64{1<<32 - 1, s.last, 2}), false},
		{"to the last block", node(0, 4, [3]uint64{0, count - 1, 1}), true},
		{"past the last block", node(0, 4, [3]uint64{0, count - 1, 2}), false},
		{"in the superblock", node(0, 4, [3]uint64{0, uint64(s.sb.firstDataBlock), 1}), false},
	} {
		b := make([]byte, 60)
		copy(b, c.b)
		var h extentHeader
		h.decode(b)
		n := &inode{fs: s.filesystem, ino: 12}
		if err := n.checkExtents(b, h, "extent tree"); (err == nil) != c.good || err != nil && !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestExtentTree looks up blocks at the ends of extents, leaves and holes; a leaf that
// reaches out of its place is refused.
func TestExtentTree(t *testing.T) {
	s := newScratch(t)
	data := s.last + 8
	root := func(b []byte) *inode {
		n := &inode{fs: s.filesystem, ino: 12, flags: flagExtents}
		copy(n.block[:], b)
		return n
	}
	flat := root(node(0, 4, [3]uint64{10, data, 2}, [3]uint64{20, data + 2, 2}))
	most := (int(s.sb.blockSize) - 12) / 12
	a := s.fill(0, node(0, most, [3]uint64{7, data, 2}))
	b := s.fill(1, node(0, most, [3]uint64{100, data + 4, 1}))
	deep := root(node(1, 4, [3]uint64{5, a}, [3]uint64{100, b}))
	for _, c := range []struct {
		n    *inode
		lblk uint64
		want run
	}{
		{flat, 0, run{0, 10, 0, false}}, {flat, 9, run{0, 10, 0, false}}, {flat, 10, run{10, 2, data, false}}, {flat, 11, run{10, 2, data, false}},
		{flat, 12, run{12, 8, 0, false}}, {flat, 19, run{12, 8, 0, false}}, {flat, 21, run{20, 2, data + 2, false}}, {flat, 22, run{22, 1<<32 - 22, 0, false}},
		{deep, 0, run{0, 5, 0, false}}, {deep, 4, run{0, 5, 0, false}}, {deep, 5, run{5, 2, 0, false}}, {deep, 8, run{7, 2, data, false}},
		{deep, 9, run{9, 91, 0, false}}, {deep, 99, run{9, 91, 0, false}}, {deep, 100, run{100, 1, data + 4, false}}, {deep, 101, run{101, 1<<32 - 101, 0, false}},
	} {
		if r, err := c.n.mapExtent(c.lblk); err != nil || r != c.want {
			t.Errorf("block %d: %+v, %v, want %+v", c.lblk, r, err, c.want)
		}
	}
	for i, c := range []struct {
		name string
		leaf []byte
		good bool
	}{
		{"as its parent says", node(0, most, [3]uint64{5, data, 1}, [3]uint64{99, data, 1}), true},
		{"before it", node(0, most, [3]uint64{4, data, 1}), false},
		{"behind it", node(0, most, [3]uint64{5, data, 1}, [3]uint64{100, data, 1}), false},
		{"empty", node(0, most), false},
		{"not a level lower", node(1, most, [3]uint64{5, data}), false},
		{"more room than there is", node(0, most+1, [3]uint64{5, data, 1}), false},
	} {
		n := root(node(1, 4, [3]uint64{5, s.fill(uint64(2+i), c.leaf)}, [3]uint64{100, b}))
		if _, err := n.mapExtent(6); (err == nil) != c.good || err != nil && !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	last := s.fill(15, node(0, most, [3]uint64{0, data, 1}))
	if r, err := root(node(1, 4, [3]uint64{0, last})).mapExtent(0); err != nil || r != (run{0, 1, data, false}) {
		t.Errorf("a leaf in the last block: %+v, %v", r, err)
	}
	// With checksums, that of a node lies behind the room for all its entries.
	s.sb.featureRoCompat |= roMetadataCsum
	for i, wrong := range []byte{0, 1} {
		leaf := make([]byte, s.sb.blockSize)
		copy(leaf, node(0, most, [3]uint64{0, data, 1}))
		at := 12 * (1 + most)
		binary.LittleEndian.PutUint32(leaf[at:], crc32c(0, leaf[:at]))
		leaf[at] ^= wrong
		n := root(node(1, 4, [3]uint64{0, s.fill(uint64(10+i), leaf)}))
		if _, err := n.mapExtent(0); (err == nil) != (wrong == 0) {
			t.Errorf("a checksum with the fault %d: %v", wrong, err)
		}
	}
	if _, err := root(node(1, 4, [3]uint64{0, s.sb.blocksCount})).mapExtent(0); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("a leaf past the end: %v", err)
	}
}

// hnode is a node of an htree: hashes and blocks, of which the first has no hash.
func hnode(size, most int, entries ...[2]uint32) []byte {
	le := binary.LittleEndian
	b := make([]byte, size)
	le.PutUint16(b[4:], uint16(size))
	for i, e := range entries {
		le.PutUint32(b[8+8*i:], e[0])
		le.PutUint32(b[12+8*i:], e[1])
	}
	le.PutUint16(b[8:], uint16(most))
	le.PutUint16(b[10:], uint16(len(entries)))
	return b
}

// TestIndexNodes: a node has the room that its block has, at least one entry and no more
// than fit.
func TestIndexNodes(t *testing.T) {
	s := newScratch(t)
	n := &inode{fs: s.filesystem, ino: 12}
	for _, c := range []struct {
		count, limit int
		root, csum   bool
		good         bool
	}{
		{1, 127, false, false, true}, {127, 127, false, false, true}, {0, 127, false, false, false}, {128, 127, false, false, false},
		{1, 126, false, false, false}, {1, 128, false, false, false}, {1, 126, false, true, true}, {1, 127, false, true, false},
		{1, 124, true, false, true}, {1, 125, true, false, false}, {1, 123, true, true, true},
	} {
		b := make([]byte, 1024)
		at := 8
		if c.root {
			at = 32
		}
		binary.LittleEndian.PutUint16(b[at:], uint16(c.limit))
		binary.LittleEndian.PutUint16(b[at+2:], uint16(c.count))
		s.sb.featureRoCompat &^= roMetadataCsum
		if c.csum {
			s.sb.featureRoCompat |= roMetadataCsum
		}
		if _, err := n.indexEntries(b, 1, c.root); (err == nil) != c.good {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestNextLeaf walks on to the leaves that continue a hash, over the end of a node too,
// and to no others.
func TestNextLeaf(t *testing.T) {
	s := newScratch(t)
	size := int(s.sb.blockSize)
	most := (size - 8) / 8
	first := hnode(size, most, [2]uint32{0, 10}, [2]uint32{40, 11}, [2]uint32{41, 12})
	second := hnode(size, most, [2]uint32{0, 13}, [2]uint32{43, 14})
	none := hnode(size, most, [2]uint32{0, 13})
	none[0] = 1 // it has an inode: it is no node
	short := hnode(size, most, [2]uint32{0, 13})
	binary.LittleEndian.PutUint16(short[4:], uint16(size-4))
	n := &inode{fs: s.filesystem, ino: 12, flags: flagExtents}
	n.stat.Size = 6 * s.sb.blockSize
	var extents [3]uint64
	for i, b := range [][]byte{first, first, second, none, short} {
		at := s.fill(uint64(i), b)
		if i == 0 {
			extents = [3]uint64{0, at, 5}
		}
	}
	copy(n.block[:], node(0, 4, extents))
	nodes := func(last uint32, hash uint32) htreeEntries {
		return htreeEntries(hnode(size, most, [2]uint32{0, 1}, [2]uint32{hash, last})[8:])
	}
	for _, c := range []struct {
		name  string
		path  []htreeLevel
		hash  uint32
		leaf  uint64 // 0 if there is none
		class error
	}{
		{"in the node", []htreeLevel{{nodes(2, 41), 0}, {htreeEntries(first[8:]), 1}}, 40, 12, nil},
		{"of another hash", []htreeLevel{{nodes(2, 41), 0}, {htreeEntries(first[8:]), 0}}, 38, 0, nil},
		{"not continued", []htreeLevel{{nodes(2, 41), 0}, {htreeEntries(first[8:]), 0}}, 40, 0, nil},
		{"in the next node", []htreeLevel{{nodes(2, 41), 0}, {htreeEntries(first[8:]), 2}}, 40, 13, nil},
		{"of another hash in the next node", []htreeLevel{{nodes(2, 42), 0}, {htreeEntries(first[8:]), 2}}, 40, 0, nil},
		{"at the end", []htreeLevel{{nodes(2, 41), 1}, {htreeEntries(second[8:]), 1}}, 42, 0, nil},
		{"a block with an inode", []htreeLevel{{nodes(3, 41), 0}, {htreeEntries(first[8:]), 2}}, 40, 0, block.ErrCorrupt},
		{"a block of several entries", []htreeLevel{{nodes(4, 41), 0}, {htreeEntries(first[8:]), 2}}, 40, 0, block.ErrCorrupt},
		{"a hole", []htreeLevel{{nodes(5, 41), 0}, {htreeEntries(first[8:]), 2}}, 40, 0, block.ErrCorrupt},
		{"past the end", []htreeLevel{{nodes(6, 41), 0}, {htreeEntries(first[8:]), 2}}, 40, 0, block.ErrCorrupt},
	} {
		more, err := n.nextLeaf(c.path, c.hash)
		if !errors.Is(err, c.class) || more != (c.leaf != 0) {
			t.Errorf("%s: %v, %v", c.name, more, err)
		} else if last := c.path[1]; more && last.e.block(last.at) != c.leaf {
			t.Errorf("%s: leaf %d, want %d", c.name, last.e.block(last.at), c.leaf)
		}
	}
}

// TestIndexRoot: an index has two levels of nodes below its root with large_dir, one
// without, and the versions of its hash that the kernel's documentation names.
func TestIndexRoot(t *testing.T) {
	s := newScratch(t)
	size := int(s.sb.blockSize)
	for _, c := range []struct {
		large           bool
		version, levels byte
		info            byte
		good            bool
	}{
		{false, 1, 1, 8, true}, {false, 1, 2, 8, false}, {true, 1, 2, 8, true}, {true, 1, 3, 8, false}, {false, 5, 0, 8, true}, {false, 6, 0, 8, false}, {false, 1, 0, 7, false},
	} {
		b := make([]byte, size)
		b[0x1c], b[0x1d], b[0x1e] = c.version, c.info, c.levels
		binary.LittleEndian.PutUint16(b[0x20:], uint16((size-32)/8))
		b[0x22] = 1
		b[0x24] = 7 // block 7, which is none
		n := &inode{fs: s.filesystem, ino: 12, flags: flagExtents}
		n.stat.Size = 4 * s.sb.blockSize
		s.blocks = lru.New[blockKey, []byte](1 << 20)
		copy(n.block[:], node(0, 4, [3]uint64{0, s.fill(0, b), 1}))
		s.sb.featureIncompat &^= incompatLargeDir
		if c.large {
			s.sb.featureIncompat |= incompatLargeDir
		}
		_, err := n.findIndexed(matcher{hashed: []byte("x")})
		var e *block.Error
		if !errors.As(err, &e) || (e.What != "htree root") != c.good {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, c := range []struct {
		flags uint32
		v     []uint8
	}{{0x2, []uint8{3, 4, 5, 3, 4, 5, 6}}, {0x1, []uint8{0, 1, 2, 3, 4, 5, 6}}, {0, []uint8{0, 1, 2, 3, 4, 5, 6}}} {
		s.sb.flags = c.flags
		for v, want := range c.v {
			if got := s.sb.hashVersion(uint8(v)); got != want {
				t.Errorf("flags %d: version %d is %d, want %d", c.flags, v, got, want)
			}
		}
	}
}
