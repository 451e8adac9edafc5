package erofs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/onetree"
)

const (
	direntLen  = 12
	maxName    = 255
	maxEntries = 2 << 20 // of one directory; what they take is memory
)

// dirBlock is one block of a directory: entries of 12 bytes, and the names
// behind them.
type dirBlock struct {
	n     *inode
	b     []byte
	count int
}

// dirBlock decodes the block i.
func (n *inode) dirBlock(d block.Device, i int64, buf []byte) (*dirBlock, error) {
	bs := n.f.sb.blockSize()
	b := buf[:min(bs, n.stat.Size-i*bs)]
	if err := block.ReadFull(d, b, i*bs); err != nil {
		return nil, err
	}
	if len(b) < direntLen {
		return nil, n.corrupt("a directory block of %d bytes", len(b))
	}
	first := int(binary.LittleEndian.Uint16(b[8:]))
	if first < direntLen || first%direntLen != 0 || first > len(b) {
		return nil, n.corrupt("the names of directory block %d start at %d", i, first)
	}
	return &dirBlock{n, b, first / direntLen}, nil
}

// entry returns one entry.
func (d *dirBlock) entry(i int) (nid uint64, typ byte, name []byte, err error) {
	le := binary.LittleEndian
	e := d.b[i*direntLen:]
	from, to := int(le.Uint16(e[8:])), len(d.b)
	if i+1 < d.count {
		to = int(le.Uint16(e[direntLen+8:]))
	}
	if from < d.count*direntLen || from >= to || to > len(d.b) {
		return 0, 0, nil, d.n.corrupt("a name from byte %d to %d of a directory block", from, to)
	}
	name = d.b[from:to]
	if i+1 == d.count { // zeros fill the block
		name, _, _ = bytes.Cut(name, []byte{0})
	}
	if len(name) == 0 || len(name) > maxName {
		return 0, 0, nil, d.n.corrupt("a name of %d bytes", len(name))
	}
	return le.Uint64(e), e[10], name, nil
}

// ReadDir implements vfs.Inode.
func (n *inode) ReadDir() ([]vfs.Entry, error) {
	d, err := n.Content()
	if err != nil {
		return nil, err
	}
	bs := n.f.sb.blockSize()
	buf := make([]byte, bs)
	var out []vfs.Entry
	for i := int64(0); i*bs < n.stat.Size && err == nil; i++ {
		var b *dirBlock
		if b, err = n.dirBlock(d, i, buf); err != nil {
			break
		}
		for k := range b.count {
			nid, typ, name, e := b.entry(k)
			if e != nil {
				err = e
				break
			}
			if string(name) == "." || string(name) == ".." {
				continue
			}
			x := vfs.Entry{Name: string(name), Ino: nid, Aux: nid}
			x.SetType(typ)
			out = append(out, x)
		}
		if len(out) > maxEntries {
			err = n.fault(block.ErrLimit, "more than %d entries", maxEntries)
		}
	}
	out, sorted, unique := onetree.Unique(out)
	if !sorted {
		n.f.problems.Add(n.corrupt("its names are not in order"))
	}
	if !unique {
		err = errors.Join(err, n.corrupt("it has names that come twice"))
	}
	return out, err
}

// Child implements vfs.Inode.
func (n *inode) Child(e vfs.Entry) (vfs.Inode, error) {
	c, err := n.child(e.Aux, e.Name)
	if err != nil {
		return nil, err
	}
	if e.HasType && c.stat.Mode.Type() != e.Type {
		return nil, c.corrupt("it is of another type than its directory says")
	}
	return c, nil
}

func (n *inode) child(nid uint64, name string) (*inode, error) {
	c, err := n.f.inode(nid)
	if err != nil || !c.stat.Mode.IsDir() {
		return c, err
	}
	c.parent, c.depth = n, n.depth+1
	for a := n; a != nil; a = a.parent {
		if a.nid == nid {
			return nil, c.fault(block.ErrLoop, "the directory contains itself")
		}
	}
	if c.depth > maxDepth {
		return nil, c.fault(block.ErrLimit, "more than %d directories deep", maxDepth)
	}
	if !n.f.dirs.Claim(nid, onetree.Place{Parent: n.nid, Entry: onetree.Name(name)}) {
		return nil, c.corrupt("the directory has two names")
	}
	return c, nil
}

// Lookup implements vfs.Inode: a binary search of the blocks, and of the one
// that can have the name.
func (n *inode) Lookup(name string) (vfs.Inode, error) {
	d, err := n.Content()
	if err != nil {
		return nil, err
	}
	if name == "." || name == ".." {
		return nil, fs.ErrNotExist // an entry of that name is none
	}
	bs := n.f.sb.blockSize()
	buf := make([]byte, bs)
	at := int64(-1)
	for lo, hi := int64(0), (n.stat.Size+bs-1)/bs; lo < hi; {
		mid := lo + (hi-lo)/2
		b, err := n.dirBlock(d, mid, buf)
		if err != nil {
			return nil, err
		}
		_, _, first, err := b.entry(0)
		if err != nil {
			return nil, err
		}
		if string(first) <= name {
			lo, at = mid+1, mid
		} else {
			hi = mid
		}
	}
	if at < 0 {
		return nil, fs.ErrNotExist
	}
	b, err := n.dirBlock(d, at, buf)
	if err != nil {
		return nil, err
	}
	for lo, hi := 0, b.count; lo < hi; {
		mid := lo + (hi-lo)/2
		nid, _, have, err := b.entry(mid)
		switch {
		case err != nil:
			return nil, err
		case string(have) == name:
			c, err := n.child(nid, name)
			if err != nil {
				return nil, err
			}
			return c, nil
		case string(have) < name:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return nil, fs.ErrNotExist
}
