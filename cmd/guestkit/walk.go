package main

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// A node is one file of a guest.
type node struct {
	path string // as io/fs names it
	name string // the last element, as the guest's bytes
	stat *vfs.Stat
	err  error // why stat is nil
}

// dirID tells directories apart: a directory that is met twice means a loop,
// or a tree that unfolds without end.
type dirID struct {
	mount string
	ino   uint64
	ctime int64
}

// A walker visits the directories of a tree.
type walker struct {
	a    *app
	tree *guestTree
	seen map[dirID]bool
}

func (a *app) walker(t *guestTree) *walker { return &walker{a, t, map[dirID]bool{}} }

// list reads a directory: its files sorted by the guest's bytes of their
// names. What could be read comes with the error that stopped it.
func (w *walker) list(dir string) ([]node, error) {
	if err := w.a.ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := w.tree.ReadDir(dir)
	nodes := make([]node, len(entries))
	for i, e := range entries {
		n := node{path: path.Join(dir, e.Name()), name: vfs.RawName(e)}
		if w.tree.mounts[n.path] {
			n.stat, n.err = w.tree.lstat(n.path) // of what lies over it
		} else if fi, err := e.Info(); err != nil {
			n.err = err
		} else {
			n.stat = fi.Sys().(*vfs.Stat)
		}
		nodes[i] = n
	}
	slices.SortFunc(nodes, func(a, b node) int { return strings.Compare(a.name, b.name) })
	return nodes, guestError(dir, err)
}

// enter says that the walk goes into a directory, and refuses one that it was
// in before.
func (w *walker) enter(n node) error {
	mount := "."
	for dir := n.path; dir != "."; dir = path.Dir(dir) {
		if w.tree.mounts[dir] {
			mount = dir
			break
		}
	}
	id := dirID{mount, n.stat.Ino, n.stat.Ctime.UnixNano()}
	if w.seen[id] {
		return block.Errorf("", shownPath(n.path), -1, block.ErrLoop, "the directory was met before")
	}
	w.seen[id] = true
	return nil
}

// lstat returns the metadata of a file, of the link itself if it is one.
func (t *guestTree) lstat(p string) (*vfs.Stat, error) {
	fi, err := t.Lstat(p)
	if err != nil {
		return nil, err
	}
	return fi.Sys().(*vfs.Stat), nil
}

// typeLetter is the letter of ls for a type of file, with f for a plain one.
func typeLetter(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "d"
	case m&fs.ModeSymlink != 0:
		return "l"
	case m&fs.ModeNamedPipe != 0:
		return "p"
	case m&fs.ModeSocket != 0:
		return "s"
	case m&fs.ModeCharDevice != 0:
		return "c"
	case m&fs.ModeDevice != 0:
		return "b"
	}
	return "f"
}

// unixMode is the permission bits of a mode as Unix has them: 07777.
func unixMode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for _, b := range []struct {
		mode fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&b.mode != 0 {
			bits |= b.bit
		}
	}
	return bits
}
