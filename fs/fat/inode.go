package fat

import (
	"io/fs"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

const (
	maxDepth = 1024 // of directories
	rootIno  = 1    // as Linux has it; the others are the places of their entries
)

// inode implements vfs.Inode for files and directories.
type inode struct {
	v      *volume
	parent *inode // nil for the root
	depth  int
	first  uint32 // cluster; 0 for an empty file and the root of FAT12 and FAT16
	stat   vfs.Stat
}

func (v *volume) root() *inode {
	return &inode{v: v, first: v.rootCluster, stat: vfs.Stat{
		Ino: rootIno, Nlink: 1, Mode: fs.ModeDir | 0o755, Size: v.dirSize(v.rootCluster), Allocated: -1, Native: directory,
	}}
}

// dirSize is the length of a directory's chain. One that cannot be followed
// has no size; reading it says why.
func (v *volume) dirSize(first uint32) int64 {
	pieces, err := v.pieces(first)
	if err != nil {
		return 0
	}
	n := int64(0)
	for _, p := range pieces {
		n += p.n
	}
	return n
}

// child makes the inode of the directory entry at off.
func (n *inode) child(off int64) (*inode, error) {
	const what = "directory entry"
	v := n.v
	b, err := v.meta(what, off, direntLen)
	if err != nil {
		return nil, err
	}
	var e dirent
	e.decode(b)
	c := &inode{v: v, parent: n, depth: n.depth + 1, first: e.first(v.bits), stat: vfs.Stat{
		Ino:    uint64(off) / direntLen,
		Nlink:  1,
		Mode:   e.mode(),
		Atime:  timestamp(e.aDate, 0, 0),
		Mtime:  timestamp(e.mDate, e.mTime, 0),
		Btime:  timestamp(e.cDate, e.cTime, e.cTenths),
		Native: e.attr,
	}}
	if !e.isDir() {
		c.stat.Size = int64(e.fileSize)
		c.stat.Allocated = (c.stat.Size + v.cluster - 1) / v.cluster * v.cluster
		return c, nil
	}
	c.stat.Allocated = -1
	if !v.valid(c.first) {
		return nil, block.Errorf(format, what, off, block.ErrCorrupt, "a directory at %s", v.name(c.first))
	}
	if c.depth > maxDepth {
		return nil, block.Errorf(format, what, off, block.ErrLimit, "more than %d directories deep", maxDepth)
	}
	for a := n; a != nil; a = a.parent {
		if a.first == c.first {
			return nil, block.Errorf(format, what, off, block.ErrLoop, "the directory contains itself")
		}
	}
	c.stat.Size = v.dirSize(c.first)
	return c, nil
}

func (n *inode) Stat() *vfs.Stat { return &n.stat }

func (n *inode) ReadDir() ([]vfs.Entry, error) {
	d, err := n.v.readDir(n.first)
	if d == nil {
		return nil, err
	}
	out := make([]vfs.Entry, len(d.names))
	for i, x := range d.names {
		out[i] = vfs.Entry{Name: x.long, HasType: true, Ino: uint64(x.off) / direntLen, Aux: uint64(x.off)}
		if x.isDir {
			out[i].Type = fs.ModeDir
		}
	}
	return out, err
}

func (n *inode) Lookup(name string) (vfs.Inode, error) {
	d, err := n.v.readDir(n.first)
	if d != nil {
		if i, ok := d.index[fold(name)]; ok {
			return n.asInode(d.names[i].off)
		}
	}
	if err == nil {
		err = fs.ErrNotExist
	}
	return nil, err
}

func (n *inode) Child(e vfs.Entry) (vfs.Inode, error) { return n.asInode(int64(e.Aux)) }

// asInode keeps a nil *inode from becoming an Inode that is not nil.
func (n *inode) asInode(off int64) (vfs.Inode, error) {
	c, err := n.child(off)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (n *inode) ReadLink() (string, error) { return "", fs.ErrInvalid }

func (n *inode) Xattrs() ([]vfs.Xattr, error) { return nil, nil }

// Content follows the whole chain of the file, so that one that is broken or
// runs in a circle is an error here and not wrong bytes later.
func (n *inode) Content() (block.Device, error) {
	want := (n.stat.Size + n.v.cluster - 1) / n.v.cluster
	if want > int64(n.v.clusters) {
		// A circle is the likelier reason than a size alone; say which.
		if _, err := n.v.walk("file", n.first, int64(n.v.clusters)+1, 0); err != nil {
			return nil, err
		}
	}
	c, err := n.v.walk("file", n.first, want, 0)
	if err != nil {
		return nil, err
	}
	if want > 0 {
		if off, ok := n.v.files.Other(n.first, n.stat.Ino*direntLen); ok {
			n.v.problems.Add(block.Errorf(format, "directory entry", int64(n.stat.Ino*direntLen), block.ErrCorrupt,
				"its file begins at %s, as that of the entry at %#x does: they are cross-linked, and the content is that of one of them at most", n.v.name(n.first), off))
		}
	}
	return &file{chain: c, size: n.stat.Size}, nil
}
