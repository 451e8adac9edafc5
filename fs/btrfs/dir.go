package btrfs

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"iter"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

const (
	direntSize = 0x1E
	refSize    = 0x0A // of an inode reference, without its name
	extrefSize = 0x12

	// maxDirEntries bounds how many entries a listing holds in memory.
	maxDirEntries = 1 << 24
)

// dirent is struct btrfs_dir_item: an entry of a directory, or an attribute.
type dirent struct {
	location key    // 0x00
	typ      uint8  // 0x1D
	name     []byte // 0x1E
	data     []byte // behind the name
}

var errCut = errors.New("an entry leaves its item")

// dirents gives the entries in an item.
func dirents(b []byte) iter.Seq2[dirent, error] {
	return func(yield func(dirent, error) bool) {
		le := binary.LittleEndian
		for len(b) > 0 {
			if len(b) < direntSize {
				yield(dirent{}, errCut)
				return
			}
			data, name := int(le.Uint16(b[0x19:])), int(le.Uint16(b[0x1B:]))
			end := direntSize + name + data
			if end > len(b) {
				yield(dirent{}, errCut)
				return
			}
			d := dirent{decodeKey(b), b[0x1D], b[direntSize : direntSize+name], b[direntSize+name : end]}
			b = b[end:]
			if !yield(d, nil) {
				return
			}
		}
	}
}

// auxSubvolume marks an entry that names a subvolume: its index in the directory
// never gets there.
const auxSubvolume = 1 << 63

// ReadDir implements vfs.Inode.
func (n *inode) ReadDir() ([]vfs.Entry, error) {
	if n.tree == nil {
		return nil, nil
	}
	var out []vfs.Entry
	if hint := n.stat.Size / 16; hint < 1<<12 {
		out = make([]vfs.Entry, 0, hint)
	}
	var first error
	c, err := n.tree.seek(key{n.ino, typeDirIndex, 0})
	for ; err == nil && c.ok && c.key.objectid == n.ino && c.key.typ == typeDirIndex; err = c.next() {
		if len(out) >= maxDirEntries {
			return out, n.fault(block.ErrLimit, "more than %d entries", maxDirEntries)
		}
		e, err := n.entry(c.key.offset, c.data)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		out = append(out, e)
	}
	if err != nil {
		first = err
	}
	return out, first
}

// entry decodes an item of the index of a directory: it holds one entry.
func (n *inode) entry(index uint64, data []byte) (vfs.Entry, error) {
	for d, err := range dirents(data) {
		if err != nil || len(d.name) == 0 || direntSize+len(d.name)+len(d.data) != len(data) || index == 0 || index >= auxSubvolume {
			break
		}
		if d.typ&0x80 != 0 {
			return vfs.Entry{}, n.fault(block.ErrEncrypted, "a name in it")
		}
		e := vfs.Entry{Name: string(d.name), Ino: d.location.objectid, Aux: index}
		switch d.location.typ {
		case typeInodeItem:
		case typeRootItem:
			e.Aux |= auxSubvolume
		default:
			return vfs.Entry{}, n.corrupt("the entry %q names %v", d.name, d.location)
		}
		e.SetType(d.typ)
		return e, nil
	}
	return vfs.Entry{}, n.corrupt("entry %d of %d bytes", index, len(data))
}

// Child implements vfs.Inode.
func (n *inode) Child(e vfs.Entry) (vfs.Inode, error) {
	if n.tree == nil {
		return nil, fs.ErrNotExist
	}
	if e.Aux&auxSubvolume != 0 {
		c, err := n.crossing(e.Ino, e.Name)
		if err != nil {
			return nil, err
		}
		if c.tree != nil {
			// The same name may be in the index twice, and would be two ways.
			index, err := n.fs.rootSequence(n.tree.id, e.Ino)
			if err != nil {
				return nil, err
			}
			if index != e.Aux&^auxSubvolume {
				return nil, n.corrupt("the entry %q names subvolume %d a second time", e.Name, e.Ino)
			}
		}
		return c, nil
	}
	return n.child(e.Ino, e.Name, e.Aux, e)
}

// rootSequence returns the index of the entry that names a subvolume.
func (f *filesystem) rootSequence(parent, id uint64) (uint64, error) {
	data, err := f.rootTree.get(key{parent, typeRootRef, id})
	if err != nil || len(data) < rootRefSize {
		return 0, err
	}
	return binary.LittleEndian.Uint64(data[8:]), nil
}

// child returns an inode that an entry of n names.
//
// A directory has one name, which its inode reference tells. Holding every
// directory to that keeps all walks finite: what is reached by two ways, and so
// any circle, has a reference that does not fit. An index of 0 is not compared.
func (n *inode) child(ino uint64, name string, index uint64, e vfs.Entry) (vfs.Inode, error) {
	if ino == firstFree {
		return nil, n.fault(block.ErrLoop, "the entry %q leads back to the root", name)
	}
	c, err := n.fs.inode(n.tree, ino)
	if err != nil {
		return nil, err
	}
	if e.HasType && e.Type != c.stat.Mode.Type() {
		n.fs.problems.Add(n.corrupt("the entry %q has another type than inode %d", name, ino))
	}
	if !c.stat.Mode.IsDir() {
		return c, nil
	}
	ref, err := n.tree.parent(ino)
	if err != nil {
		return nil, err
	}
	if ref.parent == n.ino && ref.name == name && (index == 0 || ref.index == index) {
		return c, nil
	}
	if n.within(ino) {
		return nil, n.fault(block.ErrLoop, "the entry %q leads back to directory %d", name, ino)
	}
	return nil, n.corrupt("the entry %q names directory %d, which is %q in directory %d", name, ino, ref.name, ref.parent)
}

// An inodeRef is struct btrfs_inode_ref: a name of an inode.
type inodeRef struct {
	parent uint64
	index  uint64 // 0x00, or 0x08 in an item of several parents
	name   string // 0x0A, or 0x12
}

// parent returns the one name of a directory.
func (t *tree) parent(ino uint64) (inodeRef, error) {
	bad := func(detail string, args ...any) error {
		return block.Errorf(format, (&inode{tree: t, ino: ino}).name(), -1, block.ErrCorrupt, detail, args...)
	}
	c, err := t.seek(key{ino, typeInodeRef, 0})
	if err != nil {
		return inodeRef{}, err
	}
	if !c.ok || c.key.objectid != ino || c.key.typ != typeInodeRef && c.key.typ != typeInodeExtref {
		return inodeRef{}, bad("the directory has no name")
	}
	var refs []inodeRef
	if c.key.typ == typeInodeRef {
		refs, err = decodeRefs(c.key.offset, c.data)
	} else {
		refs, err = decodeExtrefs(c.data)
	}
	if err != nil || len(refs) != 1 {
		return inodeRef{}, bad("the directory has %d names", len(refs))
	}
	if err := c.next(); err != nil {
		return inodeRef{}, err
	}
	if c.ok && c.key.objectid == ino && (c.key.typ == typeInodeRef || c.key.typ == typeInodeExtref) {
		return inodeRef{}, bad("the directory has several names")
	}
	return refs[0], nil
}

// decodeRefs reads the names of an inode in the directory parent.
func decodeRefs(parent uint64, b []byte) (out []inodeRef, err error) {
	le := binary.LittleEndian
	for len(b) > 0 {
		if len(b) < refSize || len(b) < refSize+int(le.Uint16(b[8:])) {
			return out, errCut
		}
		n := refSize + int(le.Uint16(b[8:]))
		out = append(out, inodeRef{parent, le.Uint64(b), string(b[refSize:n])})
		b = b[n:]
	}
	return out, nil
}

// decodeExtrefs reads names of an inode that found no place in its other item.
func decodeExtrefs(b []byte) (out []inodeRef, err error) {
	le := binary.LittleEndian
	for len(b) > 0 {
		if len(b) < extrefSize || len(b) < extrefSize+int(le.Uint16(b[16:])) {
			return out, errCut
		}
		n := extrefSize + int(le.Uint16(b[16:]))
		out = append(out, inodeRef{le.Uint64(b), le.Uint64(b[8:]), string(b[extrefSize:n])})
		b = b[n:]
	}
	return out, nil
}

// within reports whether the directory ino is n or above it.
func (n *inode) within(ino uint64) bool {
	const maxDepth = 4096
	at := n.ino
	for range maxDepth {
		if at == ino {
			return true
		}
		if at == firstFree {
			return false
		}
		ref, err := n.tree.parent(at)
		if err != nil {
			return false
		}
		at = ref.parent
	}
	return true
}

// Lookup implements vfs.Inode. A name is found by its hash.
func (n *inode) Lookup(name string) (vfs.Inode, error) {
	if n.tree == nil || name == "" || len(name) > 255 {
		return nil, fs.ErrNotExist
	}
	data, err := n.tree.get(key{n.ino, typeDirItem, nameHash(name)})
	if err != nil {
		return nil, err
	}
	for d, err := range dirents(data) {
		if err != nil {
			return nil, n.corrupt("%v", err)
		}
		if string(d.name) != name {
			continue
		}
		switch d.location.typ {
		case typeInodeItem:
			return n.child(d.location.objectid, name, 0, vfs.Entry{})
		case typeRootItem:
			c, err := n.crossing(d.location.objectid, name)
			if err != nil {
				return nil, err
			}
			return c, nil
		}
		return nil, n.corrupt("the entry %q names %v", name, d.location)
	}
	return nil, fs.ErrNotExist
}

// Xattrs implements vfs.Inode. Names and values are as the kernel shows them.
func (n *inode) Xattrs() ([]vfs.Xattr, error) {
	const maxTotal = 1 << 25
	if n.tree == nil {
		return nil, nil
	}
	var out []vfs.Xattr
	var first error
	total := 0
	c, err := n.tree.seek(key{n.ino, typeXattrItem, 0})
	for ; err == nil && c.ok && c.key.objectid == n.ino && c.key.typ == typeXattrItem; err = c.next() {
		if total += len(c.data); total > maxTotal {
			return out, n.fault(block.ErrLimit, "more than %d bytes of attributes", maxTotal)
		}
		for d, err := range dirents(c.data) {
			if err != nil {
				first = n.corrupt("attributes: %v", err)
				break
			}
			out = append(out, vfs.Xattr{Name: string(d.name), Value: append([]byte{}, d.data...)})
		}
	}
	if err != nil {
		first = err
	}
	return out, first
}
