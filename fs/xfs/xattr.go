package xfs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// Flags of an attribute.
const (
	attrLocal      = 0x01 // the value lies beside the name
	attrRoot       = 0x02 // "trusted."
	attrSecure     = 0x04 // "security."
	attrParent     = 0x08 // a parent pointer, not an attribute of users
	attrIncomplete = 0x80 // its value is being written
)

const (
	maxAttrValue = 64 << 10
	// maxAttrBytes bounds what one inode's attributes may take together. The
	// kernel lists names of 64 KiB at most.
	maxAttrBytes = 16 << 20
)

// attrList collects the attributes of one inode.
type attrList struct {
	out   []vfs.Xattr
	bytes int
}

// visible reports whether users see an attribute with these flags.
func visible(flags uint8) bool { return flags&(attrParent|attrIncomplete) == 0 }

func (l *attrList) add(n *inode, flags uint8, name string, value []byte) error {
	prefix := "user."
	switch {
	case flags&attrSecure != 0:
		prefix = "security."
	case flags&attrRoot != 0:
		prefix = "trusted."
	}
	if l.bytes += len(name) + len(value) + 64; l.bytes > maxAttrBytes {
		return block.Errorf(format, inodeName(n.ino), n.off, block.ErrLimit, "more than %d bytes of attributes", maxAttrBytes)
	}
	l.out = append(l.out, vfs.Xattr{Name: prefix + name, Value: value})
	if flags&attrRoot != 0 && aclNames[name] != "" {
		acl, err := decodeACL(value)
		if err != nil {
			return n.corrupt("attribute %s: %s", name, err)
		}
		l.out = append(l.out, vfs.Xattr{Name: aclNames[name], Value: acl})
	}
	return nil
}

// xattrs lists the attributes of an inode as the kernel shows them to root.
func (f *filesystem) xattrs(n *inode) ([]vfs.Xattr, error) {
	var l attrList
	var err error
	switch {
	case n.core.forkoff == 0:
		return nil, nil
	case n.attr.format == forkLocal:
		err = l.short(n)
	case n.attr.format == forkExtents && n.attr.nextents == 0:
		return nil, nil
	case n.attr.format == forkExtents || n.attr.format == forkBtree:
		err = f.attrLeaves(n, &l)
	default:
		err = n.corrupt("attribute fork in format %d", n.attr.format)
	}
	return l.out, err
}

// short reads attributes that lie in the inode: size of all, count, then for
// each the lengths of name and value, flags, name and value.
func (l *attrList) short(n *inode) error {
	b := n.attr.b
	if len(b) < 4 {
		return n.corrupt("attributes in %d bytes", len(b))
	}
	size, count := int(binary.BigEndian.Uint16(b)), int(b[2])
	if size < 4 || size > len(b) {
		return n.corrupt("attributes of %d bytes in %d", size, len(b))
	}
	rest := b[4:size]
	for range count {
		if len(rest) < 3 || len(rest)-3 < int(rest[0])+int(rest[1]) || rest[0] == 0 {
			return n.corrupt("an attribute does not fit the %d bytes of all", size)
		}
		nameLen, valueLen, flags := int(rest[0]), int(rest[1]), rest[2]
		name, value := rest[3:][:nameLen], rest[3+nameLen:][:valueLen]
		rest = rest[3+nameLen+valueLen:]
		if !visible(flags) {
			continue
		}
		if err := l.add(n, flags, string(name), append([]byte{}, value...)); err != nil {
			return err
		}
	}
	return nil
}

// attrLeaves reads attributes from all leaves of the fork's hash index.
func (f *filesystem) attrLeaves(n *inode, l *attrList) error {
	d, err := f.daFirst(&n.attr, 0)
	if err != nil || d == nil {
		return err
	}
	for budget := n.core.nblocks; ; budget-- {
		if err := f.attrLeaf(n, d, l); err != nil || d.forw == 0 {
			return err
		}
		if budget == 0 {
			return d.corrupt("the chain of leaves does not end")
		}
		if d, err = f.daBlock(&n.attr, uint64(d.forw)); err != nil {
			return err
		}
		if d.node() {
			return d.corrupt("a node among the leaves")
		}
	}
}

// attrLeaf reads one leaf: a header, entries (hash, offset of the name, flags),
// and names with values, or with where the value lies, from the end down.
func (f *filesystem) attrLeaf(n *inode, d *daBlock, l *attrList) error {
	header := 32
	if f.sb.v5() {
		header = 80
	}
	if room := (len(d.b) - header) / leafEntrySize; int(d.count) > room {
		return d.corrupt("%d attributes in room for %d", d.count, room)
	}
	for i := range int(d.count) {
		e := d.b[header+i*leafEntrySize:]
		at, flags := int(binary.BigEndian.Uint16(e[4:])), e[6]
		if !visible(flags) {
			continue
		}
		if at < header+int(d.count)*leafEntrySize || at > len(d.b)-4 {
			return d.corrupt("the name of attribute %d lies at %d", i, at)
		}
		b := d.b[at:]
		var name string
		var value []byte
		if flags&attrLocal != 0 {
			size, nameLen := int(binary.BigEndian.Uint16(b)), int(b[2])
			if nameLen == 0 || nameLen+size > len(b)-3 {
				return d.corrupt("attribute %d does not fit", i)
			}
			name = string(b[3:][:nameLen])
			value = append([]byte{}, b[3+nameLen:][:size]...)
		} else {
			if len(b) < 10 {
				return d.corrupt("attribute %d does not fit", i)
			}
			blk, size, nameLen := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), int(b[8])
			if nameLen == 0 || nameLen > len(b)-9 || size > maxAttrValue {
				return d.corrupt("attribute %d does not fit, its value has %d bytes", i, size)
			}
			name = string(b[9:][:nameLen])
			var err error
			if value, err = f.attrRemote(n, uint64(blk), int(size)); err != nil {
				return err
			}
		}
		if err := l.add(n, flags, name, value); err != nil {
			return err
		}
	}
	return nil
}

const (
	attrRemoteMagic  = 0x5841524d // "XARM", version 5 only
	attrRemoteHeader = 56
)

// attrRemote reads a value that has blocks of its own. In version 5 each begins
// with a header: magic, offset in the value, bytes, and what all blocks say.
func (f *filesystem) attrRemote(n *inode, blk uint64, size int) ([]byte, error) {
	value := make([]byte, 0, size)
	for ; len(value) < size; blk++ {
		b, off, err := f.forkBlock(&n.attr, kindAttrRemote, blk, int(f.sb.blocksize))
		if err != nil {
			return nil, err
		}
		if f.sb.v5() {
			bad := func(detail string, args ...any) error {
				return block.Errorf(format, "remote attribute block", off, block.ErrCorrupt, detail, args...)
			}
			if magic := binary.BigEndian.Uint32(b); magic != attrRemoteMagic {
				return nil, bad("magic is %#x", magic)
			}
			if err := f.verify(kindAttrRemote, b, off, n.ino); err != nil {
				return nil, err
			}
			at, count := binary.BigEndian.Uint32(b[4:]), int(binary.BigEndian.Uint32(b[8:]))
			b = b[attrRemoteHeader:]
			if int(at) != len(value) || count != min(len(b), size-len(value)) {
				return nil, bad("it holds %d bytes at %d where %d are due", count, at, len(value))
			}
		}
		value = append(value, b[:min(len(b), size-len(value))]...)
	}
	return value, nil
}
