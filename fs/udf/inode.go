package udf

import (
	"io/fs"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/osta"
)

const (
	inodeCost = 700
	maxLink   = 64 << 10 // bytes of a target
)

// inode implements vfs.Inode.
type inode struct {
	f    *filesystem
	e    *entry
	stat vfs.Stat
}

// inode reads the file whose entry is at a place.
func (f *filesystem) inode(at place) (*inode, error) {
	return f.inodes.Get(at.key(), func() (*inode, int64, error) {
		e, err := f.readEntry(at)
		if err != nil {
			return nil, 0, err
		}
		mode, ok := e.mode()
		if !ok {
			return nil, 0, e.errorf(block.ErrCorrupt, "a file of type %d", e.icb.fileType)
		}
		if e.streams.n != 0 {
			f.streams.Do(func() {
				f.problems.Add(e.errorf(block.ErrUnsupported, "it has named streams, which are not read, as those of other files"))
			})
		}
		e.at = at // which may have been replaced
		n := &inode{f: f, e: e}
		n.stat = vfs.Stat{Ino: uint64(e.off / f.bs), Nlink: uint64(e.links), Mode: mode, UID: owner(e.uid), GID: owner(e.gid),
			Size: e.size, Allocated: int64(min(e.blocks, 1<<40)) * f.bs, Atime: e.atime, Mtime: e.mtime, Ctime: e.ctime, Btime: e.btime}
		switch {
		case mode.IsDir():
			n.stat.Nlink++ // UDF counts entries that lead to it, and a folder has none for itself
		case mode&fs.ModeSymlink != 0:
			if target, err := n.ReadLink(); err == nil {
				n.stat.Size = int64(len(target))
			}
		case mode&fs.ModeDevice != 0:
			n.stat.Major, n.stat.Minor = e.device()
		}
		return n, inodeCost + int64(len(e.attrs)+len(e.descs)), nil
	})
}

func owner(id uint32) uint32 {
	if id == unsetID {
		return nobody
	}
	return id
}

// Stat implements vfs.Inode.
func (n *inode) Stat() *vfs.Stat { return &n.stat }

// Xattrs implements vfs.Inode.
func (n *inode) Xattrs() ([]vfs.Xattr, error) { return nil, nil }

// Content implements vfs.Inode.
func (n *inode) Content() (block.Device, error) {
	c, err := n.f.streamOf(n.e)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ReadLink implements vfs.Inode. A target is components (ECMA-167 4/14.16).
func (n *inode) ReadLink() (string, error) {
	if n.stat.Mode&fs.ModeSymlink == 0 {
		return "", fs.ErrInvalid
	}
	if n.e.size > maxLink {
		return "", n.e.errorf(block.ErrLimit, "a target of %d bytes", n.e.size)
	}
	d, err := n.f.streamOf(n.e)
	if err != nil {
		return "", err
	}
	b, err := block.ReadBytes(d, 0, d.size, maxLink)
	if err != nil {
		return "", err
	}
	var parts []string
	root := false
	for len(b) >= 4 {
		kind, size := b[0], int(b[1])
		if size > len(b)-4 {
			return "", n.e.errorf(block.ErrCorrupt, "a component of %d bytes of its target", size)
		}
		text := b[4 : 4+size]
		b = b[4+size:]
		switch kind {
		case 1, 2:
			if kind == 2 || size == 0 {
				parts, root = nil, true
			}
		case 3:
			parts = append(parts, "..")
		case 4:
			parts = append(parts, ".")
		case 5:
			parts = append(parts, osta.Text(text))
		default:
			return "", n.e.errorf(block.ErrUnsupported, "a component of type %d in its target", kind)
		}
	}
	target := strings.Join(parts, "/")
	if root {
		target = "/" + target
	}
	return target, nil
}
