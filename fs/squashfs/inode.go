package squashfs

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// Inode types. Those above typeSocket are the same again with more fields.
const (
	typeDir = 1 + iota
	typeFile
	typeSymlink
	typeBlock
	typeChar
	typeFifo
	typeSocket
	extended // what an extended type is more than the basic one
)

var typeModes = [...]fs.FileMode{typeDir: fs.ModeDir, typeFile: 0, typeSymlink: fs.ModeSymlink, typeBlock: fs.ModeDevice,
	typeChar: fs.ModeDevice | fs.ModeCharDevice, typeFifo: fs.ModeNamedPipe, typeSocket: fs.ModeSocket}

const (
	none     = 1<<32 - 1 // no fragment, no attributes
	maxLink  = 64 << 10  // bytes of a target; the kernel makes 4 KiB at most
	maxDepth = 4096      // of directories
)

// inode implements vfs.Inode.
type inode struct {
	f      *filesystem
	ref    uint64
	stat   vfs.Stat
	parent *inode // of a directory
	depth  int
	xattr  uint32

	// Of a directory: where its listing starts in the directory table, and its
	// index, if it has one.
	dirBlock  uint32
	dirOffset uint16
	index     place
	indexes   uint16

	// Of a file: where its blocks start, their sizes, and the fragment.
	start    uint64
	fragment uint32
	fragOff  uint32
	sizes    place

	target place // of a link
}

// A place is one in the metadata.
type place struct {
	off int64
	pos int
}

func (c *cursor) place() place { return place{c.off, c.pos} }

// inode reads the inode that a reference names.
func (f *filesystem) inode(ref uint64) (*inode, error) {
	off := ref >> 16
	if off >= f.sb.dirTable-f.sb.inodeTable {
		return nil, block.Errorf(format, "inode", -1, block.ErrCorrupt, "reference %#x leaves the inode table", ref)
	}
	c, err := f.cursorAt(int64(f.sb.inodeTable+off), int(ref&0xFFFF))
	if err != nil {
		return nil, err
	}
	n := &inode{f: f, ref: ref, xattr: none, fragment: none}
	if err := n.decode(c); err != nil {
		return nil, block.Locate(format, "inode", int64(f.sb.inodeTable+off), err)
	}
	return n, nil
}

// decode reads an inode: 16 bytes that all have, and those of its type.
func (n *inode) decode(c *cursor) error {
	le := binary.LittleEndian
	b, err := c.view(16)
	if err != nil {
		return err
	}
	typ := le.Uint16(b[0x0:])
	mode, uid, gid := le.Uint16(b[0x2:]), le.Uint16(b[0x4:]), le.Uint16(b[0x6:])
	n.stat.Mtime = time.Unix(int64(le.Uint32(b[0x8:])), 0)
	n.stat.Ino = uint64(le.Uint32(b[0xC:]))
	if typ < typeDir || typ >= 2*extended-1 {
		return n.corrupt("type %d", typ)
	}
	more := typ >= extended
	if more {
		typ -= extended - typeDir
	}
	access, _ := vfs.UnixMode(0o100000 | uint32(mode)&0o7777) // the type is not in it
	n.stat.Mode = typeModes[typ] | access
	if n.stat.UID, err = n.f.ownerID(uid); err != nil {
		return err
	}
	if n.stat.GID, err = n.f.ownerID(gid); err != nil {
		return err
	}
	switch typ {
	case typeDir:
		return n.decodeDir(c, more)
	case typeFile:
		return n.decodeFile(c, more)
	}
	if b, err = c.view(4); err != nil {
		return err
	}
	n.stat.Nlink = uint64(le.Uint32(b))
	switch typ {
	case typeSymlink:
		if b, err = c.view(4); err != nil {
			return err
		}
		n.stat.Size = int64(le.Uint32(b))
		n.target = c.place()
		if !more {
			return nil
		}
		if n.stat.Size > maxLink {
			return n.corrupt("a target of %d bytes", n.stat.Size)
		}
		if err := c.skip(n.stat.Size); err != nil {
			return err
		}
	case typeBlock, typeChar:
		if b, err = c.view(4); err != nil {
			return err
		}
		dev := le.Uint32(b)
		n.stat.Major, n.stat.Minor = dev>>8&0xFFF, dev&0xFF|dev>>12&0xFFF00
	}
	if more {
		if b, err = c.view(4); err != nil {
			return err
		}
		n.xattr = le.Uint32(b)
	}
	return nil
}

func (n *inode) decodeDir(c *cursor, more bool) error {
	le := binary.LittleEndian
	n.stat.Allocated = -1
	if !more {
		b, err := c.view(16)
		if err != nil {
			return err
		}
		n.dirBlock = le.Uint32(b[0x0:])
		n.stat.Nlink = uint64(le.Uint32(b[0x4:]))
		n.stat.Size = int64(le.Uint16(b[0x8:]))
		n.dirOffset = le.Uint16(b[0xA:])
		return nil
	}
	b, err := c.view(24)
	if err != nil {
		return err
	}
	n.stat.Nlink = uint64(le.Uint32(b[0x00:]))
	n.stat.Size = int64(le.Uint32(b[0x04:]))
	n.dirBlock = le.Uint32(b[0x08:])
	n.indexes = le.Uint16(b[0x10:])
	n.dirOffset = le.Uint16(b[0x12:])
	n.xattr = le.Uint32(b[0x14:])
	n.index = c.place()
	return nil
}

func (n *inode) decodeFile(c *cursor, more bool) error {
	le := binary.LittleEndian
	if more {
		b, err := c.view(40)
		if err != nil {
			return err
		}
		n.start = le.Uint64(b[0x00:])
		size, sparse := le.Uint64(b[0x08:]), le.Uint64(b[0x10:])
		n.stat.Nlink = uint64(le.Uint32(b[0x18:]))
		n.fragment, n.fragOff = le.Uint32(b[0x1C:]), le.Uint32(b[0x20:])
		n.xattr = le.Uint32(b[0x24:])
		if size > 1<<62 {
			return n.corrupt("%d bytes", size)
		}
		n.stat.Size = int64(size)
		n.stat.Allocated = int64(size - min(sparse, size))
	} else {
		b, err := c.view(16)
		if err != nil {
			return err
		}
		n.start = uint64(le.Uint32(b[0x0:]))
		n.fragment, n.fragOff = le.Uint32(b[0x4:]), le.Uint32(b[0x8:])
		n.stat.Size = int64(le.Uint32(b[0xC:]))
		n.stat.Allocated, n.stat.Nlink = n.stat.Size, 1
	}
	n.sizes = c.place()
	if n.start > n.f.sb.bytesUsed {
		return n.corrupt("its blocks start at %#x", n.start)
	}
	if n.fragment != none && n.fragment >= n.f.sb.fragments {
		return n.corrupt("fragment %d of %d", n.fragment, n.f.sb.fragments)
	}
	return nil
}

func (n *inode) fault(class error, detail string, args ...any) error {
	return block.Errorf(format, fmt.Sprintf("inode %d", n.stat.Ino), int64(n.f.sb.inodeTable+n.ref>>16), class, detail, args...)
}

func (n *inode) corrupt(detail string, args ...any) error {
	return n.fault(block.ErrCorrupt, detail, args...)
}

// Stat implements vfs.Inode.
func (n *inode) Stat() *vfs.Stat { return &n.stat }

// ReadLink implements vfs.Inode.
func (n *inode) ReadLink() (string, error) {
	switch {
	case n.stat.Mode&fs.ModeSymlink == 0:
		return "", fs.ErrInvalid
	case n.stat.Size > maxLink:
		return "", n.corrupt("a target of %d bytes", n.stat.Size)
	}
	c, err := n.f.cursorAt(n.target.off, n.target.pos)
	if err != nil {
		return "", err
	}
	b := make([]byte, n.stat.Size)
	if err := c.read(b); err != nil {
		return "", err
	}
	return string(b), nil
}
