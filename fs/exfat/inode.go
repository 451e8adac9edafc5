package exfat

import (
	"encoding/binary"
	"io"
	"io/fs"
	"sort"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/dirlist"
	"github.com/guestkit/guestkit/internal/onetree"
	"github.com/guestkit/guestkit/internal/runs"
)

const (
	entryLen   = 32
	maxDepth   = 1024
	maxEntries = 1 << 18 // of one directory; all of them are in memory
	inodeCost  = 400

	attrReadOnly  = 1
	attrDirectory = 16
)

// inode implements vfs.Inode.
type inode struct {
	v          *volume
	parent     *inode
	depth      int
	off        int64 // of its entry set in the directory's content
	name       string
	first      uint32
	contiguous bool
	valid      int64 // bytes that were written
	runs       []run // of the root
	stat       vfs.Stat
}

func newRoot(v *volume, runs []run) *inode {
	n := &inode{v: v, first: v.boot.rootCluster, runs: runs}
	last := runs[len(runs)-1]
	size := (last.index + last.n) * v.cluster
	n.valid = size
	n.stat = vfs.Stat{Ino: 1, Nlink: 1, Mode: fs.ModeDir | 0o755, Size: size, Allocated: size}
	return n
}

func (n *inode) errorf(class error, detail string, args ...any) error {
	return block.Errorf(format, "directory entry", n.off, class, detail, args...)
}

// Stat implements vfs.Inode.
func (n *inode) Stat() *vfs.Stat { return &n.stat }

// ReadLink implements vfs.Inode.
func (n *inode) ReadLink() (string, error) { return "", fs.ErrInvalid }

// Xattrs implements vfs.Inode.
func (n *inode) Xattrs() ([]vfs.Xattr, error) { return nil, nil }

// Content implements vfs.Inode.
func (n *inode) Content() (block.Device, error) {
	c, err := n.content()
	if err != nil {
		return nil, err
	}
	if len(c.runs) > 0 && !n.stat.Mode.IsDir() {
		if _, ok := n.v.files.Other(n.first, n.stat.Ino); ok {
			n.v.problems.Add(n.errorf(block.ErrCorrupt, "it begins at cluster %d, as another file does: they are cross-linked, and the content is that of one of them at most", n.first))
		}
	}
	return c, nil
}

func (n *inode) content() (*content, error) {
	c := &content{n: n, size: n.stat.Size, runs: n.runs}
	want := (c.size + n.v.cluster - 1) / n.v.cluster
	switch {
	case n.runs != nil || want == 0:
	case want > int64(n.v.boot.clusters):
		return nil, n.errorf(block.ErrCorrupt, "%d clusters of %d", want, n.v.boot.clusters)
	case n.contiguous:
		if !n.v.valid(n.first) || want > int64(n.v.boot.clusters)-int64(n.first-2) {
			return nil, n.errorf(block.ErrCorrupt, "%d clusters from cluster %d of %d on", want, n.first, n.v.boot.clusters)
		}
		c.runs = []run{{0, n.first, want}}
	default:
		var err error
		if c.runs, err = n.v.chain("file", n.first, want); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// content is the bytes of a stream.
type content struct {
	n      *inode
	size   int64
	runs   []run
	reader runs.Reader
}

func (c *content) Size() int64 { return c.size }

// Place implements [runs.Layout]. What was not written reads as zeros.
func (c *content) Place(off int64) (at, n int64, err error) {
	if off >= c.n.valid {
		return -1, c.size - off, nil
	}
	v := c.n.v
	i := off / v.cluster
	k := sort.Search(len(c.runs), func(k int) bool { return c.runs[k].index > i }) - 1
	r := c.runs[k]
	in := off - r.index*v.cluster
	return v.offset(r.cluster) + in, min(r.n*v.cluster-in, c.n.valid-off, c.size-off), nil
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	q, end := block.Clip(p, off, c.size)
	n, err := c.reader.Read(c.n.v.dev, c, q, off)
	if err != nil {
		return n, err
	}
	return n, end
}

// Locate implements [runs.Layout].
func (c *content) Locate(at int64, err error) error {
	return block.Locate(format, "cluster", at, err)
}

func (c *content) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= c.size {
		return block.Extent{}, io.EOF
	}
	pos, n, err := c.Place(off)
	if err != nil {
		return block.Extent{}, err
	}
	if pos < 0 {
		return block.Extent{Off: off, Len: n, Zero: true}, nil
	}
	if pos >= c.n.v.dev.Size() {
		return block.Extent{}, block.Errorf(format, "cluster", pos, block.ErrTruncated, "")
	}
	e, err := c.n.v.dev.Extent(pos)
	e.Off, e.Len = off, min(e.Len, n)
	return e, err
}

// eachEntry calls fn for the entries of a directory that are in use.
func (n *inode) eachEntry(fn func(off int64, e []byte) error) error {
	if n.stat.Size > maxDir {
		return n.errorf(block.ErrLimit, "a directory of %d bytes", n.stat.Size)
	}
	d, err := n.content()
	if err != nil {
		return err
	}
	buf := make([]byte, min(n.v.cluster, 64<<10))
	for at := int64(0); at < n.stat.Size; at += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), n.stat.Size-at)]
		if err := block.ReadFull(d, b, at); err != nil {
			return err
		}
		for i := 0; i+entryLen <= len(b); i += entryLen {
			switch {
			case b[i] == 0:
				return nil
			case b[i]&0x80 == 0:
				continue
			}
			if err := fn(at+int64(i), b[i:i+entryLen]); err != nil {
				return err
			}
		}
	}
	return nil
}

// A listing is what a directory holds, by folded names.
type listing = dirlist.List[*inode]

func (n *inode) listing() (*listing, error) {
	return n.v.listings.Get(n.first, func() (*listing, int64, error) {
		l := dirlist.Read(n.eachSet)
		return l, 1000 + int64(len(l.Entries))*inodeCost, nil
	})
}

// eachSet adds the files of a directory, each of which is a set of entries.
func (n *inode) eachSet(l *listing) error {
	var set []byte
	start := int64(0)
	return n.eachEntry(func(off int64, e []byte) error {
		switch {
		case e[0] == 0x85:
			set, start = append([]byte{}, e...), off
		case e[0] >= 0xC0 && len(set) > 0:
			set = append(set, e...)
		default:
			set = nil
		}
		if len(set) == 0 || len(set) < (int(set[1])+1)*entryLen {
			return nil
		}
		c, folded, err := n.v.decodeSet(set, start)
		set = nil
		if err != nil {
			n.v.problems.Add(err)
			return nil
		}
		if len(l.Entries) >= maxEntries {
			return n.errorf(block.ErrLimit, "more than %d entries", maxEntries)
		}
		c.parent, c.depth = n, n.depth+1
		c.stat.Ino = uint64(n.first)<<32 | uint64(start/entryLen)
		if !l.Add(folded, c) {
			n.v.problems.Add(c.errorf(block.ErrCorrupt, "the name %q comes twice", c.name))
		}
		return nil
	})
}

// decodeSet decodes the entries of a file: itself, its stream, and its name.
func (v *volume) decodeSet(set []byte, off int64) (*inode, string, error) {
	le := binary.LittleEndian
	n := &inode{v: v, off: off}
	sum := uint16(0)
	for i, c := range set {
		if i != 2 && i != 3 {
			sum = sum<<15 | sum>>1
			sum += uint16(c)
		}
	}
	if want := le.Uint16(set[2:]); sum != want {
		return nil, "", n.errorf(block.ErrCorrupt, "checksum %#04x of an entry set, computed %#04x", want, sum)
	}
	if len(set) < 3*entryLen || set[entryLen] != 0xC0 {
		return nil, "", n.errorf(block.ErrCorrupt, "an entry set without a stream")
	}
	s := set[entryLen:]
	count := int(s[3])
	var u []uint16
	for at := 2 * entryLen; at < len(set) && set[at] == 0xC1; at += entryLen {
		for k := 2; k < entryLen && len(u) < count; k += 2 {
			u = append(u, le.Uint16(set[at+k:]))
		}
	}
	if len(u) < count || count == 0 {
		return nil, "", n.errorf(block.ErrCorrupt, "%d of %d characters of a name", len(u), count)
	}
	n.name = decodeName(u)
	n.contiguous = s[1]&2 != 0
	n.first = le.Uint32(s[20:])
	size := le.Uint64(s[24:])
	if size > 1<<62 {
		return nil, "", n.errorf(block.ErrCorrupt, "%d bytes", size)
	}
	n.valid = int64(min(le.Uint64(s[8:]), size))
	attr := le.Uint16(set[4:])
	n.stat = vfs.Stat{Nlink: 1, Mode: 0o755, Size: int64(size), Allocated: (int64(size) + v.cluster - 1) / v.cluster * v.cluster, Native: attr,
		Btime: stamp(le.Uint32(set[8:]), set[20], set[22]), Mtime: stamp(le.Uint32(set[12:]), set[21], set[23]), Atime: stamp(le.Uint32(set[16:]), 0, set[24])}
	if attr&attrReadOnly != 0 {
		n.stat.Mode = 0o555
	}
	if attr&attrDirectory != 0 {
		n.stat.Mode |= fs.ModeDir
		n.valid = n.stat.Size
	}
	return n, v.fold(u), nil
}

// decodeName turns UTF-16 into UTF-8; half a surrogate pair keeps its value.
func decodeName(u []uint16) string {
	var b []byte
	for i := 0; i < len(u); i++ {
		r := rune(u[i])
		if utf16.IsSurrogate(r) {
			if i+1 < len(u) {
				if p := utf16.DecodeRune(r, rune(u[i+1])); p != 0xFFFD {
					b = append(b, string(p)...)
					i++
					continue
				}
			}
			b = append(b, byte(0xE0|r>>12), byte(0x80|r>>6&0x3F), byte(0x80|r&0x3F))
			continue
		}
		b = append(b, string(r)...)
	}
	return string(b)
}

// stamp decodes a time: that of DOS, hundredths, and the distance to UTC in
// quarters of an hour if the high bit says that it is there.
func stamp(v uint32, hundredths, zone byte) time.Time {
	year, month, day := int(v>>25)+1980, time.Month(v>>21&15), int(v>>16&31)
	hour, minute, second := int(v>>11&31), int(v>>5&63), int(v&31)*2
	t := time.Date(year, month, day, hour, minute, second, 0, time.UTC)
	if month < 1 || month > 12 || t.Day() != day || hour > 23 || minute > 59 || second > 59 || hundredths > 199 {
		return time.Time{}
	}
	t = t.Add(time.Duration(hundredths) * 10 * time.Millisecond)
	if zone&0x80 != 0 {
		t = t.Add(-time.Duration(int8(zone<<1)>>1) * 15 * time.Minute)
	}
	return t
}

// ReadDir implements vfs.Inode.
func (n *inode) ReadDir() ([]vfs.Entry, error) {
	l, err := n.listing()
	if err != nil {
		return nil, err
	}
	return l.ReadDir(func(c *inode) vfs.Entry {
		return vfs.Entry{Name: c.name, Type: c.stat.Mode.Type(), HasType: true, Ino: c.stat.Ino}
	})
}

// Lookup implements vfs.Inode. The name is found in any case.
func (n *inode) Lookup(name string) (vfs.Inode, error) {
	l, err := n.listing()
	if err != nil {
		return nil, err
	}
	return l.Lookup(n.v.fold(encodeName(name)), n.child)
}

// encodeName undoes decodeName.
func encodeName(s string) []uint16 {
	var u []uint16
	for i := 0; i < len(s); {
		if i+2 < len(s) && s[i] == 0xED && s[i+1] >= 0xA0 {
			u = append(u, uint16(s[i]&15)<<12|uint16(s[i+1]&0x3F)<<6|uint16(s[i+2]&0x3F))
			i += 3
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		u = utf16.AppendRune(u, r)
		i += n
	}
	return u
}

// Child implements vfs.Inode.
func (n *inode) Child(e vfs.Entry) (vfs.Inode, error) {
	l, err := n.listing()
	if err != nil {
		return nil, err
	}
	return l.Child(e, n.child)
}

func (n *inode) child(c *inode) (vfs.Inode, error) {
	if !c.stat.Mode.IsDir() || c.stat.Size == 0 {
		return c, nil
	}
	for a := n; a != nil; a = a.parent {
		if a.first == c.first {
			return nil, c.errorf(block.ErrLoop, "the directory contains itself")
		}
	}
	if c.depth > maxDepth {
		return nil, c.errorf(block.ErrLimit, "more than %d directories deep", maxDepth)
	}
	if !n.v.dirs.Claim(uint64(c.first), onetree.Place{Parent: uint64(n.first), Entry: uint64(c.off)}) {
		return nil, c.errorf(block.ErrCorrupt, "the directory has two names")
	}
	return c, nil
}
