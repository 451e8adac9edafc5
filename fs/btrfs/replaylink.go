package btrfs

import (
	"encoding/binary"
	"slices"

	"github.com/guestkit/guestkit/fs/vfs"
)

// appendDirent encodes an entry.
func appendDirent(b []byte, d dirent) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, d.location.objectid)
	b = append(b, d.location.typ)
	b = le.AppendUint64(b, d.location.offset)
	b = le.AppendUint64(b, 0) // transid
	b = le.AppendUint16(b, uint16(len(d.data)))
	b = le.AppendUint16(b, uint16(len(d.name)))
	b = append(b, d.typ)
	b = append(b, d.name...)
	return append(b, d.data...)
}

// find returns the entry of a name in an item, nil if it is not there.
func (r *replayer) find(t *tree, k key, name string) (*dirent, error) {
	data, err := t.get(k)
	if err != nil {
		return nil, err
	}
	for d, err := range dirents(data) {
		if err == nil {
			err = r.step()
		} else {
			err = r.corrupt("a directory: %v", err)
		}
		if err != nil {
			return nil, err
		}
		if string(d.name) == name {
			return &d, nil
		}
	}
	return nil, nil
}

func byHash(dir uint64, name string) key { return key{dir, typeDirItem, nameHash(name)} }

// findRef returns the reference of an inode to a name in dir, by the item that
// has it.
func (r *replayer) findRef(t *tree, typ uint8, ino, dir uint64, name string) (k key, refs []inodeRef, at int, err error) {
	k = key{ino, typ, dir}
	if typ == typeInodeExtref {
		k.offset = extrefHash(dir, name)
	}
	data, err := t.get(k)
	if err != nil {
		return k, nil, -1, err
	}
	if refs, err = refsOf(k, data); err != nil {
		return k, nil, -1, r.corrupt("inode %d: %v", ino, err)
	}
	r.work += len(refs)
	at = slices.IndexFunc(refs, func(i inodeRef) bool { return i.parent == dir && i.name == name })
	return k, refs, at, r.step()
}

// unlink removes a name of an inode: the entry, its place in the index, and the
// reference.
func (r *replayer) unlink(dir, ino uint64, name string) error {
	k := byHash(dir, name)
	data, err := r.t.get(k)
	if err != nil {
		return err
	}
	var rest []byte
	found := false
	for d, err := range dirents(data) {
		if err != nil {
			return r.corrupt("directory %d: %v", dir, err)
		}
		if !found && string(d.name) == name {
			found = true
			continue
		}
		rest = appendDirent(rest, d)
	}
	if !found {
		return r.corrupt("directory %d has no entry %q to remove", dir, name)
	}
	if len(rest) == 0 {
		err = r.remove(r.t, k)
	} else {
		err = r.put(r.t, k, rest)
	}
	if err != nil {
		return err
	}
	index, err := r.dropRef(dir, ino, name)
	if err != nil {
		return err
	}
	if err := r.remove(r.t, key{dir, typeDirIndex, index}); err != nil {
		return err
	}
	if err := r.addSize(dir, -2*len(name)); err != nil {
		return err
	}
	return r.editInode(ino, func(b []byte) {
		if n := inodeField32(b, inodeNlink); n > 0 {
			binary.LittleEndian.PutUint32(b[inodeNlink:], n-1)
		}
	})
}

// dropRef removes the reference of an inode to a name, and returns the index of
// that in the directory.
func (r *replayer) dropRef(dir, ino uint64, name string) (uint64, error) {
	for _, typ := range [...]uint8{typeInodeRef, typeInodeExtref} {
		k, refs, at, err := r.findRef(r.t, typ, ino, dir, name)
		if err != nil {
			return 0, err
		}
		if at < 0 {
			continue
		}
		index := refs[at].index
		if refs = slices.Delete(refs, at, at+1); len(refs) == 0 {
			return index, r.remove(r.t, k)
		}
		return index, r.put(r.t, k, encodeRefs(typ, refs))
	}
	return 0, r.corrupt("inode %d does not know its name %q in directory %d", ino, name, dir)
}

func encodeRefs(typ uint8, refs []inodeRef) (b []byte) {
	le := binary.LittleEndian
	for _, ref := range refs {
		if typ == typeInodeExtref {
			b = le.AppendUint64(b, ref.parent)
		}
		b = le.AppendUint64(b, ref.index)
		b = le.AppendUint16(b, uint16(len(ref.name)))
		b = append(b, ref.name...)
	}
	return b
}

// link adds a name for an inode, which is not to be there yet. Unless it comes
// with the references, one is added.
func (r *replayer) link(dir, ino uint64, name string, index uint64, withRef bool) error {
	if withRef {
		k, refs, _, err := r.findRef(r.t, typeInodeRef, ino, dir, name)
		if err != nil {
			return err
		}
		refs = append(refs, inodeRef{dir, index, name})
		b := encodeRefs(typeInodeRef, refs)
		if len(b) > int(r.f.sb.nodeSize)/2 { // it finds no place, and goes where those without one do
			if k, refs, _, err = r.findRef(r.t, typeInodeExtref, ino, dir, name); err != nil {
				return err
			}
			b = encodeRefs(typeInodeExtref, append(refs, inodeRef{dir, index, name}))
		}
		if err := r.put(r.t, k, b); err != nil {
			return err
		}
	}
	item, err := r.inode(ino)
	if err != nil {
		return err
	}
	if item == nil {
		return r.corrupt("there is no inode %d", ino)
	}
	d := dirent{location: key{ino, typeInodeItem, 0}, typ: direntType(inodeField32(item, inodeMode)), name: []byte(name)}
	k := byHash(dir, name)
	old, err := r.t.get(k)
	if err != nil {
		return err
	}
	if err := r.put(r.t, k, appendDirent(slices.Clip(old), d)); err != nil {
		return err
	}
	if err := r.put(r.t, key{dir, typeDirIndex, index}, appendDirent(nil, d)); err != nil {
		return err
	}
	return r.addSize(dir, 2*len(name))
}

// direntType is the type of the entry for an inode of a mode.
func direntType(mode uint32) uint8 {
	m, _ := vfs.UnixMode(mode)
	return vfs.EntryType(m)
}
