package ntfs

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// ReadDir implements vfs.Inode. DOS names that stand beside a long one and the
// system files in the root are left out; Lookup finds them.
func (n *inode) ReadDir() ([]vfs.Entry, error) {
	x, err := n.openIndex(indexName, collationFileName)
	if err != nil {
		return nil, err
	}
	var out []vfs.Entry
	var bad error
	err = x.all(func(e *indexEntry) {
		var f fileName
		if !f.decode(e.key) {
			bad = n.corrupt("a directory entry is cut off")
			return
		}
		if f.namespace == namespaceDOS || e.ref.num() < firstUser {
			return
		}
		ent := vfs.Entry{Name: decodeName(f.name), Ino: e.ref.num(), Aux: uint64(e.ref.seq())}
		switch {
		case f.attributes&AttrReparsePoint != 0: // the tag decides
		case f.attributes&attrDirectory != 0:
			ent.Type, ent.HasType = fs.ModeDir, true
		case f.attributes&AttrSystem == 0: // else it may be a special file
			ent.HasType = true
		}
		out = append(out, ent)
	})
	if err == nil {
		err = bad
	}
	return out, err
}

// Child implements vfs.Inode.
func (n *inode) Child(e vfs.Entry) (vfs.Inode, error) {
	return n.enter(ref(e.Aux<<48 | e.Ino))
}

// enter follows an entry of the directory and checks that the file agrees.
func (n *inode) enter(r ref) (*inode, error) {
	c, err := n.v.follow(r)
	if err != nil {
		return nil, err
	}
	return c, c.childOf(n)
}

// Lookup implements vfs.Inode: a name, or one with a stream ("file:stream",
// "file:stream:$DATA", ":stream" for the directory's own). A file whose name
// has a colon, which other systems than Windows can make, comes first.
func (n *inode) Lookup(name string) (vfs.Inode, error) {
	c, err := n.child(name)
	if err == nil {
		return c, nil
	}
	file, stream, ok := strings.Cut(name, ":")
	if !ok {
		return nil, err
	}
	owner := n
	if file != "" {
		owner, err = n.child(file)
		if err != nil {
			return nil, err
		}
	}
	return owner.lookupStream(stream)
}

// child finds a file by its long or DOS name, in the case given if there are
// several that differ only in it.
func (n *inode) child(name string) (*inode, error) {
	want, ok := encodeName(name)
	if !ok || len(want) == 0 || len(want) > 255 {
		return nil, fs.ErrNotExist
	}
	x, err := n.openIndex(indexName, collationFileName)
	if err != nil {
		return nil, err
	}
	folded := append([]uint16(nil), want...)
	n.v.upcase.fold(folded)
	var found ref
	some := false
	err = x.find(func(key []byte) int {
		var f fileName
		f.decode(key) // one that is cut off has no name and sorts first
		return n.v.upcase.compare(folded, f.name)
	}, func(e *indexEntry) bool {
		var f fileName
		f.decode(e.key)
		exact := equalUnits(want, f.name)
		if exact || !some {
			found, some = e.ref, true
		}
		return !exact
	})
	if err != nil {
		return nil, err
	}
	if !some {
		return nil, fs.ErrNotExist
	}
	c, err := n.enter(found)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Xattrs implements vfs.Inode: the named streams of up to 64 KiB, as ntfs-3g
// shows them. Longer ones are found by Lookup, all by Native.Streams.
func (n *inode) Xattrs() ([]vfs.Xattr, error) {
	streams, err := n.streams()
	if err != nil {
		return nil, err
	}
	const max = 64 << 10
	var out []vfs.Xattr
	for _, a := range streams {
		if a.size > max {
			continue
		}
		d, err := n.open(a.attribute)
		if err != nil {
			return out, err
		}
		b, err := block.ReadBytes(d, 0, d.Size(), max)
		if err != nil {
			return out, block.Locate("ntfs", fmt.Sprintf("%s, stream %q", recordName(n.rec.num), decodeName(a.name)), n.v.recordOffset(n.rec.num), err)
		}
		out = append(out, vfs.Xattr{Name: "user." + decodeName(a.name), Value: b})
	}
	return out, nil
}
