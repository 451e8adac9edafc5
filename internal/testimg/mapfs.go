package testimg

import (
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// MapFS turns a map of files into a guest filesystem, with everything that vfs
// adds to it: symbolic links that resolve inside, special files, Join and Sub.
// Directories that the map leaves out are made.
func MapFS(t testing.TB, m fstest.MapFS, info vfs.Info) vfs.FS {
	t.Helper()
	d := &mapDriver{info: info, root: &mapInode{stat: vfs.Stat{Mode: fs.ModeDir | 0o755}, fold: info.CaseInsensitive}}
	for name, f := range m {
		n := d.root.make(t, name)
		n.stat.Mode |= f.Mode
		if f.Mode.IsDir() {
			continue
		}
		n.stat.Mode = f.Mode
		n.stat.Size = int64(len(f.Data))
		n.stat.Mtime = f.ModTime
		n.data = string(f.Data)
	}
	fsys, err := vfs.New(d)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

type mapDriver struct {
	info vfs.Info
	root *mapInode
}

func (d *mapDriver) Root() (vfs.Inode, error) { return d.root, nil }
func (d *mapDriver) Info() vfs.Info           { return d.info }
func (d *mapDriver) Problems() []error        { return nil }

type mapInode struct {
	stat  vfs.Stat
	data  string
	fold  bool
	names []string
	nodes []*mapInode
}

// make finds or makes the inode of a path; those on the way are directories.
func (n *mapInode) make(t testing.TB, name string) *mapInode {
	if name == "." {
		return n
	}
	if !fs.ValidPath(name) {
		t.Fatalf("MapFS: %q is not a path", name)
	}
	dir := n
	if parent := path.Dir(name); parent != "." {
		dir = n.make(t, parent)
	}
	dir.stat.Mode |= fs.ModeDir
	if dir.stat.Mode.Perm() == 0 {
		dir.stat.Mode |= 0o755
	}
	raw := vfs.Unescape(path.Base(name))
	if i := dir.index(raw); i >= 0 {
		return dir.nodes[i]
	}
	child := &mapInode{fold: n.fold}
	dir.names = append(dir.names, raw)
	dir.nodes = append(dir.nodes, child)
	return child
}

func (n *mapInode) index(raw string) int {
	for i, name := range n.names {
		if name == raw || n.fold && strings.EqualFold(name, raw) {
			return i
		}
	}
	return -1
}

func (n *mapInode) Stat() *vfs.Stat { return &n.stat }

func (n *mapInode) ReadDir() ([]vfs.Entry, error) {
	var out []vfs.Entry
	for i, name := range n.names {
		out = append(out, vfs.Entry{Name: name, Ino: uint64(i), HasType: true, Type: n.nodes[i].stat.Mode.Type()})
	}
	return out, nil
}

func (n *mapInode) Lookup(raw string) (vfs.Inode, error) {
	if i := n.index(raw); i >= 0 {
		return n.nodes[i], nil
	}
	return nil, fs.ErrNotExist
}

func (n *mapInode) Child(e vfs.Entry) (vfs.Inode, error) { return n.nodes[e.Ino], nil }
func (n *mapInode) ReadLink() (string, error)            { return n.data, nil }
func (n *mapInode) Xattrs() ([]vfs.Xattr, error)         { return nil, nil }

func (n *mapInode) Content() (block.Device, error) {
	return block.Plain(strings.NewReader(n.data)), nil
}
