package iso9660

import (
	"errors"
	"strings"
	"unicode/utf16"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/dirlist"
	"github.com/guestkit/guestkit/internal/onetree"
)

const (
	maxDepth   = 1024    // of directories
	maxEntries = 1 << 18 // of one directory; all of them are in memory
	maxExtents = 1 << 12 // of one file: 16 TiB
	inodeCost  = 450
)

// A listing is what a directory holds.
type listing = dirlist.List[*inode]

// listing reads the directory, all of it: each record has all of its file.
func (n *inode) listing() (*listing, error) {
	return n.f.listings.Get(n.start(), func() (*listing, int64, error) {
		l := dirlist.Read(n.eachRecord)
		cost := int64(1000)
		for _, c := range l.Entries {
			cost += inodeCost + int64(len(c.name)+len(c.target)+16*len(c.extents))
		}
		return l, cost, nil
	})
}

// eachRecord adds the inodes of a directory's records, but of "." and "..".
func (n *inode) eachRecord(l *listing) error {
	buf := make([]byte, sector)
	var open *inode // a file whose last extent has not come
	for off := int64(0); off < n.stat.Size; off += sector {
		at := n.start() + off
		b := buf[:min(sector, n.stat.Size-off)]
		if err := block.ReadFull(n.f.dev, b, at); err != nil {
			return block.Locate(format, "directory", at, err)
		}
		for pos := 0; pos < len(b) && b[pos] != 0; pos += int(b[pos]) {
			var x record
			if pos+int(b[pos]) > len(b) || !x.decode(b[pos:pos+int(b[pos])]) {
				return block.Errorf(format, "directory record", at+int64(pos), block.ErrCorrupt, "it has %d bytes", b[pos])
			}
			if x.flags&flagAssociated != 0 || len(x.name) == 0 || len(x.name) == 1 && x.name[0] <= 1 {
				continue
			}
			c := n.f.newInode(&x, at+int64(pos))
			if open != nil {
				if err := open.goOn(c); err != nil {
					return err
				}
				c = open
			} else {
				c.parent, c.depth = n, n.depth+1
				hidden, err := n.f.fill(c, &x)
				if err != nil {
					c.fault = errors.Join(c.fault, err)
					n.f.problems.Add(err)
				}
				if hidden {
					continue
				}
			}
			if open = nil; x.flags&flagMore != 0 {
				open = c
				continue
			}
			if len(l.Entries) >= maxEntries {
				return n.errorf(block.ErrLimit, "more than %d entries", maxEntries)
			}
			if !l.Add(c.name, c) {
				n.f.problems.Add(c.errorf(block.ErrCorrupt, "the name comes twice"))
			}
		}
	}
	if open != nil {
		return open.errorf(block.ErrCorrupt, "its last extent is missing")
	}
	return nil
}

// goOn adds the next extent of a file.
func (n *inode) goOn(next *inode) error {
	if len(n.extents) >= maxExtents {
		return n.errorf(block.ErrLimit, "more than %d extents", maxExtents)
	}
	n.extents = append(n.extents, next.extents...)
	n.stat.Size += next.stat.Size
	n.stat.Allocated += next.stat.Allocated
	return nil
}

// fill gives an inode its name, and what Rock Ridge says of it.
func (f *filesystem) fill(n *inode, x *record) (hidden bool, err error) {
	switch f.names {
	case jolietNames:
		n.name = jolietName(x.name)
	case rockRidge:
		n.name = plainName(x.name)
		return f.fillRockRidge(n, x)
	default:
		n.name = plainName(x.name)
	}
	return false, nil
}

// plainName is a name as Linux shows it.
func plainName(raw []byte) string {
	s := string(raw)
	s = strings.TrimSuffix(s, ";1")
	if len(s) < len(raw) {
		s = strings.TrimSuffix(s, ".")
	}
	b := []byte(s)
	for i, c := range b {
		switch {
		case c >= 'A' && c <= 'Z':
			b[i] += 'a' - 'A'
		case c == ';', c == '/':
			b[i] = '.'
		}
	}
	return string(b)
}

// jolietName is a name in big-endian UCS-2, without its version.
func jolietName(raw []byte) string {
	u := make([]uint16, len(raw)/2)
	for i := range u {
		u[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
	}
	s := strings.TrimSuffix(string(utf16.Decode(u)), ";1")
	if t := strings.TrimRight(s, "."); t != "" {
		s = t
	}
	return s
}

// ReadDir implements vfs.Inode.
func (n *inode) ReadDir() ([]vfs.Entry, error) {
	l, err := n.listing()
	if err != nil {
		return nil, err
	}
	return l.ReadDir(func(c *inode) vfs.Entry {
		return vfs.Entry{Name: c.name, Type: c.stat.Mode.Type(), HasType: true, Ino: c.stat.Ino}
	})
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
func (n *inode) Child(e vfs.Entry) (vfs.Inode, error) {
	l, err := n.listing()
	if err != nil {
		return nil, err
	}
	return l.Child(e, n.child)
}

func (n *inode) child(c *inode) (vfs.Inode, error) {
	if !c.stat.Mode.IsDir() {
		return c, nil
	}
	if c.fault != nil {
		return nil, c.fault
	}
	for a := n; a != nil; a = a.parent {
		if a.start() == c.start() {
			return nil, c.errorf(block.ErrLoop, "the directory contains itself")
		}
	}
	if c.depth > maxDepth {
		return nil, c.errorf(block.ErrLimit, "more than %d directories deep", maxDepth)
	}
	if !n.f.dirs.Claim(uint64(c.start()), onetree.Place{Parent: uint64(n.start()), Entry: onetree.Name(c.name)}) {
		return nil, c.errorf(block.ErrCorrupt, "the directory has two names")
	}
	return c, nil
}
