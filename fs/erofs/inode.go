package erofs

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// Layouts of the data of an inode.
const (
	layoutPlain = iota
	layoutFull  // compressed, with an index of 8 bytes each or extents
	layoutInline
	layoutCompact // compressed, with a packed index
	layoutChunk
)

const (
	inodeKnown  = 1<<5 - 1 // bits of i_format
	inodeNlink1 = 1 << 4   // a compact one with one link; the field holds more of the address
	boxBit      = 1 << 63  // of an inode number: it lies in the metabox

	chunkBits    = 0x1F
	chunkIndexes = 0x20
	chunk48      = 0x40
	chunkKnown   = 0x7F

	maxLink  = 64 << 10
	maxDepth = 4096
)

// inode implements vfs.Inode.
type inode struct {
	f       *filesystem
	a       *area
	nid     uint64
	off     int64 // in a
	len     int64 // 32 or 64
	xlen    int64 // of the attributes behind it
	layout  uint8
	raw     uint32 // i_u: the first block, or the format of chunks
	hi      uint16 // more bits of the first block
	hasHi   bool
	stat    vfs.Stat
	parent  *inode // of a directory
	depth   int
	special bool // it is part of the filesystem, and can have no fragment
}

// inode reads the inode of a number.
func (f *filesystem) inode(nid uint64) (*inode, error) {
	if nid&boxBit == 0 {
		return f.inodeIn(f.main, nid)
	}
	box, err := f.box()
	if err != nil {
		return nil, err
	}
	return f.inodeIn(box, nid)
}

func (f *filesystem) inodeIn(a *area, nid uint64) (*inode, error) {
	at := nid &^ boxBit
	if at > uint64(a.r.Size())>>slotBits {
		class := block.ErrCorrupt
		if a == f.main && at < f.sb.blocks()<<(f.sb.blockBits-slotBits) {
			class = block.ErrTruncated
		}
		return nil, block.Errorf(format, "inode", -1, class, "number %d lies past the end", nid)
	}
	n := &inode{f: f, a: a, nid: nid, off: a.base + int64(at)<<slotBits, len: 32}
	b, err := a.view("inode", n.off, 32)
	if err != nil {
		return nil, err
	}
	if b[0]&1 != 0 {
		n.len = 64
		if b, err = a.view("inode", n.off, 64); err != nil {
			return nil, err
		}
	}
	return n, n.decode(b)
}

// decode reads struct erofs_inode_compact or erofs_inode_extended.
func (n *inode) decode(b []byte) error {
	le := binary.LittleEndian
	s := n.f.sb
	iformat, icount, mode := le.Uint16(b[0x0:]), le.Uint16(b[0x2:]), le.Uint16(b[0x4:])
	nb := le.Uint16(b[0x6:])
	if iformat&^inodeKnown != 0 || iformat>>1&7 > layoutChunk {
		return n.fault(block.ErrUnsupported, "format %#x", iformat)
	}
	n.layout = uint8(iformat >> 1 & 7)
	if icount > 0 {
		n.xlen = 12 + 4*(int64(icount)-1)
	}
	var ok bool
	if n.stat.Mode, ok = vfs.UnixMode(uint32(mode)); !ok {
		return n.corrupt("mode %#o", mode)
	}
	n.raw, n.hi, n.hasHi = le.Uint32(b[0x10:]), nb, true
	n.stat.Ino = n.nid
	var size uint64
	if n.len == 64 {
		size = le.Uint64(b[0x08:])
		n.stat.UID, n.stat.GID = le.Uint32(b[0x18:]), le.Uint32(b[0x1C:])
		n.stat.Mtime = time.Unix(int64(le.Uint64(b[0x20:])), int64(le.Uint32(b[0x28:])%1e9))
		n.stat.Nlink = uint64(le.Uint32(b[0x2C:]))
	} else {
		size = uint64(le.Uint32(b[0x08:]))
		n.stat.UID, n.stat.GID = uint32(le.Uint16(b[0x18:])), uint32(le.Uint16(b[0x1A:]))
		n.stat.Mtime = time.Unix(int64(s.epoch+uint64(le.Uint32(b[0x0C:]))), int64(s.fixedNsec%1e9))
		if n.stat.Nlink = 1; n.stat.Mode.IsDir() || iformat&inodeNlink1 == 0 {
			n.stat.Nlink, n.hasHi = uint64(nb), false
		}
	}
	if size > 1<<62 {
		return n.corrupt("%d bytes", size)
	}
	n.stat.Size = int64(size)
	n.stat.Allocated = -1
	switch n.stat.Mode.Type() {
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		n.stat.Major, n.stat.Minor = n.raw>>8&0xFFF, n.raw&0xFF|n.raw>>12&0xFFF00
	case 0, fs.ModeDir, fs.ModeSymlink:
		if n.layout == layoutChunk && n.raw&0xFFFF&^chunkKnown != 0 {
			return n.fault(block.ErrUnsupported, "chunks of the format %#x", n.raw&0xFFFF)
		}
		if n.layout == layoutFull || n.layout == layoutCompact {
			n.stat.Allocated = int64(n.raw) << s.blockBits
		}
	}
	return nil
}

// end is where the attributes of the inode end.
func (n *inode) end() int64 { return n.off + n.len + n.xlen }

func (n *inode) fault(class error, detail string, args ...any) error {
	return block.Errorf(format, fmt.Sprintf("inode %d", n.nid), n.off, class, detail, args...)
}

func (n *inode) corrupt(detail string, args ...any) error {
	return n.fault(block.ErrCorrupt, detail, args...)
}

// Stat implements vfs.Inode.
func (n *inode) Stat() *vfs.Stat { return &n.stat }

// ReadLink implements vfs.Inode.
func (n *inode) ReadLink() (string, error) {
	if n.stat.Mode&fs.ModeSymlink == 0 {
		return "", fs.ErrInvalid
	}
	if n.stat.Size > maxLink {
		return "", n.corrupt("a target of %d bytes", n.stat.Size)
	}
	d, err := n.Content()
	if err != nil {
		return "", err
	}
	b, err := block.ReadBytes(d, 0, n.stat.Size, maxLink)
	return string(b), err
}
