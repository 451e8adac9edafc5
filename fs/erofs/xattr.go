package erofs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

const (
	xattrHeaderLen = 12
	xattrEntryLen  = 4
	xattrLong      = 0x80 // in e_name_index: the prefix is one of the filesystem's own
	maxXattrTotal  = 4 << 20
)

// xattrPrefixes are the namespaces that the kernel lists.
var xattrPrefixes = map[byte]string{1: "user.", 2: "system.posix_acl_access", 3: "system.posix_acl_default", 4: "trusted.", 6: "security."}

// readPrefixes reads the long prefixes of names. One whose namespace is not
// known becomes "".
func (f *filesystem) readPrefixes() error {
	s := f.sb
	if !s.has(incompatPrefixes) || s.prefixCount == 0 {
		return nil
	}
	r := f.main.r
	if s.featureCompat&compatPlainPrefixes == 0 {
		var err error
		switch {
		case s.has(incompatMetabox) && s.metaboxNid != 0:
			var box *area
			if box, err = f.box(); err == nil {
				r = box.r
			}
		case s.has(incompatFragments) && s.packedNid != 0:
			r, err = f.packed()
		}
		if err != nil {
			return err
		}
	}
	const what = "attribute prefixes"
	off := int64(s.prefixStart) << 2
	for range s.prefixCount {
		var h [2]byte
		if err := block.ReadFull(r, h[:], off); err != nil {
			return block.Locate(format, what, off, err)
		}
		n := int64(binary.LittleEndian.Uint16(h[:]))
		if n < 1 || n > 256 {
			return block.Errorf(format, what, off, block.ErrCorrupt, "one of %d bytes", n)
		}
		b, err := block.ReadBytes(r, off+2, n, 256)
		if err != nil {
			return block.Locate(format, what, off, err)
		}
		p, ok := xattrPrefixes[b[0]]
		if ok {
			p += string(b[1:])
		}
		f.prefixes = append(f.prefixes, p)
		off = (off + 2 + n + 3) &^ 3
	}
	return nil
}

// Xattrs implements vfs.Inode.
func (n *inode) Xattrs() ([]vfs.Xattr, error) {
	if n.xlen == 0 {
		return nil, nil
	}
	b, err := n.a.view("attributes", n.off+n.len, int(n.xlen))
	if err != nil {
		return nil, err
	}
	shared := int(b[4])
	at := xattrHeaderLen + 4*shared
	if at > len(b) {
		return nil, n.corrupt("%d shared attributes in %d bytes", shared, len(b))
	}
	var out []vfs.Xattr
	total := 0
	add := func(x vfs.Xattr, ok bool, err error) error {
		if err != nil {
			return err
		}
		if total += len(x.Name) + len(x.Value); total > maxXattrTotal {
			return n.fault(block.ErrLimit, "more than %d bytes of attributes", maxXattrTotal)
		}
		if ok {
			out = append(out, x)
		}
		return nil
	}
	for at+xattrEntryLen <= len(b) {
		size := entrySize(b[at:])
		if at+size > len(b) {
			return out, n.corrupt("an attribute leaves its %d bytes", len(b))
		}
		x, ok, err := n.xattr(b[at : at+size])
		if err := add(x, ok, err); err != nil {
			return out, err
		}
		at += (size + 3) &^ 3
	}
	for i := range shared {
		x, ok, err := n.sharedXattr(binary.LittleEndian.Uint32(b[xattrHeaderLen+4*i:]))
		if err := add(x, ok, err); err != nil {
			return out, err
		}
	}
	return out, nil
}

// entrySize is the size of an entry with its name and value.
func entrySize(e []byte) int {
	return xattrEntryLen + int(e[0]) + int(binary.LittleEndian.Uint16(e[2:]))
}

// sharedXattr reads an attribute that several inodes have.
func (n *inode) sharedXattr(id uint32) (vfs.Xattr, bool, error) {
	a := n.f.main
	off := int64(n.f.sb.xattrBlock)<<n.f.sb.blockBits + 4*int64(id)
	if n.f.sb.featureCompat&compatSharedInBox != 0 {
		var err error
		if a, err = n.f.box(); err != nil {
			return vfs.Xattr{}, false, err
		}
	}
	h, err := a.view("shared attribute", off, xattrEntryLen)
	if err != nil {
		return vfs.Xattr{}, false, err
	}
	b, err := a.view("shared attribute", off, entrySize(h))
	if err != nil {
		return vfs.Xattr{}, false, err
	}
	return n.xattr(b)
}

// xattr decodes one entry. It is not ok where the kernel does not list it.
func (n *inode) xattr(b []byte) (x vfs.Xattr, ok bool, err error) {
	prefix, ok := xattrPrefixes[b[1]]
	if b[1]&xattrLong != 0 {
		i := int(b[1] &^ xattrLong)
		if i >= len(n.f.prefixes) {
			return x, false, n.corrupt("attribute prefix %d of %d", i, len(n.f.prefixes))
		}
		prefix = n.f.prefixes[i]
		ok = prefix != ""
	}
	name := b[xattrEntryLen:][:b[0]]
	return vfs.Xattr{Name: prefix + string(name), Value: append([]byte{}, b[xattrEntryLen+len(name):]...)}, ok, nil
}
