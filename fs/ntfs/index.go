package ntfs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// indexName is the name of the attributes that make a directory's index.
const indexName = "$I30"

// maxIndexDepth bounds the height of a B-tree; 100 million names need six
// levels.
const maxIndexDepth = 16

// An index is a B-tree of entries in the order of their keys: its root in
// $INDEX_ROOT, the other nodes in blocks of $INDEX_ALLOCATION.
type index struct {
	v         *volume
	name      string
	num       uint64
	instance  uint16
	root      []byte // the root node
	alloc     block.Device
	blockSize int64
	vcnSize   int64 // a VCN counts these bytes
}

type blockKey struct {
	num      uint64
	instance uint16
	vcn      int64
}

// indexRoot is the head of the $INDEX_ROOT attribute.
type indexRoot struct {
	typ       uint32 // 0x00 of the indexed attribute, 0 in a view
	collation uint32 // 0x04
	blockSize uint32 // 0x08 bytes
}

const (
	indexRootSize = 0x10

	collationFileName = 0x01
	collationULong    = 0x10
)

func (h *indexRoot) decode(b []byte) {
	h.typ = binary.LittleEndian.Uint32(b)
	h.collation = binary.LittleEndian.Uint32(b[0x04:])
	h.blockSize = binary.LittleEndian.Uint32(b[0x08:])
}

// openIndex opens an index of the file, which must have the given collation.
func (n *inode) openIndex(name string, collation uint32) (*index, error) {
	rootBytes, err := n.value(attrIndexRoot, name, maxRecord)
	if err != nil {
		return nil, err
	}
	if len(rootBytes) < indexRootSize {
		return nil, n.corrupt("it has no $INDEX_ROOT %s", name)
	}
	var h indexRoot
	h.decode(rootBytes)
	size := int64(h.blockSize)
	if h.collation != collation || !powerOfTwo(size) || size < minBlock || size > maxBlock {
		return nil, n.corrupt("$INDEX_ROOT %s has collation %#x and blocks of %d bytes", name, h.collation, size)
	}
	x := &index{v: n.v, name: name, num: n.rec.num, root: rootBytes[indexRootSize:], blockSize: size, vcnSize: n.v.cluster}
	if n.v.cluster > size {
		x.vcnSize = stride
	}
	a, err := n.named(attrIndexAllocation, name)
	if a == nil || err != nil {
		return x, err
	}
	x.instance = a.instance
	x.alloc, err = n.open(a)
	return x, err
}

func (x *index) what() string { return recordName(x.num) + ", index " + x.name }

func (x *index) corrupt(detail string, args ...any) error {
	return corrupt(x.what(), x.v.recordOffset(x.num), detail, args...)
}

// block returns the node in the block at a VCN.
func (x *index) block(vcn int64) ([]byte, error) {
	return x.v.blocks.Get(blockKey{x.num, x.instance, vcn}, func() ([]byte, int64, error) {
		if x.alloc == nil || vcn < 0 || vcn >= x.alloc.Size()/x.vcnSize {
			return nil, 0, x.corrupt("a node at cluster %d of the index, which has none there", vcn)
		}
		off := vcn * x.vcnSize
		b, err := block.ReadBytes(x.alloc, off, x.blockSize, maxBlock)
		if err != nil {
			return nil, 0, block.Locate("ntfs", x.what(), -1, err)
		}
		at := int64(-1) // where the block lies
		if e, err := x.alloc.Extent(off); err == nil && e.Host != nil {
			at = e.HostOff
		}
		if string(b[:4]) != "INDX" {
			return nil, 0, corrupt(x.what(), at, "no index block: magic %q", b[:4])
		}
		if err := applyFixups(b); err != nil {
			return nil, 0, corrupt(x.what(), at, "index block: %v", err)
		}
		if own := int64(binary.LittleEndian.Uint64(b[0x10:])); own != vcn {
			return nil, 0, corrupt(x.what(), at, "the index block for cluster %d says that it is for %d", vcn, own)
		}
		return b[indexBlockHeaderSize:], x.blockSize, nil
	})
}

// indexBlockHeaderSize is that of an index block before its node: magic, update
// sequence array, LSN, VCN.
const indexBlockHeaderSize = 0x18

const (
	entryHasChild = 1
	entryLast     = 2
)

// An indexEntry is one key of a node, with the child that holds smaller keys.
// The last entry of a node has no key.
type indexEntry struct {
	ref       ref    // 0x00 the file; a view has offset and length of data here
	length    uint16 // 0x08
	keyLength uint16 // 0x0A
	flags     uint16 // 0x0C
	key       []byte // 0x10
	data      []byte // of a view
	child     int64  // in the last 8 bytes: VCN
}

const indexEntrySize = 0x10

func (e *indexEntry) decode(b []byte) {
	e.ref = ref(binary.LittleEndian.Uint64(b))
	e.length = binary.LittleEndian.Uint16(b[0x08:])
	e.keyLength = binary.LittleEndian.Uint16(b[0x0A:])
	e.flags = binary.LittleEndian.Uint16(b[0x0C:])
}

// entries returns the entries of a node, which starts with where they begin
// and end.
func (x *index) entries(node []byte) ([]byte, error) {
	if len(node) < 0x10 {
		return nil, x.corrupt("a node of %d bytes", len(node))
	}
	from, to := binary.LittleEndian.Uint32(node), binary.LittleEndian.Uint32(node[0x04:])
	if from > to || uint64(to) > uint64(len(node)) || from < 0x10 {
		return nil, x.corrupt("a node with entries from %#x to %#x of %#x bytes", from, to, len(node))
	}
	return node[from:to], nil
}

// next cuts the first entry off b.
func (x *index) next(b []byte) (e indexEntry, rest []byte, err error) {
	if len(b) < indexEntrySize {
		return e, nil, x.corrupt("a node without a last entry")
	}
	e.decode(b)
	room := int(e.length) - indexEntrySize
	if e.flags&entryHasChild != 0 {
		room -= 8
	}
	if int(e.length) > len(b) || e.length&7 != 0 || room < 0 || int(e.keyLength) > room {
		return e, nil, x.corrupt("an entry of %d bytes with a key of %d", e.length, e.keyLength)
	}
	if e.flags&entryHasChild != 0 {
		e.child = int64(binary.LittleEndian.Uint64(b[e.length-8:]))
	}
	if e.flags&entryLast == 0 {
		e.key = b[indexEntrySize : indexEntrySize+int(e.keyLength)]
		e.data = b[indexEntrySize+int(e.keyLength) : indexEntrySize+room]
	}
	return e, b[e.length:], nil
}

// A visit bounds the walk over a tree: a depth, and each block once.
type visit struct {
	x    *index
	seen map[int64]bool
}

// child returns the node below an entry.
func (w *visit) child(e *indexEntry, depth int) ([]byte, error) {
	if depth >= maxIndexDepth {
		return nil, block.Errorf("ntfs", w.x.what(), w.x.v.recordOffset(w.x.num), block.ErrLoop, "more than %d levels", maxIndexDepth)
	}
	if w.seen[e.child] {
		return nil, block.Errorf("ntfs", w.x.what(), w.x.v.recordOffset(w.x.num), block.ErrLoop, "two ways lead to the block at cluster %d", e.child)
	}
	if w.seen == nil {
		w.seen = map[int64]bool{}
	}
	w.seen[e.child] = true
	return w.x.block(e.child)
}

// all calls yield with every entry in order. A part of the tree that cannot be
// read does not hide the rest: the first error is returned at the end.
func (x *index) all(yield func(*indexEntry)) error {
	w := &visit{x: x}
	return w.all(x.root, 0, yield)
}

func (w *visit) all(node []byte, depth int, yield func(*indexEntry)) error {
	b, err := w.x.entries(node)
	if err != nil {
		return err
	}
	var first error
	for {
		var e indexEntry
		if e, b, err = w.x.next(b); err != nil {
			return err
		}
		if e.flags&entryHasChild != 0 {
			child, err := w.child(&e, depth)
			if err == nil {
				err = w.all(child, depth+1, yield)
			}
			if first == nil {
				first = err
			}
		}
		if e.flags&entryLast != 0 {
			return first
		}
		yield(&e)
	}
}

// find calls yield with every entry for which compare, which orders the wanted
// key and that of an entry, is 0, until yield returns false. It looks only at
// nodes that may hold one.
func (x *index) find(compare func(key []byte) int, yield func(*indexEntry) bool) error {
	w := &visit{x: x}
	_, err := w.find(x.root, 0, compare, yield)
	return err
}

func (w *visit) find(node []byte, depth int, compare func(key []byte) int, yield func(*indexEntry) bool) (more bool, err error) {
	b, err := w.x.entries(node)
	if err != nil {
		return false, err
	}
	for {
		var e indexEntry
		if e, b, err = w.x.next(b); err != nil {
			return false, err
		}
		order := -1
		if e.flags&entryLast == 0 {
			order = compare(e.key)
		}
		if order <= 0 && e.flags&entryHasChild != 0 {
			child, err := w.child(&e, depth)
			if err != nil {
				return false, err
			}
			if more, err = w.find(child, depth+1, compare, yield); !more || err != nil {
				return false, err
			}
		}
		if order < 0 {
			return true, nil
		}
		if order == 0 && !yield(&e) {
			return false, nil
		}
	}
}
