package xfs

import "encoding/binary"

// shortDir is a directory that lies in its inode: a count of entries, a count
// of those with inode numbers of 8 bytes (then all have), the parent, entries.
type shortDir struct {
	parent  uint64
	entries []dirEntry
}

func (f *filesystem) shortDir(n *inode) (*shortDir, error) {
	if n.core.size > uint64(len(n.data.b)) {
		return nil, n.corrupt("short directory of %d bytes in %d", n.core.size, len(n.data.b))
	}
	b := n.data.b[:n.core.size]
	if len(b) < 6 {
		return nil, n.corrupt("short directory of %d bytes", len(b))
	}
	count, width := int(b[0]), 4
	if b[1] != 0 {
		width = 8
	}
	ino := func(b []byte) uint64 {
		if width == 8 {
			return binary.BigEndian.Uint64(b)
		}
		return uint64(binary.BigEndian.Uint32(b))
	}
	rest := b[2:]
	if len(rest) < width {
		return nil, n.corrupt("short directory of %d bytes", len(b))
	}
	d := &shortDir{parent: ino(rest)}
	rest = rest[width:]
	// An entry: length of the name, offset in a block to be (2), name, type
	// where there is one, inode.
	fixed := 3 + width
	if f.sb.ftype() {
		fixed++
	}
	for range count {
		if len(rest) < fixed || rest[0] == 0 || int(rest[0]) > len(rest)-fixed {
			return nil, n.corrupt("entry %d of %d does not fit the short directory", len(d.entries), count)
		}
		size := int(rest[0])
		e := dirEntry{name: string(rest[3:][:size])}
		rest = rest[3+size:]
		if f.sb.ftype() {
			e.ftype = rest[0]
			rest = rest[1:]
		}
		e.ino = ino(rest)
		rest = rest[width:]
		d.entries = append(d.entries, e)
	}
	return d, nil
}
