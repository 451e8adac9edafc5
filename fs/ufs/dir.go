package ufs

import (
	"encoding/binary"
	"io/fs"
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/dirlist"
	"github.com/guestkit/guestkit/internal/onetree"
)

const (
	maxDir       = 64 << 20 // bytes of a directory
	maxEntries   = 1 << 20  // of one; all of them are in memory
	direntHeader = 8
	entryCost    = 120
	whiteout     = 14
)

// types are those of directory entries.
var types = map[byte]fs.FileMode{1: fs.ModeNamedPipe, 2: fs.ModeDevice | fs.ModeCharDevice, 4: fs.ModeDir, 6: fs.ModeDevice, 8: 0, 10: fs.ModeSymlink, 12: fs.ModeSocket}

// A listing is what a directory holds.
type listing = dirlist.List[vfs.Entry]

func (n *inode) listing() (*listing, error) {
	return n.f.listings.Get(n.ino, func() (*listing, int64, error) {
		l := dirlist.Read(n.eachDirent)
		cost := int64(1000)
		for _, e := range l.Entries {
			cost += entryCost + int64(len(e.Name))
		}
		return l, cost, nil
	})
}

// eachDirent adds the entries. They fill the directory without gaps.
func (n *inode) eachDirent(l *listing) error {
	if n.stat.Size > maxDir {
		return n.errorf(block.ErrLimit, "a directory of %d bytes", n.stat.Size)
	}
	c, err := n.content()
	if err != nil {
		return err
	}
	b, err := block.ReadBytes(c, 0, n.stat.Size, maxDir)
	if err != nil {
		return err
	}
	s := n.f.sb
	for pos := 0; pos < len(b); {
		if len(b)-pos < direntHeader {
			return n.errorf(block.ErrCorrupt, "%d bytes at the end of the directory", len(b)-pos)
		}
		d := b[pos:]
		ino, size, kind, length := s.order.Uint32(d), int(s.order.Uint16(d[4:])), d[6], int(d[7])
		if !s.ufs2() && s.inodeFmt != new4BSD { // the length has 16 bits, and there is no type
			if kind = 0; s.order == binary.ByteOrder(binary.LittleEndian) {
				length = int(d[6])
			}
		}
		if size < direntHeader || size%4 != 0 || size > len(d) || length > size-direntHeader {
			return n.errorf(block.ErrCorrupt, "the entry at byte %d of the directory has %d bytes and a name of %d", pos, size, length)
		}
		name := string(d[direntHeader : direntHeader+length])
		pos += size
		if ino == 0 || length == 0 || name == "." || name == ".." || kind == whiteout {
			continue
		}
		if len(l.Entries) >= maxEntries {
			return n.errorf(block.ErrLimit, "more than %d entries", maxEntries)
		}
		e := vfs.Entry{Name: name, Ino: uint64(ino), Aux: uint64(len(l.Entries))}
		e.Type, e.HasType = types[kind]
		if !l.Add(name, e) {
			n.f.problems.Add(n.errorf(block.ErrCorrupt, "the name %q comes twice", name))
		}
	}
	return nil
}

// ReadDir implements vfs.Inode.
func (n *inode) ReadDir() ([]vfs.Entry, error) {
	l, err := n.listing()
	if err != nil {
		return nil, err
	}
	return slices.Clone(l.Entries), l.Err()
}

// Lookup implements vfs.Inode.
func (n *inode) Lookup(name string) (vfs.Inode, error) {
	l, err := n.listing()
	if err != nil {
		return nil, err
	}
	return l.Lookup(name, n.child)
}

// Child implements vfs.Inode.
func (n *inode) Child(e vfs.Entry) (vfs.Inode, error) { return n.child(e) }

func (n *inode) child(e vfs.Entry) (vfs.Inode, error) {
	c, err := n.f.inode(uint32(e.Ino))
	if err != nil {
		return nil, err
	}
	if e.HasType && e.Type != c.stat.Mode.Type() {
		if e.Type.IsDir() || c.stat.Mode.IsDir() {
			return nil, n.errorf(block.ErrCorrupt, "%q is inode %d, a directory on one side only", e.Name, c.ino)
		}
		n.f.problems.Add(n.errorf(block.ErrCorrupt, "%q has another type than inode %d", e.Name, c.ino))
	}
	if c.stat.Mode.IsDir() && !n.f.dirs.Claim(e.Ino, onetree.Place{Parent: uint64(n.ino), Entry: onetree.Name(e.Name)}) {
		return nil, c.errorf(block.ErrLoop, "the directory has two names")
	}
	return c, nil
}
