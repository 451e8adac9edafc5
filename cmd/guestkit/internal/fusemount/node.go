//go:build linux || darwin

package fusemount

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/guestkit/guestkit/fs/vfs"
)

// A node is a file of the tree as go-fuse has it.
type node struct {
	fs.Inode
	t *tree
	n *vfs.Node
}

var (
	_ fs.NodeLookuper       = (*node)(nil)
	_ fs.NodeGetattrer      = (*node)(nil)
	_ fs.NodeAccesser       = (*node)(nil)
	_ fs.NodeOpendirHandler = (*node)(nil)
	_ fs.NodeOpener         = (*node)(nil)
	_ fs.NodeReadlinker     = (*node)(nil)
	_ fs.NodeGetxattrer     = (*node)(nil)
	_ fs.NodeListxattrer    = (*node)(nil)
	_ fs.NodeStatfser       = (*node)(nil)
	_ fs.FileReader         = (*file)(nil)
	_ fs.FileReaddirenter   = (*directory)(nil)
	_ fs.FileLookuper       = (*directory)(nil)
	_ fs.FileSeekdirer      = (*directory)(nil)
)

const (
	typeMask   = syscall.S_IFMT
	accessMask = 2 // W_OK
)

// errno is an error as the kernel has it. What is wrong with the image is an error
// of input.
func errno(err error) syscall.Errno {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, iofs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, iofs.ErrInvalid):
		return syscall.EINVAL
	case errors.Is(err, iofs.ErrPermission):
		return syscall.EACCES
	case errors.Is(err, syscall.ENOTDIR):
		return syscall.ENOTDIR
	case errors.Is(err, syscall.EISDIR):
		return syscall.EISDIR
	}
	return syscall.EIO
}

// fill says what a file is.
func (n *node) fill(a *fuse.Attr) {
	st := n.n.Stat()
	a.Ino = n.StableAttr().Ino
	a.Mode = vfs.ModeToUnix(st.Mode)
	a.Size = uint64(max(st.Size, 0))
	a.Nlink = uint32(min(max(st.Nlink, 1), 1<<32-1))
	a.Uid, a.Gid = st.UID, st.GID
	a.Blksize = 4096
	allocated := st.Allocated
	if allocated < 0 {
		allocated = st.Size
	}
	a.Blocks = uint64(max(allocated, 0)+511) / 512
	if st.Mode&iofs.ModeDevice != 0 {
		a.Rdev = device(st.Major, st.Minor)
	}
	set := func(sec *uint64, nsec *uint32, t time.Time) {
		if !t.IsZero() {
			*sec, *nsec = uint64(t.Unix()), uint32(t.Nanosecond())
		}
	}
	set(&a.Mtime, &a.Mtimensec, st.Mtime)
	set(&a.Atime, &a.Atimensec, later(st.Atime, st.Mtime))
	set(&a.Ctime, &a.Ctimensec, later(st.Ctime, st.Mtime))
}

// later is a time, or another one where the filesystem does not keep it.
func later(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}

// device is a device number as the kernel's interface has it.
func device(major, minor uint32) uint32 { return minor&0xff | major<<8 | minor&^0xff<<12 }

// child makes the node of a file below, or finds the one that there is.
func (n *node) child(ctx context.Context, c *vfs.Node, out *fuse.EntryOut) *fs.Inode {
	x := &node{t: n.t, n: c}
	in := n.NewInode(ctx, x, n.t.stable(c))
	in.Operations().(*node).fill(&out.Attr)
	return in
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	c, err := n.n.Lookup(name)
	if err != nil {
		return nil, errno(err)
	}
	return n.child(ctx, c, out), 0
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.fill(&out.Attr)
	return 0
}

// Access allows to read: where modes count, the kernel holds all to them.
func (n *node) Access(_ context.Context, mask uint32) syscall.Errno {
	if mask&accessMask != 0 {
		return syscall.EROFS
	}
	return 0
}

func (n *node) Readlink(context.Context) ([]byte, syscall.Errno) {
	target, err := n.n.ReadLink()
	return []byte(target), errno(err)
}

func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&(syscall.O_WRONLY|syscall.O_RDWR|syscall.O_TRUNC) != 0 {
		return nil, 0, syscall.EROFS
	}
	f, err := n.n.Open()
	if err != nil {
		return nil, 0, errno(err)
	}
	return &file{f}, fuse.FOPEN_KEEP_CACHE, 0
}

// A file is one that is open. Its content needs no closing.
type file struct{ f *vfs.File }

func (f *file) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := f.f.ReadAt(dest, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errno(err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

func (n *node) OpendirHandle(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	children, err := n.n.Children()
	if err != nil {
		return nil, 0, errno(err) // not a part of it as if that was all
	}
	return &directory{n: n, children: children}, fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_CACHE_DIR, 0
}

// A directory is one that is open. The kernel asks for one thing at a time.
type directory struct {
	n        *node
	children []vfs.Child
	next     int
}

func (d *directory) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	if d.next >= len(d.children) {
		return nil, 0
	}
	c := d.children[d.next]
	d.next++
	return &fuse.DirEntry{Name: c.Name(), Mode: vfs.ModeToUnix(c.Type()) & typeMask, Off: uint64(d.next)}, 0
}

func (d *directory) Seekdir(_ context.Context, off uint64) syscall.Errno {
	if off > uint64(len(d.children)) {
		return syscall.EINVAL
	}
	d.next = int(off)
	return 0
}

// Lookup finds what Readdirent named last, without a search.
func (d *directory) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if d.next == 0 || d.children[d.next-1].Name() != name {
		return d.n.Lookup(ctx, name, out)
	}
	c, err := d.children[d.next-1].Node()
	if err != nil {
		return nil, errno(err)
	}
	return d.n.child(ctx, c, out), 0
}

func (n *node) Getxattr(_ context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	xs, err := n.n.Xattrs()
	if err != nil {
		return 0, errno(err)
	}
	for _, x := range xs {
		if x.Name == name {
			if len(dest) < len(x.Value) {
				return uint32(len(x.Value)), syscall.ERANGE
			}
			return uint32(copy(dest, x.Value)), 0
		}
	}
	return 0, noAttr
}

func (n *node) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	xs, err := n.n.Xattrs()
	if err != nil {
		return 0, errno(err)
	}
	var list []byte
	for _, x := range xs {
		list = append(append(list, x.Name...), 0)
	}
	if len(dest) < len(list) {
		return uint32(len(list)), syscall.ERANGE
	}
	return uint32(copy(dest, list)), 0
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	i := n.t.fsys.Info()
	size := uint64(max(i.BlockSize, 512))
	out.Bsize, out.Frsize, out.NameLen = uint32(size), uint32(size), 255
	out.Blocks = uint64(max(i.Size-i.Overhead, 0)) / size
	out.Bfree = uint64(max(i.Free, 0)) / size
	out.Bavail = out.Bfree
	out.Files, out.Ffree = uint64(max(i.Inodes, 0)), uint64(max(i.InodesFree, 0))
	return 0
}
