package btrfs

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

// Bounds of the replay of a log: what it changes is kept in memory.
const (
	maxChanges   = 1 << 18
	maxLogBytes  = 24 << 20
	maxLogWork   = 1 << 26 // names and items that are looked at
	maxLogTrees  = 1 << 12
	dirLogEndLen = 8
)

// replay lays over the trees what the log tree has of files that were
// synchronised since the last commit, as the kernel does when it mounts
// (fs/btrfs/tree-log.c). Either all of it counts or nothing.
func (f *filesystem) replay() {
	if f.sb.logRoot == 0 {
		return
	}
	err := fmt.Errorf("the options say so")
	if !f.opts.NoReplay {
		err = f.replayLogs()
	}
	if f.dirty = true; err == nil {
		f.replayed = true
		return
	}
	f.trees = map[uint64]*tree{}
	if f.csums != nil {
		f.csums.over = nil
	}
	f.problems.Add(&block.Error{Format: format, What: "log tree", Off: -1,
		Err: fmt.Errorf("%w; files that were synchronised last may be stale: %w", block.ErrDirty, err)})
}

// replayLogs replays the logs of all subvolumes that have one.
func (f *filesystem) replayLogs() error {
	roots := &tree{f: f, id: treeLog, bytenr: f.sb.logRoot, level: f.sb.logLevel, generation: f.sb.generation + 1}
	c, err := roots.seek(key{treeLog, typeRootItem, 0})
	work, changes, size, logs := 0, 0, int64(0), 0
	if f.csums != nil {
		f.csums.over = &overlay{}
	}
	for ; err == nil && c.ok && c.key.objectid == treeLog && c.key.typ == typeRootItem; err = c.next() {
		if logs++; logs > maxLogTrees {
			return block.Errorf(format, "log tree", -1, block.ErrLimit, "more than %d subvolumes", maxLogTrees)
		}
		item, err := f.decodeRoot(treeLog, c.data)
		if err != nil {
			return err
		}
		log := f.treeOf(treeLog, item)
		k, _, ok, err := f.rootTree.floor(key{c.key.offset, typeRootItem, 1<<64 - 1})
		if err != nil {
			return err
		}
		if !ok || k.objectid != c.key.offset || k.typ != typeRootItem {
			continue // the subvolume was deleted since
		}
		t, err := f.subvolume(c.key.offset)
		if err != nil {
			return err
		}
		t.over = &overlay{}
		r := replayer{f: f, t: t, log: log, fixups: map[uint64]bool{}, work: work, changes: changes, size: size}
		if err := r.run(); err != nil {
			return err
		}
		work, changes, size = r.work, r.changes+t.over.n, r.size+t.over.bytes
	}
	return err
}

// A replayer replays the log of one subvolume.
type replayer struct {
	f      *filesystem
	t, log *tree
	fixups map[uint64]bool // inodes whose links are to be counted

	work, changes int
	size          int64
}

// step counts what is looked at.
func (r *replayer) step() error {
	if r.work++; r.work > maxLogWork {
		return block.Errorf(format, "log tree", -1, block.ErrLimit, "to replay it takes more than %d steps", maxLogWork)
	}
	return nil
}

func (r *replayer) corrupt(detail string, args ...any) error {
	return block.Errorf(format, fmt.Sprintf("log of tree %d", int64(r.t.id)), -1, block.ErrCorrupt, detail, args...)
}

// put writes an item of a tree, which keeps a copy.
func (r *replayer) put(t *tree, k key, data []byte) error {
	return r.change(t, change{k, bytes.Clone(data), false})
}

func (r *replayer) remove(t *tree, k key) error { return r.change(t, change{key: k, gone: true}) }

func (r *replayer) change(t *tree, c change) error {
	t.over.set(c)
	n, size := r.changes+r.t.over.n, r.size+r.t.over.bytes
	if r.f.csums != nil {
		n, size = n+r.f.csums.over.n, size+r.f.csums.over.bytes
	}
	if n > maxChanges || size > maxLogBytes {
		return block.Errorf(format, "log tree", -1, block.ErrLimit, "more than %d changed items or %d bytes of them", maxChanges, maxLogBytes)
	}
	return r.step()
}

// Passes over the log: inodes first, so that names find what they name.
const (
	passInodes = iota
	passNames
	passRest
	passes
)

func (r *replayer) run() error {
	for pass := range passes {
		ignored := false // the inode is of a file that has no name
		c, err := r.log.seek(key{})
		for ; err == nil && c.ok; err = c.next() {
			if err := r.step(); err != nil {
				return err
			}
			if c.key.typ == typeInodeItem {
				if len(c.data) < inodeItemSize {
					return r.corrupt("an inode of %d bytes", len(c.data))
				}
				ignored = inodeField32(c.data, inodeNlink) == 0
			}
			if ignored {
				continue
			}
			if err := r.item(pass, c.key, c.data); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	return r.countLinks()
}

// item replays one item of the log.
func (r *replayer) item(pass int, k key, data []byte) error {
	switch {
	case k.typ == typeInodeItem && pass == passInodes:
		return r.replayInode(k, data)
	case k.typ == typeDirIndex && pass == passNames:
		return r.replayName(k, data)
	case pass != passRest:
		return nil
	case k.typ == typeXattrItem:
		return r.put(r.t, k, data)
	case k.typ == typeInodeRef || k.typ == typeInodeExtref:
		return r.replayRefs(k, data)
	case k.typ == typeExtentData:
		return r.replayExtent(k, data)
	}
	return nil
}

// Offsets in the item of an inode.
const (
	inodeGeneration = 0x00
	inodeSize       = 0x10
	inodeNbytes     = 0x18
	inodeNlink      = 0x28
	inodeMode       = 0x34
)

func inodeField32(b []byte, off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
func inodeField64(b []byte, off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }

func isMode(b []byte, mode uint32) bool { return inodeField32(b, inodeMode)&modeType == mode }

// inode returns the item of an inode of the subvolume, nil if there is none.
func (r *replayer) inode(ino uint64) ([]byte, error) {
	b, err := r.t.get(key{ino, typeInodeItem, 0})
	if err == nil && b != nil && len(b) < inodeItemSize {
		err = r.corrupt("inode %d has %d bytes", ino, len(b))
	}
	return b, err
}

// editInode changes the item of an inode that is there.
func (r *replayer) editInode(ino uint64, edit func(b []byte)) error {
	b, err := r.inode(ino)
	if err != nil {
		return err
	}
	if b == nil {
		return r.corrupt("there is no inode %d", ino)
	}
	b = bytes.Clone(b)
	edit(b)
	return r.change(r.t, change{key: key{ino, typeInodeItem, 0}, data: b})
}

func (r *replayer) addSize(dir uint64, n int) error {
	return r.editInode(dir, func(b []byte) {
		binary.LittleEndian.PutUint64(b[inodeSize:], uint64(max(0, int64(inodeField64(b, inodeSize))+int64(n))))
	})
}

// replayInode copies an inode. Names that the log says are gone go first, and
// so does data past the end of a file.
func (r *replayer) replayInode(k key, data []byte) error {
	if err := r.dropXattrs(k.objectid); err != nil {
		return err
	}
	dir := isMode(data, modeDir)
	if dir {
		if err := r.dropNames(k.objectid, false); err != nil {
			return err
		}
	}
	old, err := r.inode(k.objectid)
	if err != nil {
		return err
	}
	b := bytes.Clone(data[:inodeItemSize])
	le := binary.LittleEndian
	switch {
	case old == nil: // what it holds is counted as it is replayed
		le.PutUint64(b[inodeNbytes:], 0)
		if dir {
			le.PutUint64(b[inodeSize:], 0)
		}
	case inodeField64(data, inodeGeneration) == 0:
		// The log says no more than that the inode exists, and perhaps its size.
		size := inodeField64(data, inodeSize)
		b = bytes.Clone(old)
		if isMode(data, modeRegular) && isMode(old, modeRegular) && size != 0 {
			le.PutUint64(b[inodeSize:], size)
		}
	default:
		le.PutUint64(b[inodeNbytes:], inodeField64(old, inodeNbytes))
		if dir {
			size := uint64(0)
			if isMode(old, modeDir) {
				size = inodeField64(old, inodeSize)
			}
			le.PutUint64(b[inodeSize:], size)
		}
	}
	if inodeField64(b, inodeGeneration) == 0 {
		le.PutUint64(b[inodeGeneration:], r.f.sb.generation+1)
	}
	if err := r.put(r.t, k, b); err != nil {
		return err
	}
	if isMode(data, modeRegular) {
		sector := uint64(r.f.sb.sectorSize)
		size := inodeField64(b, inodeSize)
		if size > 1<<62 {
			return r.corrupt("inode %d has a size of %#x", k.objectid, size)
		}
		if err := r.dropExtents(k.objectid, (size+sector-1)/sector*sector, 1<<64-1); err != nil {
			return err
		}
	}
	r.fixups[k.objectid] = true
	return nil
}

// dropXattrs removes the attributes of an inode that the log does not have.
func (r *replayer) dropXattrs(ino uint64) error {
	from := key{ino, typeXattrItem, 0}
	for {
		c, err := r.t.seek(from)
		if err != nil {
			return err
		}
		if !c.ok || c.key.objectid != ino || c.key.typ != typeXattrItem {
			return nil
		}
		kept, err := r.log.get(c.key)
		if err != nil {
			return err
		}
		if kept == nil {
			err = r.remove(r.t, c.key)
		} else if err = r.step(); err == nil { // other names may have the same hash
			err = r.keepXattrs(c.key, c.data, kept)
		}
		if err != nil {
			return err
		}
		from = c.key.next()
	}
}

func (r *replayer) keepXattrs(k key, data, log []byte) error {
	var out []byte
	for d, err := range dirents(data) {
		if err != nil {
			return r.corrupt("attributes: %v", err)
		}
		for l, err := range dirents(log) {
			if err != nil {
				return r.corrupt("attributes: %v", err)
			}
			if bytes.Equal(d.name, l.name) {
				out = appendDirent(out, d)
				break
			}
		}
	}
	if len(out) == len(data) {
		return nil
	}
	return r.put(r.t, k, out)
}

// countLinks sets the links of the inodes that have been replayed to the names
// that there are. A directory without any is emptied.
func (r *replayer) countLinks() error {
	for len(r.fixups) > 0 {
		var ino uint64
		for i := range r.fixups {
			ino = max(ino, i)
		}
		if r.work += len(r.fixups); r.work > maxLogWork {
			return r.step()
		}
		delete(r.fixups, ino)
		b, err := r.inode(ino)
		if err != nil {
			return err
		}
		if b == nil {
			return r.corrupt("there is no inode %d", ino)
		}
		n, err := r.names(ino)
		if err != nil {
			return err
		}
		if n == 0 && isMode(b, modeDir) && ino != firstFree {
			if err := r.dropNames(ino, true); err != nil {
				return err
			}
		}
		if inodeField32(b, inodeNlink) != uint32(n) {
			if err := r.editInode(ino, func(b []byte) { binary.LittleEndian.PutUint32(b[inodeNlink:], uint32(n)) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// names counts the names of an inode.
func (r *replayer) names(ino uint64) (n int, err error) {
	c, err := r.t.seek(key{ino, typeInodeRef, 0})
	for ; err == nil && c.ok && c.key.objectid == ino && (c.key.typ == typeInodeRef || c.key.typ == typeInodeExtref); err = c.next() {
		refs, err := refsOf(c.key, c.data)
		if err != nil {
			return 0, r.corrupt("inode %d: %v", ino, err)
		}
		n += len(refs)
		if err := r.step(); err != nil {
			return 0, err
		}
	}
	return n, err
}

// refsOf decodes an item of names.
func refsOf(k key, data []byte) ([]inodeRef, error) {
	if k.typ == typeInodeExtref {
		return decodeExtrefs(data)
	}
	return decodeRefs(k.offset, data)
}
