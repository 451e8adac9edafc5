package squashfs

import (
	"encoding/binary"
	"errors"
	"io/fs"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/onetree"
)

const (
	dirHeaderLen = 12
	dirEntryLen  = 8
	dirBatch     = 256 // entries behind one header
	maxName      = 256
	maxEntries   = 2 << 20 // of one directory; what they take is memory

	// dots is what a directory's size counts for "." and "..", which it does
	// not hold.
	dots = 3
)

// dirEntry is struct squashfs_dir_entry with what its header says.
type dirEntry struct {
	ref  uint64
	ino  uint32
	typ  uint16
	name []byte // valid until the next one
}

// eachEntry calls fn for the entries from off bytes into the listing on, until
// fn wants no more.
func (n *inode) eachEntry(c *cursor, off int64, fn func(e *dirEntry) bool) error {
	le := binary.LittleEndian
	end := n.stat.Size - dots
	var e dirEntry
	for off < end {
		b, err := c.view(dirHeaderLen)
		if err != nil {
			return err
		}
		count, start, ino := le.Uint32(b[0x0:]), le.Uint32(b[0x4:]), le.Uint32(b[0x8:])
		off += dirHeaderLen
		if count >= dirBatch {
			return n.corrupt("%d entries behind one header", uint64(count)+1)
		}
		for range count + 1 {
			if b, err = c.view(dirEntryLen); err != nil {
				return err
			}
			e.ref = uint64(start)<<16 | uint64(le.Uint16(b[0x0:]))
			e.ino = ino + uint32(int32(int16(le.Uint16(b[0x2:]))))
			e.typ = le.Uint16(b[0x4:])
			size := int(le.Uint16(b[0x6:])) + 1
			if off += dirEntryLen + int64(size); size > maxName || off > end {
				return n.corrupt("a name of %d bytes leaves the directory", size)
			}
			if e.typ < typeDir || e.typ > typeSocket {
				return n.corrupt("an entry of type %d", e.typ)
			}
			if e.name, err = c.view(size); err != nil {
				return err
			}
			if !fn(&e) {
				return nil
			}
		}
	}
	return nil
}

// listing starts at the beginning of the directory.
func (n *inode) listing() (*cursor, error) {
	return n.listingAt(uint64(n.dirBlock), int(n.dirOffset))
}

func (n *inode) listingAt(off uint64, pos int) (*cursor, error) {
	s := n.f.sb
	if off > s.bytesUsed-s.dirTable {
		return nil, n.corrupt("its listing starts at %#x of the directory table", off)
	}
	return n.f.cursorAt(int64(s.dirTable+off), pos)
}

// ReadDir implements vfs.Inode.
func (n *inode) ReadDir() ([]vfs.Entry, error) {
	if n.stat.Size <= dots {
		return nil, nil
	}
	c, err := n.listing()
	if err != nil {
		return nil, err
	}
	var out []vfs.Entry
	full := false
	err = n.eachEntry(c, 0, func(e *dirEntry) bool {
		if full = len(out) >= maxEntries; full {
			return false
		}
		out = append(out, vfs.Entry{Name: string(e.name), Type: typeModes[e.typ], HasType: true, Ino: uint64(e.ino), Aux: e.ref})
		return true
	})
	if full {
		err = n.fault(block.ErrLimit, "more than %d entries", maxEntries)
	}
	out, sorted, unique := onetree.Unique(out)
	if !sorted {
		n.f.problems.Add(n.corrupt("its names are not in order"))
	}
	if !unique {
		err = errors.Join(err, n.corrupt("it has names that come twice"))
	}
	return out, err
}

// Child implements vfs.Inode.
func (n *inode) Child(e vfs.Entry) (vfs.Inode, error) {
	return n.child(e.Aux, e.Type, e.Name)
}

func (n *inode) child(ref uint64, typ fs.FileMode, name string) (vfs.Inode, error) {
	c, err := n.f.inode(ref)
	if err != nil {
		return nil, err
	}
	if c.stat.Mode.Type() != typ {
		return nil, c.corrupt("it is of another type than its directory says")
	}
	if !c.stat.Mode.IsDir() {
		return c, nil
	}
	c.parent, c.depth = n, n.depth+1
	for a := n; a != nil; a = a.parent {
		if a.ref == ref {
			return nil, c.fault(block.ErrLoop, "the directory contains itself")
		}
	}
	if c.depth > maxDepth {
		return nil, c.fault(block.ErrLimit, "more than %d directories deep", maxDepth)
	}
	if !n.f.dirs.Claim(ref, onetree.Place{Parent: n.ref, Entry: onetree.Name(name)}) {
		return nil, c.corrupt("the directory has two names")
	}
	return c, nil
}

// Lookup implements vfs.Inode.
func (n *inode) Lookup(name string) (vfs.Inode, error) {
	if n.stat.Size <= dots || len(name) > maxName || name == "" {
		return nil, fs.ErrNotExist
	}
	c, off, err := n.seek(name)
	if err != nil {
		return nil, err
	}
	found := false
	var hit dirEntry
	if err = n.eachEntry(c, off, func(e *dirEntry) bool {
		if found = string(e.name) == name; found {
			hit = *e
		}
		return !found && e.name[0] <= name[0] // names are in order
	}); err != nil {
		return nil, err
	}
	if !found {
		return nil, fs.ErrNotExist
	}
	return n.child(hit.ref, typeModes[hit.typ], name)
}

// seek returns a cursor at the last header that the index has before name, and
// how far into the listing that is.
func (n *inode) seek(name string) (*cursor, int64, error) {
	if n.indexes == 0 {
		c, err := n.listing()
		return c, 0, err
	}
	le := binary.LittleEndian
	c, err := n.f.cursorAt(n.index.off, n.index.pos)
	if err != nil {
		return nil, 0, err
	}
	at, off := uint64(n.dirBlock), int64(0)
	for range n.indexes {
		b, err := c.view(12)
		if err != nil {
			return nil, 0, err
		}
		index, start, size := le.Uint32(b[0x0:]), le.Uint32(b[0x4:]), le.Uint32(b[0x8:])
		if size >= maxName {
			return nil, 0, n.corrupt("a name of %d bytes in the index", uint64(size)+1)
		}
		if b, err = c.view(int(size) + 1); err != nil {
			return nil, 0, err
		}
		if string(b) > name {
			break
		}
		at, off = uint64(start), int64(index)
	}
	out, err := n.listingAt(at, int((int64(n.dirOffset)+off)%metaLen))
	return out, off, err
}
