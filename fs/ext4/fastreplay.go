package ext4

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"sort"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// fastChanges is what fast commits change. It lies over the filesystem as the
// last whole transaction left it: the kernel allocates blocks as it replays
// them, and a reader need not. Immutable once it is made; nil changes nothing.
type fastChanges struct {
	base    *filesystem                  // without them
	inodes  map[uint32][]byte            // as they are on the disk then
	ranges  map[uint32][]run             // of files: what lies over their extents, in order
	entries map[uint32]map[string]uint32 // of directories: names to inodes, 0 for one that is gone
	parents map[uint32]uint32            // of directories that are new
	size    int
}

// replayFast applies the records to f, which has the journal laid over it. Where
// one cannot be applied, none is.
func (f *filesystem) replayFast(records []fastRecord, o Options) error {
	if len(records) == 0 {
		return nil
	}
	o.CacheBytes /= 4
	c := &fastChanges{base: newFilesystem(f.dev, f.sb, o), inodes: map[uint32][]byte{}, ranges: map[uint32][]run{},
		entries: map[uint32]map[string]uint32{}, parents: map[uint32]uint32{}}
	for i := range records {
		if err := c.apply(&records[i]); err != nil {
			return err
		}
	}
	for ino, rs := range c.ranges {
		c.ranges[ino] = flatten(rs)
	}
	f.fast = c
	return nil
}

func (c *fastChanges) apply(r *fastRecord) error {
	le := binary.LittleEndian
	least := map[uint16]int{fastAddRange: 16, fastDelRange: 12, fastCreate: 9, fastLink: 9, fastUnlink: 9, fastInode: 4 + oldInodeSize}[r.tag]
	if least == 0 {
		return nil
	}
	if len(r.value) < least {
		return r.corrupt("a record %d of %d bytes", r.tag, len(r.value))
	}
	ino := le.Uint32(r.value)
	switch r.tag {
	case fastInode:
		return c.setInode(r, ino, r.value[4:])
	case fastAddRange:
		x := extentNode(r.value[4:]).extent(0)
		if x.n == 0 || x.lblk+x.n > 1<<32 || !c.base.data(x.pblk, x.n) {
			return r.corrupt("%d blocks from %d on for inode %d", x.n, x.pblk, ino)
		}
		return c.setRange(r, ino, x)
	case fastDelRange:
		x := run{lblk: uint64(le.Uint32(r.value[4:])), n: uint64(le.Uint32(r.value[8:]))}
		return c.setRange(r, ino, x)
	}
	return c.setEntry(r, ino, le.Uint32(r.value[4:]), string(r.value[8:]))
}

// raw returns the bytes of an inode, which may be changed.
func (c *fastChanges) raw(ino uint32) ([]byte, error) {
	if b := c.inodes[ino]; b != nil {
		return b, nil
	}
	b, _, err := c.base.rawInode(ino)
	if err != nil {
		return nil, err
	}
	if c.size += len(b); c.size > MaxFastBytes {
		return nil, block.Errorf("ext4", "fast commit", -1, block.ErrLimit, "inodes of more than %d MiB", MaxFastBytes>>20)
	}
	c.inodes[ino] = bytes.Clone(b)
	return c.inodes[ino], nil
}

// setInode takes over all of an inode but i_block, which is the root of a tree
// that the ranges change.
func (c *fastChanges) setInode(r *fastRecord, ino uint32, v []byte) error {
	b, err := c.raw(ino)
	if err != nil {
		return err
	}
	if len(v) > len(b) {
		return r.corrupt("inode %d of %d bytes", ino, len(v))
	}
	const iblock, after = 0x28, 0x64
	copy(b, v[:iblock])
	copy(b[after:], v[after:])
	le := binary.LittleEndian
	switch {
	case le.Uint32(b[0x20:])&flagExtents == 0:
		copy(b[iblock:after], v[iblock:])
	case le.Uint16(b[iblock:]) != extentMagic:
		clear(b[iblock:after])
		le.PutUint16(b[iblock:], extentMagic)
		le.PutUint16(b[iblock+4:], 4)
	}
	c.seal(ino, b)
	return nil
}

// seal gives an inode that was changed its checksum.
func (c *fastChanges) seal(ino uint32, b []byte) {
	if !c.base.sb.has(roMetadataCsum) {
		return
	}
	var d diskInode
	d.decode(b)
	sum := d.sum(crc32cLE(crc32cLE(c.base.sb.csumSeed, ino), d.generation), b)
	binary.LittleEndian.PutUint16(b[0x7C:], uint16(sum))
	if d.wideChecksum {
		binary.LittleEndian.PutUint16(b[0x82:], uint16(sum>>16))
	}
}

// setRange lays a run over those that an inode has, and over its extents. What is
// seen of each is found out at the end.
func (c *fastChanges) setRange(r *fastRecord, ino uint32, x run) error {
	if _, err := c.raw(ino); err != nil {
		return err
	}
	if x.n == 0 || x.lblk+x.n > 1<<32 {
		return r.corrupt("%d blocks of inode %d", x.n, ino)
	}
	c.ranges[ino] = append(c.ranges[ino], x)
	return nil
}

// flatten makes of runs, each of which lies over those before it, what is seen of
// them, in order.
func flatten(rs []run) []run {
	if len(rs) < 2 {
		return rs
	}
	half := len(rs) / 2
	return lay(flatten(rs[:half]), flatten(rs[half:]))
}

// lay returns the runs of over and what they leave of those under them. Each are
// in order, and so is what comes of them.
func lay(under, over []run) []run {
	out := make([]run, 0, len(under)+len(over))
	for _, u := range under {
		at, end := u.lblk, u.lblk+u.n
		for len(over) > 0 && over[0].lblk < end {
			o := over[0]
			if o.lblk > at {
				out = append(out, u.part(at, o.lblk))
			}
			if at = max(at, o.lblk+o.n); at > end {
				break // it goes on over the next
			}
			out, over = append(out, o), over[1:]
		}
		if at < end {
			out = append(out, u.part(at, end))
		}
	}
	return append(out, over...)
}

// part returns the blocks of a run from one of the file up to another.
func (r run) part(from, to uint64) run {
	p := run{lblk: from, n: to - from, unwritten: r.unwritten}
	if r.pblk != 0 {
		p.pblk = r.pblk + from - r.lblk
	}
	return p
}

// setEntry gives a directory a name, or takes it away, and counts the links.
func (c *fastChanges) setEntry(r *fastRecord, dir, ino uint32, name string) error {
	if len(name) > 255 || bytes.ContainsAny([]byte(name), "/\x00") || name == "." || name == ".." {
		return r.corrupt("the name %q", name)
	}
	if _, err := c.raw(dir); err != nil {
		return err
	}
	b, err := c.raw(ino)
	if err != nil {
		return err
	}
	names := c.entries[dir]
	if names == nil {
		names = map[string]uint32{}
		c.entries[dir] = names
	}
	le := binary.LittleEndian
	links := le.Uint16(b[0x1A:])
	switch had, known := names[name]; {
	case r.tag == fastUnlink:
		if links > 0 && (had != 0 || !known) {
			links--
		}
		ino = 0
	case r.tag == fastLink && had == 0:
		links++
	case r.tag == fastCreate && le.Uint16(b)&modeType == modeDir:
		c.parents[ino] = dir
		delete(c.entries, ino)
	}
	le.PutUint16(b[0x1A:], links)
	names[name] = ino
	c.seal(le.Uint32(r.value[4:]), b)
	return nil
}

// mapFast looks a block up in the ranges that fast commits gave a file, then in
// its extents.
func (n *inode) mapFast(lblk uint64) (run, error) {
	rs := n.ranges
	i := sort.Search(len(rs), func(i int) bool { return rs[i].lblk+rs[i].n > lblk })
	if i < len(rs) && rs[i].lblk <= lblk {
		return rs[i], nil
	}
	r, err := n.mapExtent(lblk)
	if err == nil && i < len(rs) {
		r.n = min(r.n, rs[i].lblk-r.lblk)
	}
	return r, err
}

// stored returns a directory as its blocks have it, nil if it has none: fast
// commits hold names, not the blocks that these would go to.
func (n *inode) stored() (*inode, error) {
	c := n.fs.fast
	switch {
	case c == nil || c.inodes[n.ino] == nil:
		return n, nil
	case c.parents[n.ino] != 0:
		return nil, nil
	}
	return c.base.inode(n.ino)
}

// fastNames returns the names that fast commits gave a directory and took away.
func (n *inode) fastNames() map[string]uint32 {
	if n.fs.fast == nil {
		return nil
	}
	return n.fs.fast.entries[n.ino]
}

// overlay changes the listing as fast commits say.
func (l *listing) overlay() {
	names := l.n.fastNames()
	if len(names) == 0 {
		return
	}
	shown := func(name string) string {
		if l.n.flags&flagEncrypt != 0 {
			return l.n.noKeyName([]byte(name))
		}
		return name
	}
	gone := map[string]bool{}
	for name := range names {
		gone[shown(name)] = true
	}
	l.out = slices.DeleteFunc(l.out, func(e vfs.Entry) bool { return gone[e.Name] })
	for _, name := range slices.Sorted(maps.Keys(names)) {
		ino := names[name]
		if ino == 0 {
			continue
		}
		e := vfs.Entry{Name: shown(name), Ino: uint64(ino)}
		if c, err := l.n.fs.inode(ino); err == nil {
			e.Type, e.HasType = c.stat.Mode.Type(), true
		}
		l.out = append(l.out, e)
	}
	l.dirs = l.dirs[:0]
	for _, e := range l.out {
		if !e.HasType || e.Type.IsDir() {
			l.dirs = append(l.dirs, uint32(e.Ino))
		}
	}
}

// findFast looks a name up among those that fast commits changed. known says
// that it is one of them.
func (n *inode) findFast(m matcher) (ino uint32, known bool) {
	for name, ino := range n.fastNames() {
		if m.match([]byte(name)) {
			if known = true; ino != 0 {
				return ino, true
			}
		}
	}
	return 0, known
}
