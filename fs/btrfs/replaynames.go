package btrfs

import (
	"encoding/binary"
	"slices"
)

// dropEntry unlinks what an entry of dir names.
func (r *replayer) dropEntry(dir uint64, d *dirent) error {
	r.fixups[d.location.objectid] = true
	return r.unlink(dir, d.location.objectid, string(d.name))
}

// replayName replays one name of a directory. What it names may exist in the
// subvolume or not: to synchronise a directory does not do so for new files in it.
func (r *replayer) replayName(k key, data []byte) error {
	dir := k.objectid
	if b, err := r.inode(dir); err != nil || b == nil {
		if err == nil {
			err = r.corrupt("there is no directory %d", dir)
		}
		return err
	}
	var log *dirent
	for d, err := range dirents(data) {
		if err != nil {
			return r.corrupt("directory %d: %v", dir, err)
		}
		log = &d
		break
	}
	if log == nil {
		return r.corrupt("directory %d: an empty entry", dir)
	}
	name := string(log.name)
	exists := false
	if log.location.typ == typeInodeItem {
		b, err := r.inode(log.location.objectid)
		if err != nil {
			return err
		}
		exists = b != nil
	}
	same := 0
	for _, at := range []key{byHash(dir, name), k} {
		d, err := r.find(r.t, at, name)
		if err != nil {
			return err
		}
		switch {
		case d == nil:
		case d.location == log.location && d.typ == log.typ:
			same++
		case exists:
			if err := r.dropEntry(dir, d); err != nil {
				return err
			}
		}
	}
	if same == 2 {
		return nil
	}
	// A name that the inode itself tells is added with that.
	for _, typ := range [...]uint8{typeInodeRef, typeInodeExtref} {
		_, _, at, err := r.findRef(r.log, typ, log.location.objectid, dir, name)
		if err != nil {
			return err
		}
		if at >= 0 {
			return nil
		}
	}
	if !exists {
		return nil
	}
	if d, err := r.find(r.t, byHash(dir, name), name); err != nil || d != nil {
		return err // it is there, and its index differs
	}
	if err := r.link(dir, log.location.objectid, name, k.offset, true); err != nil {
		return err
	}
	if log.typ != 2 {
		r.fixups[log.location.objectid] = true
	}
	return nil
}

// dropNames removes the names of a directory that the log does not have, in the
// ranges of the index that the log knows; or all.
func (r *replayer) dropNames(dir uint64, all bool) error {
	if b, err := r.inode(dir); err != nil || b == nil {
		return err
	}
	if all {
		return r.dropRange(dir, 0, 1<<64-1, true)
	}
	c, err := r.log.seek(key{dir, typeDirLogIndex, 0})
	for ; err == nil && c.ok && c.key.objectid == dir && c.key.typ == typeDirLogIndex; err = c.next() {
		if len(c.data) < dirLogEndLen {
			return r.corrupt("directory %d: a range of %d bytes", dir, len(c.data))
		}
		if err := r.dropRange(dir, c.key.offset, binary.LittleEndian.Uint64(c.data), false); err != nil {
			return err
		}
	}
	return err
}

func (r *replayer) dropRange(dir, from, to uint64, all bool) error {
	at := key{dir, typeDirIndex, from}
	for {
		c, err := r.t.seek(at)
		if err != nil {
			return err
		}
		if !c.ok || c.key.objectid != dir || c.key.typ != typeDirIndex || c.key.offset > to {
			return nil
		}
		for d, err := range dirents(c.data) {
			if err != nil {
				return r.corrupt("directory %d: %v", dir, err)
			}
			if !all {
				kept, err := r.find(r.log, c.key, string(d.name))
				if err != nil {
					return err
				}
				if kept != nil {
					break
				}
			}
			if err := r.dropEntry(dir, &d); err != nil {
				return err
			}
			break // an index has one entry
		}
		if err := r.step(); err != nil {
			return err
		}
		if at = c.key.next(); at.typ != typeDirIndex {
			return nil
		}
	}
}

// replayRefs replays the names that an inode tells: it adds those which its
// directories do not have, and removes those of the item that they have and it
// does not.
func (r *replayer) replayRefs(k key, data []byte) error {
	ino := k.objectid
	refs, err := refsOf(k, data)
	if err != nil {
		return r.corrupt("inode %d: %v", ino, err)
	}
	if b, err := r.inode(ino); err != nil || b == nil {
		if err == nil {
			err = r.corrupt("there is no inode %d", ino)
		}
		return err
	}
	for i, ref := range refs {
		// Not every directory above is in the log. The links are counted later.
		if b, err := r.inode(ref.parent); err != nil || b == nil {
			return err
		}
		there, err := r.inDir(ino, ref)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		if ino == ref.parent {
			return nil // the root of the subvolume
		}
		if i == 0 || k.typ == typeInodeExtref {
			if err := r.dropConflicts(k.typ, ino, ref); err != nil {
				return err
			}
		}
		if err := r.addRef(k.typ, ino, ref); err != nil {
			return err
		}
	}
	// Names of the item that the log does not have.
	old, err := r.t.get(k)
	if err != nil {
		return err
	}
	was, err := refsOf(k, old)
	if err != nil {
		return r.corrupt("inode %d: %v", ino, err)
	}
	for _, o := range was {
		r.work += len(refs)
		if err := r.step(); err != nil {
			return err
		}
		if !slices.ContainsFunc(refs, func(n inodeRef) bool { return n.parent == o.parent && n.name == o.name }) {
			if err := r.unlink(o.parent, ino, o.name); err != nil {
				return err
			}
		}
	}
	return r.put(r.t, k, data)
}

// inDir reports whether a directory has the name that a reference tells, at its
// index, for the inode.
func (r *replayer) inDir(ino uint64, ref inodeRef) (bool, error) {
	for _, k := range []key{{ref.parent, typeDirIndex, ref.index}, byHash(ref.parent, ref.name)} {
		d, err := r.find(r.t, k, ref.name)
		if err != nil || d == nil || d.location.objectid != ino {
			return false, err
		}
	}
	return true, nil
}

// dropConflicts removes the names of the inode in the directory that the log does
// not have, and what stands where the name is to be.
func (r *replayer) dropConflicts(typ uint8, ino uint64, ref inodeRef) error {
	for _, typ := range [...]uint8{typeInodeRef, typeInodeExtref} {
		_, refs, _, err := r.findRef(r.t, typ, ino, ref.parent, ref.name)
		if err != nil {
			return err
		}
		for _, old := range refs {
			if old.parent != ref.parent {
				continue
			}
			_, _, at, err := r.findRef(r.log, typ, ino, ref.parent, old.name)
			if err != nil {
				return err
			}
			if at < 0 {
				if err := r.unlink(ref.parent, ino, old.name); err != nil {
					return err
				}
			}
		}
	}
	for _, k := range []key{{ref.parent, typeDirIndex, ref.index}, byHash(ref.parent, ref.name)} {
		d, err := r.find(r.t, k, ref.name)
		if err != nil {
			return err
		}
		if d != nil {
			if err := r.dropEntry(ref.parent, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// addRef adds the name that a reference tells to its directory.
func (r *replayer) addRef(typ uint8, ino uint64, ref inodeRef) error {
	// The same name may be there with another index.
	_, _, at, err := r.findRef(r.t, typ, ino, ref.parent, ref.name)
	if err != nil {
		return err
	}
	if at >= 0 {
		if err := r.unlink(ref.parent, ino, ref.name); err != nil {
			return err
		}
	}
	// Another inode may have it, which the log renames further on.
	d, err := r.find(r.t, byHash(ref.parent, ref.name), ref.name)
	if err != nil {
		return err
	}
	if d != nil {
		if err := r.unlink(ref.parent, d.location.objectid, ref.name); err != nil {
			return err
		}
	}
	return r.link(ref.parent, ino, ref.name, ref.index, false)
}
