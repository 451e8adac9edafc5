package btrfs

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// An editor changes items of a filesystem on one device, and repairs checksums.
type editor struct {
	t     *testing.T
	image []byte
	f     *filesystem
}

func edit(t *testing.T, name string) *editor {
	t.Helper()
	e := &editor{t: t, image: testimg.Fixture(t, name)}
	f, err := open([]block.Reader{bytes.NewReader(bytes.Clone(e.image))}, &Options{NoReplay: true})
	if err != nil {
		t.Fatal(err)
	}
	e.f = f
	return e
}

// phys returns where a logical address lies.
func (e *editor) phys(logical uint64) int64 {
	c := e.f.chunks.find(logical)
	return c.at(logical-c.start, 0).off
}

// item gives the data of an item to change, and the head of it.
func (e *editor) item(t *tree, k key, change func(head, data []byte)) {
	e.t.Helper()
	c, err := t.seek(k)
	if err != nil || !c.ok || c.key != k {
		e.t.Fatalf("no item %v in tree %d: %v", k, t.id, err)
	}
	n, slot := c.steps[0].n, c.steps[0].slot
	off := e.phys(n.header.bytenr)
	b := e.image[off : off+int64(len(n.b))]
	head := b[headerSize+slot*itemSize:][:itemSize]
	at := headerSize + int(binary.LittleEndian.Uint32(head[keySize:]))
	change(head, b[at:at+len(c.data)])
	e.sealAt(off, int64(len(b)))
}

// node gives the block of a tree to change.
func (e *editor) node(bytenr uint64, change func(b []byte)) {
	off := e.phys(bytenr)
	change(e.image[off : off+int64(e.f.sb.nodeSize)])
	e.sealAt(off, int64(e.f.sb.nodeSize))
}

// super gives the superblock to change.
func (e *editor) super(change func(b []byte)) {
	change(e.image[superblockOffs[0]:][:superblockSize])
	e.sealAt(superblockOffs[0], superblockSize)
}

func (e *editor) sealAt(off, n int64) {
	var sum [32]byte
	e.f.sb.csumType.sum(&sum, e.image[off+32:off+n])
	copy(e.image[off:], sum[:e.f.sb.csumType.size()])
}

// ino returns the inode of a path in a tree.
func (e *editor) ino(t *tree, path ...string) uint64 {
	e.t.Helper()
	n, err := e.f.rootInode(t)
	for _, name := range path {
		if err != nil {
			break
		}
		c, lookupErr := n.Lookup(name)
		if err = lookupErr; err == nil {
			n = c.(*inode)
		}
	}
	if err != nil {
		e.t.Fatal(path, err)
	}
	return n.ino
}
