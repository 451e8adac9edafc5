package btrfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

const (
	// maxSubvolumes bounds the memory for their list.
	maxSubvolumes = 1 << 17
	// maxNesting is how deep subvolumes may lie in each other.
	maxNesting = 256

	rootRefSize = 0x12
)

// A rootRef is struct btrfs_root_ref: where a subvolume is found in another one.
type rootRef struct {
	parent uint64 // the other subvolume
	dirid  uint64 // 0x00: the directory in it
	name   string // 0x12
}

func decodeRootRef(parent uint64, b []byte) (rootRef, error) {
	le := binary.LittleEndian
	if len(b) < rootRefSize || len(b) != rootRefSize+int(le.Uint16(b[0x10:])) {
		return rootRef{}, block.Errorf(format, treeName(parent), -1, block.ErrCorrupt, "a reference to a subvolume of %d bytes", len(b))
	}
	return rootRef{parent, le.Uint64(b), string(b[rootRefSize:])}, nil
}

// isSubvolume reports whether a tree of this id holds files.
func isSubvolume(id uint64) bool { return id == fsTree || id >= firstFree && id <= lastFree }

// backref returns where a subvolume is found. There is one such place, and none
// for the top level or what nothing names.
func (f *filesystem) backref(id uint64) (ref rootRef, ok bool, err error) {
	c, err := f.rootTree.seek(key{id, typeRootBackref, 0})
	if err != nil || !c.ok || c.key.objectid != id || c.key.typ != typeRootBackref {
		return rootRef{}, false, err
	}
	if ref, err = decodeRootRef(c.key.offset, c.data); err != nil {
		return rootRef{}, false, err
	}
	if err := c.next(); err != nil {
		return rootRef{}, false, err
	}
	if c.ok && c.key.objectid == id && c.key.typ == typeRootBackref {
		return rootRef{}, false, block.Errorf(format, treeName(id), -1, block.ErrCorrupt, "the subvolume is found in %d and %d", ref.parent, c.key.offset)
	}
	return ref, true, nil
}

// subvolume opens the tree of a subvolume. It checks that the subvolumes around
// it end in the top level: since each has one place, no way through them leads in
// a circle.
func (f *filesystem) subvolume(id uint64) (*tree, error) {
	f.mu.Lock()
	t := f.trees[id]
	f.mu.Unlock()
	if t != nil {
		return t, nil
	}
	if !isSubvolume(id) {
		return nil, block.Errorf(format, treeName(id), -1, block.ErrCorrupt, "it is no subvolume")
	}
	r, err := f.rootItem(id)
	if err != nil {
		return nil, err
	}
	if r.refs == 0 {
		return nil, block.Errorf(format, treeName(id), -1, block.ErrCorrupt, "the subvolume was deleted")
	}
	if err := f.anchored(id); err != nil {
		return nil, err
	}
	t = f.treeOf(id, r)
	if _, err := t.root(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.trees[id]; old != nil {
		return old, nil
	}
	if len(f.trees) < maxSubvolumes {
		f.trees[id] = t
	}
	return t, nil
}

func (f *filesystem) anchored(id uint64) error {
	at := id
	for range maxNesting {
		if at == fsTree {
			return nil
		}
		ref, ok, err := f.backref(at)
		if err != nil || !ok {
			return err
		}
		if at = ref.parent; at == id {
			return block.Errorf(format, treeName(id), -1, block.ErrLoop, "the subvolume lies in itself")
		}
	}
	return block.Errorf(format, treeName(id), -1, block.ErrLoop, "it lies in more than %d subvolumes", maxNesting)
}

// defaultSubvolume returns the id of the subvolume that a mount shows which names
// none.
func (f *filesystem) defaultSubvolume() (uint64, error) {
	data, err := f.rootTree.get(key{rootTreeDir, typeDirItem, nameHash("default")})
	if err != nil {
		return 0, err
	}
	for d, err := range dirents(data) {
		if err != nil {
			return 0, block.Errorf(format, "default subvolume", -1, block.ErrCorrupt, "%v", err)
		}
		if string(d.name) == "default" && d.location.typ == typeRootItem {
			return d.location.objectid, nil
		}
	}
	return fsTree, nil
}

// choose finds the subvolume that the options name.
func (f *filesystem) choose() error {
	id := uint64(fsTree)
	if f.opts.SubvolID != 0 {
		id = f.opts.SubvolID
		if !isSubvolume(id) {
			return block.Errorf(format, "subvolume", -1, block.ErrOption, "no subvolume has the id %d", id)
		}
	}
	t, err := f.subvolume(id)
	if err != nil {
		return err
	}
	if f.opts.Subvol == "" {
		f.top = t
		return nil
	}
	n, err := f.rootInode(t)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.Trim(f.opts.Subvol, "/"), "/") {
		if name == "" || name == "." {
			continue
		}
		child, err := n.Lookup(name)
		if err == nil && !child.Stat().Mode.IsDir() {
			err = errors.New("not a directory")
		}
		if err != nil {
			return block.Errorf(format, "subvolume "+f.opts.Subvol, -1, block.ErrOption, "%v", err)
		}
		n = child.(*inode)
	}
	if n.ino != firstFree || n.tree == nil {
		return block.Errorf(format, "subvolume "+f.opts.Subvol, -1, block.ErrOption, "it is a directory and no subvolume")
	}
	f.top = n.tree
	return nil
}

// Root implements vfs.Driver.
func (f *filesystem) Root() (vfs.Inode, error) { return f.rootInode(f.top) }

func (f *filesystem) rootInode(t *tree) (*inode, error) {
	n, err := f.inode(t, firstFree)
	if err != nil {
		return nil, err
	}
	if !n.stat.Mode.IsDir() {
		return nil, n.corrupt("the root is no directory")
	}
	return n, nil
}

// Subvolumes implements vfs.Subvolumer. What could be read comes together with
// the error that stopped it.
func (f *filesystem) Subvolumes() ([]vfs.Subvolume, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.subs != nil {
		return f.subs, nil
	}
	def, err := f.defaultSubvolume()
	if err != nil {
		return nil, err
	}
	var out []vfs.Subvolume
	f.paths = map[uint64]string{}
	c, err := f.rootTree.seek(key{fsTree, typeRootItem, 0})
	for ; err == nil && c.ok && c.key.objectid <= lastFree; err = c.next() {
		if c.key.typ != typeRootItem || !isSubvolume(c.key.objectid) {
			continue
		}
		id := c.key.objectid
		r, err := f.decodeRoot(id, c.data)
		if err != nil {
			return out, err
		}
		if n := len(out); n > 0 && out[n-1].ID == id { // the newest item counts
			out = out[:n-1]
		}
		if r.refs == 0 {
			continue
		}
		s := vfs.Subvolume{ID: id, Generation: r.generation, ReadOnly: r.flags&rootFlagRdonly != 0, Default: id == def}
		if r.uuid != (uuid{}) {
			s.UUID = r.uuid.String()
		}
		if r.parentUUID != (uuid{}) {
			s.ParentUUID = r.parentUUID.String()
		}
		if r.receivedUUID != (uuid{}) {
			s.ReceivedUUID = r.receivedUUID.String()
		}
		if id != fsTree {
			ref, ok, err := f.backref(id)
			if err == nil && ok {
				s.Parent = ref.parent
				s.Path, err = f.subvolumePath(id, 0)
			}
			if err != nil {
				f.problems.Add(err)
				continue
			}
			if !ok {
				continue // nothing names it: it is being deleted
			}
		} else {
			s.Path = "."
		}
		if len(out) >= maxSubvolumes {
			return out, block.Errorf(format, "root tree", -1, block.ErrLimit, "more than %d subvolumes", maxSubvolumes)
		}
		out = append(out, s)
	}
	f.paths = nil
	if err == nil {
		f.subs = out
	}
	return out, err
}

// subvolumePath returns the path of a subvolume from the top level.
func (f *filesystem) subvolumePath(id uint64, depth int) (string, error) {
	if id == fsTree {
		return "", nil
	}
	if p, ok := f.paths[id]; ok {
		return p, nil
	}
	if depth > maxNesting {
		return "", block.Errorf(format, treeName(id), -1, block.ErrLoop, "it lies in more than %d subvolumes", maxNesting)
	}
	ref, ok, err := f.backref(id)
	if err == nil && !ok {
		err = block.Errorf(format, treeName(id), -1, block.ErrCorrupt, "no subvolume has it")
	}
	if err != nil {
		return "", err
	}
	up, err := f.subvolumePath(ref.parent, depth+1)
	if err != nil {
		return "", err
	}
	r, err := f.rootItem(ref.parent)
	if err != nil {
		return "", err
	}
	dir, err := f.dirPath(f.treeOf(ref.parent, r), ref.dirid)
	if err != nil {
		return "", err
	}
	p := path.Join(up, dir, vfs.Escape(ref.name))
	if len(p) > 1<<16 {
		return "", block.Errorf(format, treeName(id), -1, block.ErrLimit, "a path of %d bytes", len(p))
	}
	f.paths[id] = p
	return p, nil
}

// dirPath returns the path of a directory from the root of its tree.
func (f *filesystem) dirPath(t *tree, ino uint64) (string, error) {
	const maxDepth = 4096
	var names []string
	for range maxDepth {
		if ino == firstFree {
			for i, j := 0, len(names)-1; i < j; i, j = i+1, j-1 {
				names[i], names[j] = names[j], names[i]
			}
			return path.Join(names...), nil
		}
		ref, err := t.parent(ino)
		if err != nil {
			return "", err
		}
		names = append(names, vfs.Escape(ref.name))
		ino = ref.parent
	}
	return "", block.Errorf(format, treeName(t.id), -1, block.ErrLoop, "directory %d lies deeper than %d", ino, maxDepth)
}

// crossing returns the root of the subvolume that an entry of n names, as the
// kernel shows it: where the subvolume is not at home in that directory, as in a
// snapshot of its parent, an empty directory stands for it.
func (n *inode) crossing(id uint64, name string) (*inode, error) {
	f := n.fs
	if !isSubvolume(id) {
		return nil, n.corrupt("the entry %q names tree %d", name, int64(id))
	}
	data, err := f.rootTree.get(key{n.tree.id, typeRootRef, id})
	if err != nil {
		return nil, err
	}
	if data == nil {
		return n.emptySubvolume(id), nil
	}
	ref, err := decodeRootRef(n.tree.id, data)
	if err != nil {
		return nil, err
	}
	back, ok, err := f.backref(id)
	switch {
	case err != nil:
		return nil, err
	case !ok || back.parent != n.tree.id || back.dirid != ref.dirid || back.name != ref.name:
		return nil, n.corrupt("the subvolume %d, %q, does not say that it lies here", id, name)
	case ref.dirid != n.ino || ref.name != name:
		return n.emptySubvolume(id), nil
	}
	t, err := f.subvolume(id)
	if err != nil {
		return nil, err
	}
	return f.rootInode(t)
}

// emptySubvolume is the directory that the kernel shows in place of a subvolume
// that is at home elsewhere. Its times are those of the directory around it; a number
// of its own tells it from the others, which all have the same inode.
func (n *inode) emptySubvolume(id uint64) *inode {
	e := &inode{fs: n.fs, ino: emptySubvolDir}
	e.stat = vfs.Stat{Dev: uint64(uint32(n.tree.id<<16 ^ id)), Ino: emptySubvolDir, Nlink: 1, Mode: fs.ModeDir | 0o755, UID: n.stat.UID, GID: n.stat.GID,
		Atime: n.stat.Atime, Mtime: n.stat.Mtime, Ctime: n.stat.Ctime, Btime: n.stat.Btime}
	return e
}

func (n *inode) name() string {
	if n.tree == nil {
		return "empty subvolume"
	}
	return fmt.Sprintf("inode %d of tree %d", n.ino, int64(n.tree.id))
}
