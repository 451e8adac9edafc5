package xfs

import (
	"io/fs"
)

// lookup finds a name in a directory, by its hash where there is an index.
func (f *filesystem) lookup(n *inode, name string) (dirEntry, error) {
	if name == "" || name == "." || name == ".." {
		return dirEntry{}, fs.ErrNotExist
	}
	want := match{name: name, hash: hashName(name), ci: f.sb.asciiCI()}
	if want.ci {
		want.hash = hashNameCI(name)
	}
	var err error
	if n.data.format == forkLocal {
		err = f.lookupShort(n, &want)
	} else {
		err = f.lookupHash(n, &want)
	}
	if err == nil && want.found.name == "" {
		err = fs.ErrNotExist
	}
	return want.found, err
}

// match is a name that is looked for. In a directory without case an equal name
// wins over one that differs in case.
type match struct {
	name  string
	hash  uint32
	ci    bool
	found dirEntry
}

func (m *match) try(e dirEntry) {
	if e.name == m.name || m.ci && m.found.name == "" && equalCI(e.name, m.name) {
		m.found = e
	}
}

// done reports whether nothing better can come.
func (m *match) done() bool { return m.found.name == m.name }

func (f *filesystem) lookupShort(n *inode, want *match) error {
	sf, err := f.shortDir(n)
	if err != nil {
		return err
	}
	for _, e := range sf.entries {
		want.try(e)
	}
	return nil
}

// lookupHash looks in a directory with an index. If the names take one block,
// that may be in block form or have an index of its own.
func (f *filesystem) lookupHash(n *inode, want *match) error {
	if n.core.size <= uint64(f.sb.dirBlockSize()) {
		d, err := f.dirBlock(n, 0)
		if err != nil {
			return err
		}
		if d.single {
			return f.lookupBlock(n, d, want)
		}
	}
	return f.lookupLeaf(n, want)
}

// lookupBlock looks in a directory in block form.
func (f *filesystem) lookupBlock(n *inode, d *dirBlock, want *match) error {
	index := daBlock{entries: d.index()}
	index.count = uint16(len(index.entries) / leafEntrySize)
	_, err := f.tryHash(n, &index, want)
	return err
}

// lookupLeaf looks in a directory whose index has blocks of its own.
func (f *filesystem) lookupLeaf(n *inode, want *match) error {
	d, err := f.daLeaf(&n.data, dirSpace>>f.sb.blocklog, want.hash)
	if err != nil || d == nil {
		return err
	}
	// Names of one hash may go on in the next leaf, and so on; a chain of
	// leaves that are all of one hash is as long as the directory at most.
	for budget := n.core.nblocks; ; budget-- {
		more, err := f.tryHash(n, d, want)
		if err != nil || !more || d.forw == 0 || want.done() {
			return err
		}
		if budget == 0 {
			return d.corrupt("the chain of leaves does not end")
		}
		if d, err = f.daBlock(&n.data, uint64(d.forw)); err != nil {
			return err
		}
		if d.node() {
			return d.corrupt("a node among the leaves")
		}
	}
}

// tryHash tries the names of one hash in a leaf. It reports whether the hash
// goes on to the leaf's end.
func (f *filesystem) tryHash(n *inode, d *daBlock, want *match) (more bool, err error) {
	i := d.search(want.hash)
	for ; i < int(d.count) && d.hash(i) == want.hash && !want.done(); i++ {
		addr := uint64(d.value(i)) << dirUnitLog
		if addr == 0 {
			continue // deleted
		}
		e, err := f.entryAt(n, addr)
		if err != nil {
			return false, err
		}
		want.try(e)
	}
	return i == int(d.count), nil
}

// entryAt reads the entry at an address, an offset in the data blocks.
func (f *filesystem) entryAt(n *inode, addr uint64) (dirEntry, error) {
	size := uint64(f.sb.dirBlockSize())
	d, err := f.dirBlock(n, addr/size*size>>f.sb.blocklog)
	if err != nil {
		return dirEntry{}, err
	}
	pos := int(addr % size)
	if pos < d.start || pos >= d.end {
		return dirEntry{}, d.corrupt(pos, "the index points outside the entries")
	}
	e, _, err := d.at(pos)
	if err == nil && e.name == "" {
		err = d.corrupt(pos, "the index points at an unused entry")
	}
	return e, err
}
