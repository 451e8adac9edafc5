package ext4

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// MaxDirEntries bounds how many entries a listing holds in memory.
const MaxDirEntries = 1 << 24

// auxTwice marks an entry that names a directory which its listing has named
// already.
const auxTwice = 1

// A listing collects the entries of a directory.
type listing struct {
	n    *inode
	out  []vfs.Entry
	dirs []uint32 // the inodes that are, or may be, directories
	err  error    // the first
}

// ReadDir implements vfs.Inode. A damaged block costs the entries in it, not
// those of the blocks behind it.
func (n *inode) ReadDir() ([]vfs.Entry, error) {
	l := listing{n: n}
	switch d, err := n.stored(); {
	case err != nil:
		l.err = err
	case d != nil:
		l.read(d)
	}
	l.overlay()
	l.markTwice()
	if n.flags&flagEncrypt != 0 && l.err == nil {
		l.err = n.fault(block.ErrEncrypted, "the names in it; they are shown in the form that the kernel gives them without the key")
	}
	return l.out, l.err
}

// read lists what the blocks of n hold.
func (l *listing) read(n *inode) {
	if n.flags&flagInlineData != 0 {
		l.err = n.eachInline(func(b []byte) (bool, error) {
			return true, l.add(b, 0, false)
		})
	} else {
		err := n.eachDirBlock(func(b []byte, lblk, pblk uint64) (bool, error) {
			err := l.add(b, pblk, lblk == 0)
			if len(l.out) > MaxDirEntries {
				return false, n.fault(block.ErrLimit, "more than %d entries", MaxDirEntries)
			}
			if l.err == nil {
				l.err = err
			}
			return true, nil
		})
		if err != nil {
			l.err = err
		}
	}
}

// add lists the entries of one block, or of one part of an inline directory.
func (l *listing) add(b []byte, pblk uint64, first bool) error {
	n, s := l.n, l.n.fs.sb
	entries, end := measure(b, int(s.blockSize))
	if l.out == nil { // the other blocks hold about as many
		entries = max(entries, int(min(int64(entries)*(n.stat.Size/s.blockSize), 1<<12)))
	}
	l.out = slices.Grow(l.out, entries)
	text := string(b[:end]) // all names of the block share one string
	for off, i := 0, 0; off < len(b); i++ {
		d, ok := nextDirent(b, off, int(s.blockSize))
		if !ok || d.inode > s.inodesCount {
			if len(b)-off < direntHeader && n.flags&flagInlineData != 0 {
				return nil // the rest of an inline directory
			}
			return n.badDirent(d, pblk)
		}
		off += d.recLen
		if d.inode == 0 || d.nameLen == 0 {
			continue
		}
		if first && (i == 0 && string(d.name) == "." || i == 1 && string(d.name) == "..") {
			continue
		}
		at := d.off + direntHeader
		e := vfs.Entry{Name: text[at : at+len(d.name)], Ino: uint64(d.inode)}
		if s.featureIncompat&incompatFiletype != 0 {
			e.SetType(d.fileType)
		}
		if n.flags&flagEncrypt != 0 {
			e.Name = n.noKeyName(d.name)
		} else if bytes.IndexByte(d.name, '/') >= 0 || bytes.IndexByte(d.name, 0) >= 0 || e.Name == "." || e.Name == ".." {
			n.fs.problems.Add(n.corrupt("an entry has the name %q", e.Name))
		}
		if !e.HasType || e.Type.IsDir() {
			l.dirs = append(l.dirs, d.inode)
		}
		l.out = append(l.out, e)
	}
	return nil
}

// markTwice marks the entries that name a directory again. Without it, a chain
// of directories in which each is named twice would be 2^n paths.
func (l *listing) markTwice() {
	slices.Sort(l.dirs)
	twice := map[uint64]int{}
	for i := 1; i < len(l.dirs); i++ {
		if l.dirs[i] == l.dirs[i-1] {
			twice[uint64(l.dirs[i])] = 0
		}
	}
	if len(twice) == 0 {
		return
	}
	for i := range l.out {
		e := &l.out[i]
		if seen, ok := twice[e.Ino]; ok && (!e.HasType || e.Type.IsDir()) {
			if seen > 0 {
				e.Aux = auxTwice
			}
			twice[e.Ino]++
		}
	}
}

// Child implements vfs.Inode.
func (n *inode) Child(e vfs.Entry) (vfs.Inode, error) {
	if e.Ino > uint64(n.fs.sb.inodesCount) {
		return nil, n.corrupt("an entry names inode %d of %d", e.Ino, n.fs.sb.inodesCount)
	}
	// A walk asks for a file once, and for a directory again, to list it.
	c, err := n.child(uint32(e.Ino), !e.HasType || e.Type.IsDir())
	if err != nil {
		return nil, err
	}
	if c.stat.Mode.IsDir() && (e.Aux == auxTwice || e.HasType && !e.Type.IsDir()) {
		return nil, n.fault(block.ErrCorrupt, "it names directory %d twice or as no directory", c.ino)
	}
	if e.HasType && e.Type != c.stat.Mode.Type() {
		n.fs.problems.Add(n.corrupt("an entry has another type than inode %d", c.ino))
	}
	return c, nil
}

// child returns an inode that an entry of n names, and remembers it if keep is true.
//
// A directory has one parent, which its own ".." names. Holding every
// directory to that keeps all walks finite: a directory that is reached by two
// ways, and so any circle, has a parent that it does not name.
func (n *inode) child(ino uint32, keep bool) (*inode, error) {
	if ino < n.fs.sb.firstIno && ino != rootIno {
		return nil, n.corrupt("an entry names the reserved inode %d", ino)
	}
	load := n.fs.inode
	if !keep {
		load = n.fs.loadInode
	}
	c, err := load(ino)
	if err != nil {
		return nil, err
	}
	if !c.stat.Mode.IsDir() {
		return c, nil
	}
	if ino == rootIno || ino == n.ino {
		return nil, n.fault(block.ErrLoop, "an entry leads back to directory %d", ino)
	}
	up, err := c.dotDot()
	if err != nil {
		return nil, err
	}
	if up == n.ino {
		return c, nil
	}
	if n.within(ino) {
		return nil, n.fault(block.ErrLoop, "an entry leads back to directory %d", ino)
	}
	return nil, n.corrupt("an entry names directory %d, whose parent is %d", ino, up)
}

// within reports whether the directory ino is n or above it.
func (n *inode) within(ino uint32) bool {
	const maxDepth = 4096
	for range maxDepth {
		if n.ino == ino {
			return true
		}
		up, err := n.dotDot()
		if err != nil || up == n.ino {
			return false
		}
		if n, err = n.fs.inode(up); err != nil || !n.stat.Mode.IsDir() {
			return false
		}
	}
	return true
}

// dotDot returns the parent that a directory names.
func (n *inode) dotDot() (uint32, error) {
	if up := n.parent.Load(); up != 0 {
		return up, nil
	}
	up, err := n.readDotDot()
	if err != nil {
		return 0, err
	}
	if up == 0 || up > n.fs.sb.inodesCount {
		return 0, n.corrupt("its parent is inode %d", up)
	}
	n.parent.Store(up)
	return up, nil
}

func (n *inode) readDotDot() (uint32, error) {
	d, err := n.stored()
	switch {
	case err != nil:
		return 0, err
	case d == nil:
		return n.fs.fast.parents[n.ino], nil
	case d != n:
		return d.readDotDot()
	}
	if n.flags&flagInlineData != 0 {
		return binary.LittleEndian.Uint32(n.block[:]), nil
	}
	r, err := n.mapBlock(0)
	if err != nil {
		return 0, err
	}
	if r.zero() || n.stat.Size < n.fs.sb.blockSize {
		return 0, n.corrupt("the directory has no first block")
	}
	b, err := n.dirBlock(0, r.pblk)
	if err != nil {
		return 0, err
	}
	dot, ok := nextDirent(b, 0, len(b))
	if !ok || string(dot.name) != "." {
		return 0, n.badDirent(dot, r.pblk)
	}
	up, ok := nextDirent(b, dot.recLen, len(b))
	if !ok || string(up.name) != ".." {
		return 0, n.badDirent(up, r.pblk)
	}
	return up.inode, nil
}

// Lookup implements vfs.Inode.
func (n *inode) Lookup(name string) (vfs.Inode, error) {
	ino, err := n.find(name)
	if err != nil {
		return nil, err
	}
	return n.child(ino, true)
}

// find returns the inode that a name stands for: by the index where there is
// one, else by reading the whole directory.
func (n *inode) find(name string) (uint32, error) {
	if name == "" || name == "." || name == ".." || len(name) > 255 && n.flags&flagEncrypt == 0 {
		return 0, fs.ErrNotExist
	}
	m := n.matcher(name)
	if ino, known := n.findFast(m); known {
		if ino == 0 {
			return 0, fs.ErrNotExist
		}
		return ino, nil
	}
	switch d, err := n.stored(); {
	case err != nil:
		return 0, err
	case d == nil:
		return 0, fs.ErrNotExist
	case d != n:
		return d.find(name)
	}
	if n.indexed() && m.indexable {
		ino, err := n.findIndexed(m)
		if err == nil {
			return ino, nil
		}
		if err == fs.ErrNotExist {
			return 0, err
		}
		n.fs.problems.Add(err)
	}
	return n.findLinear(m)
}

func (n *inode) findLinear(m matcher) (ino uint32, err error) {
	var bad error
	visit := func(b []byte, pblk uint64) bool {
		var e error
		if ino, e = n.findIn(b, pblk, m); e != nil && bad == nil {
			bad = e
		}
		return ino == 0
	}
	if n.flags&flagInlineData != 0 {
		err = n.eachInline(func(b []byte) (bool, error) { return visit(b, 0), nil })
	} else {
		err = n.eachDirBlock(func(b []byte, _, pblk uint64) (bool, error) { return visit(b, pblk), nil })
	}
	switch {
	case ino != 0:
		return ino, nil
	case err != nil:
		return 0, err
	case bad != nil:
		return 0, bad
	}
	return 0, fs.ErrNotExist
}

// findIn searches one block, or one part of an inline directory. It returns 0
// if the name is not there.
func (n *inode) findIn(b []byte, pblk uint64, m matcher) (uint32, error) {
	s := n.fs.sb
	for off := 0; off < len(b); {
		d, ok := nextDirent(b, off, int(s.blockSize))
		if !ok {
			if len(b)-off < direntHeader && n.flags&flagInlineData != 0 {
				return 0, nil
			}
			return 0, n.badDirent(d, pblk)
		}
		if d.inode != 0 && m.match(d.name) {
			return d.inode, nil
		}
		off += d.recLen
	}
	return 0, nil
}
