package udf

import (
	"io/fs"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/dirlist"
	"github.com/guestkit/guestkit/internal/onetree"
	"github.com/guestkit/guestkit/internal/osta"
)

const (
	maxDir     = 64 << 20 // bytes of a directory
	maxEntries = 1 << 18  // of one; all of them are in memory
	entryCost  = 200
	fileIDLen  = 38
)

// Characteristics of a file identifier (ECMA-167 4/14.4.3).
const (
	isDirectory = 0x02
	isDeleted   = 0x04
	isParent    = 0x08
)

// A name of a directory leads to an entry.
type name struct {
	text string
	icb  extent
	dir  bool
}

// A listing is what a directory holds.
type listing = dirlist.List[name]

// key tells entries apart.
func (p place) key() uint64 { return uint64(p.partition)<<32 | uint64(p.block) }

func (n *inode) listing() (*listing, error) {
	return n.f.listings.Get(n.e.at.key(), func() (*listing, int64, error) {
		l := dirlist.Read(n.eachFileID)
		cost := int64(1000)
		for _, x := range l.Entries {
			cost += entryCost + int64(len(x.text))
		}
		return l, cost, nil
	})
}

// eachFileID adds the file identifiers of a directory, which cross blocks.
func (n *inode) eachFileID(l *listing) error {
	if n.e.size > maxDir {
		return n.e.errorf(block.ErrLimit, "a directory of %d bytes", n.e.size)
	}
	d, err := n.f.streamOf(n.e)
	if err != nil {
		return err
	}
	b, err := block.ReadBytes(d, 0, d.size, maxDir)
	if err != nil {
		return err
	}
	for pos := 0; pos+fileIDLen <= len(b); {
		x := b[pos:]
		size := fileIDLen + int(le.Uint16(x[36:])) + int(x[19])
		if size > len(x) {
			return n.e.errorf(block.ErrCorrupt, "the file identifier at byte %d leaves the directory", pos)
		}
		id, err := checkTag(x[:size], n.e.off)
		if err == nil && id != tagFileID {
			err = n.e.errorf(block.ErrCorrupt, "descriptor %d is no file identifier", id)
		}
		if err != nil {
			return err
		}
		pos += (size + 3) &^ 3
		if x[18]&(isDeleted|isParent) != 0 || x[19] == 0 {
			continue
		}
		text := osta.Text(x[size-int(x[19]) : size])
		if text == "" {
			n.f.problems.Add(n.e.errorf(block.ErrCorrupt, "the name %q", x[size-int(x[19]):size]))
			continue
		}
		if len(l.Entries) >= maxEntries {
			return n.e.errorf(block.ErrLimit, "more than %d entries", maxEntries)
		}
		if !l.Add(text, name{text, longAD(x[20:]), x[18]&isDirectory != 0}) {
			n.f.problems.Add(n.e.errorf(block.ErrCorrupt, "the name %q comes twice", text))
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
	return l.ReadDir(func(x name) vfs.Entry {
		e := vfs.Entry{Name: x.text, Ino: x.icb.at.key()}
		if x.dir {
			e.Type, e.HasType = fs.ModeDir, true
		}
		return e
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

func (n *inode) child(x name) (vfs.Inode, error) {
	c, err := n.f.inode(x.icb.at)
	if err != nil {
		return nil, err
	}
	if c.stat.Mode.IsDir() != x.dir {
		return nil, c.e.errorf(block.ErrCorrupt, "it is a directory here and none there")
	}
	if x.dir && !n.f.dirs.Claim(c.e.at.key(), onetree.Place{Parent: n.e.at.key(), Entry: onetree.Name(x.text)}) {
		return nil, c.e.errorf(block.ErrLoop, "the directory has two names")
	}
	return c, nil
}
