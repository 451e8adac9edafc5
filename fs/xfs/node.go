package xfs

import (
	"io/fs"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// node is an inode as vfs sees it.
type node struct {
	fs *filesystem
	*inode
}

func (n *node) Stat() *vfs.Stat { return &n.stat }

func (n *node) ReadDir() ([]vfs.Entry, error) {
	if !n.stat.Mode.IsDir() {
		return nil, n.corrupt("not a directory")
	}
	var out []vfs.Entry
	err := n.fs.readDir(n.inode, func(e dirEntry) error {
		if len(out) >= n.fs.opts.MaxDirEntries {
			return block.Errorf(format, inodeName(n.ino), n.off, block.ErrLimit, "more than %d names", len(out))
		}
		out = append(out, e.entry())
		return nil
	})
	return out, err
}

func (n *node) Lookup(name string) (vfs.Inode, error) {
	if !n.stat.Mode.IsDir() {
		return nil, fs.ErrNotExist
	}
	e, err := n.fs.lookup(n.inode, name)
	if err != nil {
		return nil, err
	}
	return n.child(e.name, e.ino, n.fs.inode)
}

func (n *node) Child(e vfs.Entry) (vfs.Inode, error) {
	if e.HasType && !e.Type.IsDir() { // a walk asks for a file once, and for a directory again, to list it
		return n.child(e.Name, e.Ino, n.fs.readInode)
	}
	return n.child(e.Name, e.Ino, n.fs.inode)
}

// child opens the inode of an entry. A directory must say that it lies here:
// so no path can run in a circle.
func (n *node) child(name string, ino uint64, read func(uint64) (*inode, error)) (vfs.Inode, error) {
	if ino == n.ino || ino == n.fs.sb.rootino {
		return nil, block.Errorf(format, inodeName(n.ino), n.off, block.ErrLoop, "entry %q leads back to inode %d", name, ino)
	}
	c, err := read(ino)
	if err != nil {
		return nil, err
	}
	if c.stat.Mode.IsDir() {
		parent, err := n.fs.parent(c)
		if err != nil {
			return nil, err
		}
		if parent != n.ino {
			return nil, c.corrupt("entry %q of inode %d is a directory whose parent is inode %d", name, n.ino, parent)
		}
	}
	return &node{n.fs, c}, nil
}

func (n *node) ReadLink() (string, error) { return n.fs.readLink(n.inode) }

func (n *node) Content() (block.Device, error) { return n.fs.content(n.inode) }

func (n *node) Xattrs() ([]vfs.Xattr, error) { return n.fs.xattrs(n.inode) }
