package vfs

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// A Node is one file of a tree, found once: what is asked of it resolves no path
// again. A walk by nodes takes time in proportion to the names that it meets,
// however deep they lie. Nodes are immutable and safe for concurrent use.
type Node struct {
	t      *tree
	ino    Inode
	fsys   string // where the filesystem that it lies in is mounted
	parent *Node  // nil for what Find returned
	name   string
	start  string          // of what Find returned: its path, escaped
	depth  int             // elements below what Find returned
	mounts map[string]over // what lies over directories below, by escaped path from here
}

// over is what lies over a directory.
type over struct {
	root Inode
	at   string // where, from the root of the tree
}

// Find returns the node of a path of fsys, which New, Join or Sub made. A link
// in the last element is followed if follow is true.
func Find(fsys FS, name string, follow bool) (*Node, error) {
	t, ok := fsys.(*tree)
	if !ok {
		return nil, errForeign
	}
	w, err := t.resolve("lstat", name, follow)
	if err != nil {
		return nil, err
	}
	n := &Node{t: t, ino: w.at(), fsys: t.mountOf(w), start: name}
	if len(w.names) > 0 {
		n.name = w.names[len(w.names)-1]
	}
	all := make(map[string]over, len(t.mounts))
	for at, root := range t.mounts {
		all[at] = over{root, at}
	}
	n.mounts = below(all, w.name())
	return n, nil
}

// mountOf returns where the filesystem is mounted in which a trail ends.
func (t *tree) mountOf(w *trail) string {
	for i := len(w.names); i > 0; i-- {
		at := (&trail{names: w.names[:i]}).name()
		if _, ok := t.mounts[at]; ok {
			return at
		}
		if _, ok := t.drives[at]; ok && i == 1 {
			return at
		}
	}
	return ""
}

// below returns the mounts that lie below a directory, nil if none does.
func below(mounts map[string]over, dir string) map[string]over {
	if dir == "" || len(mounts) == 0 {
		return mounts
	}
	var out map[string]over
	for at, m := range mounts {
		if rest, ok := strings.CutPrefix(at, dir+"/"); ok {
			if out == nil {
				out = map[string]over{}
			}
			out[rest] = m
		}
	}
	return out
}

// Path is the path of the node as io/fs names it.
func (n *Node) Path() string { return n.join(n.start, Escape) }

// RawPath is the path as the bytes of the guest, without a slash in front; that of
// the root is "".
func (n *Node) RawPath() string {
	if n.start == "." {
		return n.Below()
	}
	var b strings.Builder
	for i, e := range elements(n.start) {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(e)
	}
	return n.join(b.String(), func(raw string) string { return raw })
}

// Below is the path from the node where the walk began, in raw bytes: "" for
// that node itself.
func (n *Node) Below() string { return n.join("", func(raw string) string { return raw }) }

// join writes the names that lead from the start to n behind a path.
func (n *Node) join(start string, write func(raw string) string) string {
	if n.depth == 0 {
		return start
	}
	names := make([]string, n.depth)
	for m := n; m.parent != nil; m = m.parent {
		names[m.depth-1] = write(m.name)
	}
	if rest := strings.Join(names, "/"); start != "." && start != "" {
		return start + "/" + rest
	} else {
		return rest
	}
}

// Name is the last element of the path as the bytes of the guest, "" for the
// root of the tree.
func (n *Node) Name() string { return n.name }

// Depth is how many elements the node lies below the one that Find returned.
func (n *Node) Depth() int { return n.depth }

// Parent is the directory that listed the node, nil for what Find returned.
func (n *Node) Parent() *Node { return n.parent }

// Stat returns the metadata. It is not to be changed.
func (n *Node) Stat() *Stat { return n.ino.Stat() }

// Info returns the metadata as io/fs has it.
func (n *Node) Info() fs.FileInfo { return info{Escape(n.name), n.ino.Stat(), n.t.devOf(n.fsys)} }

// Mounted reports whether the node is the root of another filesystem than the
// directory that it was found in.
func (n *Node) Mounted() bool { return n.parent != nil && n.parent.fsys != n.fsys }

// A FileID tells files apart within one tree: the names of a hard-linked file have
// the same.
type FileID struct {
	fsys string
	dev  uint64 // a subvolume of it
	ino  uint64
}

// ID returns what tells the file from others, false where the filesystem has no
// inode numbers.
func (n *Node) ID() (FileID, bool) {
	st := n.ino.Stat()
	return FileID{n.fsys, st.Dev, st.Ino}, st.Ino != 0
}

// hardLinked returns what the other names of a regular file are known by, false
// if it has none.
func (n *Node) hardLinked() (FileID, bool) {
	id, ok := n.ID()
	st := n.ino.Stat()
	return id, ok && st.Nlink > 1 && st.Mode.IsRegular()
}

func (n *Node) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: n.Path(), Err: err}
}

// Open returns the content of a regular file; that of a device, a fifo or a
// socket is empty.
func (n *Node) Open() (*File, error) {
	st := n.ino.Stat()
	switch {
	case st.Mode.IsDir():
		return nil, n.fail("open", errIsDir)
	case !st.Mode.IsRegular():
		return &File{info: info{Escape(n.name), st, n.t.devOf(n.fsys)}, path: n.Path(), d: block.Plain(strings.NewReader(""))}, nil
	}
	d, err := n.ino.Content()
	if err != nil {
		return nil, n.fail("open", err)
	}
	return &File{info: info{Escape(n.name), st, n.t.devOf(n.fsys)}, path: n.Path(), d: d}, nil
}

// ReadLink returns the target of a symbolic link as the bytes that the guest
// holds.
func (n *Node) ReadLink() (string, error) {
	if n.ino.Stat().Mode&fs.ModeSymlink == 0 {
		return "", n.fail("readlink", fs.ErrInvalid)
	}
	target, err := n.ino.ReadLink()
	return target, n.fail("readlink", err)
}

// Xattrs returns the extended attributes, sorted by name.
func (n *Node) Xattrs() ([]Xattr, error) {
	xs, err := n.ino.Xattrs()
	slices.SortFunc(xs, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) })
	return xs, n.fail("xattrs", err)
}

// A Child is a name in a directory, whose inode is read when it is asked for.
type Child struct {
	dir *Node
	e   Entry
	n   *Node // where it is known: the start of a walk has no dir
}

// Name is the name as the bytes of the guest.
func (c Child) Name() string {
	if c.n != nil {
		return c.n.name
	}
	return c.e.Name
}

// Dir is the node of the directory that the name is in, nil for where a walk began.
func (c Child) Dir() *Node { return c.dir }

// Depth is how many elements the file lies below the node that Find returned.
func (c Child) Depth() int {
	if c.dir == nil {
		return c.n.depth
	}
	return c.dir.depth + 1
}

// RawPath is the path as the bytes of the guest; see [Node.RawPath].
func (c Child) RawPath() string {
	if c.dir == nil {
		return c.n.RawPath()
	}
	if dir := c.dir.RawPath(); dir != "" {
		return dir + "/" + c.e.Name
	}
	return c.e.Name
}

// Type is the type of the file, fs.ModeIrregular if that cannot be told.
func (c Child) Type() fs.FileMode {
	if t, ok := c.typed(); ok {
		return t
	}
	n, err := c.Node()
	if err != nil {
		return fs.ModeIrregular
	}
	return n.Stat().Mode.Type()
}

// typed returns the type of the file where no inode need be read for that.
func (c Child) typed() (fs.FileMode, bool) {
	if c.n != nil {
		return c.n.Stat().Mode.Type(), true
	}
	if c.e.HasType && (len(c.dir.mounts) == 0 || c.dir.mounts[Escape(c.e.Name)].root == nil) {
		return c.e.Type.Type(), true
	}
	return 0, false
}

// Node reads the inode.
func (c Child) Node() (*Node, error) {
	if c.n != nil {
		return c.n, nil
	}
	n := new(Node)
	if err := c.read(n); err != nil {
		return nil, err
	}
	return n, nil
}

// read makes n the node of the file.
func (c Child) read(n *Node) error {
	d := c.dir
	*n = Node{t: d.t, fsys: d.fsys, parent: d, name: c.e.Name, start: d.start, depth: d.depth + 1}
	if len(d.mounts) > 0 {
		name := Escape(c.e.Name)
		n.mounts = below(d.mounts, name)
		if m, ok := d.mounts[name]; ok {
			n.ino, n.fsys = m.root, m.at
			return nil
		}
	}
	var err error
	if n.ino, err = d.ino.Child(c.e); err != nil {
		return n.fail("lstat", err)
	}
	return nil
}

// Children lists a directory, sorted by the guest's bytes of the names. What
// could be read comes with the error that stopped it.
func (n *Node) Children() ([]Child, error) {
	es, err := n.entries()
	out := make([]Child, len(es))
	for i, e := range es {
		out[i] = Child{dir: n, e: e}
	}
	return out, err
}

// entries are those of a directory, sorted.
func (n *Node) entries() ([]Entry, error) {
	if !n.ino.Stat().Mode.IsDir() {
		return nil, n.fail("readdir", errNotDir)
	}
	es, err := n.ino.ReadDir()
	sortNames(es, func(e *Entry) string { return e.Name })
	return es, n.fail("readdir", err)
}

// WriteTo writes the rest of the file to w, holes as zeros.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	buf := make([]byte, 256<<10)
	var done int64
	for {
		n, err := f.Read(buf)
		m, werr := w.Write(buf[:n])
		done += int64(m)
		switch {
		case werr != nil:
			return done, werr
		case errors.Is(err, io.EOF):
			return done, nil
		case err != nil:
			return done, err
		}
	}
}
