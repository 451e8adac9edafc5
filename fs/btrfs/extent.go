package btrfs

import (
	"encoding/binary"
	"math"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// Types of file extents.
const (
	extentInline = iota
	extentRegular
	extentPrealloc
	extentHole = 0xFF // not on disk
)

const (
	inlineOff      = 0x15 // where the data of an inline extent begins
	fileExtentSize = 0x35
)

// An extent is struct btrfs_file_extent_item: a run of a file's bytes.
type extent struct {
	off         int64  // in the file
	n           int64  // 0x2D: its bytes in the file
	ram         uint64 // 0x08: bytes when it is unpacked
	compression uint8  // 0x10
	typ         uint8  // 0x14
	disk        uint64 // 0x15: the logical address
	diskLen     uint64 // 0x1D
	skip        uint64 // 0x25: bytes of it before the first that counts
	inline      []byte // shared
}

// zero reports whether the extent reads as zeros.
func (e *extent) zero() bool { return e.typ == extentHole || e.typ == extentPrealloc }

// maxWindow is how many extents are decoded at once.
const maxWindow = 256

// A window is a part of a file with all extents and holes in it.
type window struct {
	from, end int64
	extents   []extent // without gaps
}

// find returns the extent that holds off.
func (w *window) find(off int64) *extent {
	i := sort.Search(len(w.extents), func(i int) bool { return w.extents[i].off > off }) - 1
	return &w.extents[i]
}

// decodeExtent reads the item of the extent at off.
func (n *inode) decodeExtent(off uint64, b []byte) (e extent, err error) {
	le := binary.LittleEndian
	s := n.fs.sb
	bad := func(class error, detail string, args ...any) (extent, error) {
		return extent{}, n.fault(class, "extent at %d: "+detail, append([]any{off}, args...)...)
	}
	if len(b) < inlineOff || off > 1<<62 {
		return bad(block.ErrCorrupt, "an item of %d bytes", len(b))
	}
	e = extent{off: int64(off), ram: le.Uint64(b[0x08:]), compression: b[0x10], typ: b[0x14]}
	switch {
	case b[0x11] != 0:
		return bad(block.ErrEncrypted, "encryption %d", b[0x11])
	case le.Uint16(b[0x12:]) != 0:
		return bad(block.ErrUnsupported, "encoding %d", le.Uint16(b[0x12:]))
	case e.compression > compressZstd:
		return bad(block.ErrUnsupported, "%s", compressionName(e.compression))
	}
	sector := uint64(s.sectorSize)
	switch e.typ {
	case extentInline:
		e.inline = b[inlineOff:]
		e.n = int64(e.ram)
		switch {
		case off != 0:
			return bad(block.ErrCorrupt, "an inline extent past the start")
		case e.ram > maxUncompressed || e.compression == compressNone && e.ram != uint64(len(e.inline)):
			return bad(block.ErrCorrupt, "%d bytes inline in %d", e.ram, len(e.inline))
		}
		return e, nil
	case extentRegular, extentPrealloc:
	default:
		return bad(block.ErrCorrupt, "type %d", e.typ)
	}
	if len(b) < fileExtentSize {
		return bad(block.ErrCorrupt, "an item of %d bytes", len(b))
	}
	e.disk, e.diskLen, e.skip = le.Uint64(b[0x15:]), le.Uint64(b[0x1D:]), le.Uint64(b[0x25:])
	count := le.Uint64(b[0x2D:])
	switch {
	case count == 0 || count > 1<<62 || off+count > 1<<62 || off%sector != 0 || count%sector != 0:
		return bad(block.ErrCorrupt, "%d bytes", count)
	case e.disk%sector != 0 || e.diskLen%sector != 0 || e.skip%sector != 0:
		return bad(block.ErrCorrupt, "%d bytes of %d at %#x", e.skip, e.diskLen, e.disk)
	}
	e.n = int64(count)
	if e.disk == 0 {
		e.typ = extentHole
		return e, nil
	}
	room := e.diskLen
	if e.compression != compressNone {
		room = e.ram
		if e.typ != extentRegular || e.ram > maxUncompressed || e.diskLen > maxCompressed || e.diskLen == 0 {
			return bad(block.ErrCorrupt, "%d bytes unpack to %d", e.diskLen, e.ram)
		}
	}
	if e.skip > room || count > room-e.skip {
		return bad(block.ErrCorrupt, "%d bytes from %d on of %d", count, e.skip, room)
	}
	return e, nil
}

// window reads extents of the file, from that which holds off on.
func (n *inode) window(off int64) (*window, error) {
	c, err := n.firstExtent(off)
	if err != nil {
		return nil, err
	}
	w := &window{from: -1}
	pos := int64(0) // up to where the file is known
	hole := func(to int64) {
		if to > pos {
			if w.from < 0 {
				w.from = pos
			}
			w.extents = append(w.extents, extent{off: pos, n: to - pos, typ: extentHole})
			pos = to
		}
	}
	for ; err == nil; err = c.next() {
		if !c.ok || c.key.objectid != n.ino || c.key.typ != typeExtentData {
			hole(math.MaxInt64)
			break
		}
		e, err := n.decodeExtent(c.key.offset, c.data)
		if err != nil {
			if w.from >= 0 && off < pos {
				break // it is met again, at its place
			}
			return nil, err
		}
		if e.off < pos {
			return nil, n.corrupt("the extent at %d lies over another", e.off)
		}
		if len(w.extents) == 0 && e.off <= off {
			pos = e.off
		}
		hole(e.off)
		if w.from < 0 {
			w.from = pos
		}
		if e.n > 0 {
			w.extents = append(w.extents, e)
			pos = e.off + e.n
		}
		if len(w.extents) >= maxWindow && pos > off {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	w.end = pos
	return w, nil
}

// firstExtent returns a cursor at the extent that holds off or is the last
// before it; if there is none, at the first one.
func (n *inode) firstExtent(off int64) (cursor, error) {
	want := key{n.ino, typeExtentData, uint64(off)}
	k, _, ok, err := n.tree.floor(want)
	if err != nil {
		return cursor{}, err
	}
	if ok && k.objectid == n.ino && k.typ == typeExtentData {
		want = k
	} else {
		want.offset = 0
	}
	return n.tree.seek(want)
}
