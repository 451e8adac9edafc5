package vfs

import (
	"context"
	"io/fs"

	"github.com/guestkit/guestkit/block"
)

// MaxDepth is how many directories may lie in each other for Walk, unless its
// options say otherwise: far more than a path of Linux can name.
const MaxDepth = 16384

// WalkOptions says where Walk goes. Nil, and the zero value, mean everywhere.
type WalkOptions struct {
	// OneFilesystem leaves out what is below a mount; the mount point itself is
	// visited.
	OneFilesystem bool
	// MaxDepth bounds how deep directories lie in each other; 0 means
	// [MaxDepth]. Deeper ones are not entered, which is an error for fn.
	MaxDepth int
}

// A Visit is what Walk calls for each file. With err, n is what could not be
// read or entered, or the directory of which it is nil's: an unreadable child
// comes as its directory, with an error that names it. fs.SkipDir leaves out
// what is below a directory, fs.SkipAll ends the walk; any other error ends it
// and is returned.
type Visit func(n *Node, err error) error

// Walk visits start and what is below it: a directory before what is in it, the
// files of one sorted by the guest's bytes of their names. Links are not
// followed. A directory that was met before (a loop, or a tree that unfolds
// without end) is an error for fn and not entered.
func Walk(ctx context.Context, start *Node, o *WalkOptions, fn Visit) error {
	w := newWalk(ctx, o)
	w.fn = fn
	return w.start(start)
}

// A VisitName is what WalkNames calls for each file. With err, c is the directory
// that could not be read or entered, or of which a child could not; the errors that it
// returns mean what they mean to [Visit].
type VisitName func(c Child, err error) error

// WalkNames is Walk for those who ask for names and types: it goes where Walk goes,
// in the same order, and reads the inodes of directories alone, where the directory
// that names a file says its type. That an inode is damaged is found by who asks
// for it, by [Child.Node].
func WalkNames(ctx context.Context, start *Node, o *WalkOptions, fn VisitName) error {
	w := newWalk(ctx, o)
	w.name = fn
	w.fn = func(n *Node, err error) error { return fn(Child{dir: n.parent, e: Entry{Name: n.name}, n: n}, err) }
	return w.start(start)
}

func newWalk(ctx context.Context, o *WalkOptions) *walk {
	w := &walk{ctx: ctx}
	if o != nil {
		w.one, w.visited.MaxDepth = o.OneFilesystem, o.MaxDepth
	}
	return w
}

func (w *walk) start(n *Node) error {
	err := w.visit(n)
	if err == fs.SkipAll || err == fs.SkipDir {
		return nil
	}
	return err
}

type walk struct {
	ctx     context.Context
	fn      Visit
	name    VisitName // for what is no directory, nil if fn is to have all
	visited Visited
	one     bool
	nodes   []Node // of files, to be used next
}

// slab is how many nodes of files are made at once: one that somebody keeps keeps the
// others. Directories are made one by one: those of a slab would keep their parents, and
// these the slabs that they are in, and so all that the walk has met.
const slab = 32

// dirID tells directories apart.
type dirID struct {
	fsys  string
	dev   uint64 // subvolumes have the same numbers
	ino   uint64
	ctime int64
}

func (w *walk) visit(n *Node) error {
	err := w.fn(n, nil)
	if !n.Stat().Mode.IsDir() {
		return err
	}
	if err == fs.SkipDir || err == nil && w.one && n.Mounted() {
		return nil
	}
	if err != nil {
		return err
	}
	if err := w.visited.Enter(n); err != nil {
		return skipped(w.fn(n, err))
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := n.entries()
	if err != nil {
		if err := w.fn(n, err); err != nil {
			return skipped(err)
		}
	}
	for i, e := range entries {
		if i&0xFF == 0xFF {
			if err := w.ctx.Err(); err != nil {
				return err
			}
		}
		if err := w.child(n, Child{dir: n, e: e}); err != nil && err != fs.SkipDir {
			return err
		}
	}
	return nil
}

// child visits one entry of a directory.
func (w *walk) child(dir *Node, c Child) error {
	if w.name != nil {
		if t, ok := c.typed(); ok && !t.IsDir() {
			return w.name(c, nil)
		}
	}
	if len(w.nodes) == 0 {
		w.nodes = make([]Node, slab)
	}
	n := &w.nodes[0]
	if err := c.read(n); err != nil {
		return w.fn(dir, err)
	}
	if n.Stat().Mode.IsDir() {
		dir := *n
		return w.visit(&dir)
	}
	w.nodes = w.nodes[1:]
	return w.visit(n)
}

// skipped takes fs.SkipDir for what it means of a directory that is not entered.
func skipped(err error) error {
	if err == fs.SkipDir {
		return nil
	}
	return err
}

// Visited holds the directories that a walk of one's own was in. The zero value is
// ready; it is not safe for concurrent use.
type Visited struct {
	MaxDepth int // 0 means [MaxDepth]
	seen     map[dirID]bool
}

// Enter says that the walk goes into a directory. It refuses one that the walk was
// in before, with block.ErrLoop, and one too deep, with block.ErrLimit.
func (v *Visited) Enter(n *Node) error {
	most := v.MaxDepth
	if most <= 0 {
		most = MaxDepth
	}
	if n.depth >= most {
		return n.fail("readdir", block.Errorf("", "directory", -1, block.ErrLimit, "it lies more than %d directories deep", most))
	}
	st := n.Stat()
	if st.Ino == 0 { // the driver has no numbers
		return nil
	}
	id := dirID{n.fsys, st.Dev, st.Ino, st.Ctime.UnixNano()}
	if v.seen[id] {
		return n.fail("readdir", block.Errorf("", "directory", -1, block.ErrLoop, "it was met before"))
	}
	if v.seen == nil {
		v.seen = map[dirID]bool{}
	}
	v.seen[id] = true
	return nil
}
