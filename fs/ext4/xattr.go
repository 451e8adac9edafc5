package ext4

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

const (
	xattrMagic      = 0xEA020000
	xattrHeaderSize = 32 // of a block; that in an inode is the magic alone
	xattrEntrySize  = 16

	// maxXattrValue bounds a value that has an inode of its own, and maxXattrTotal
	// what all values of one inode may come to. Linux sets none of more than 64 KiB,
	// Lustre none of more than a MiB; the format has room for 16 MiB, of which many
	// inodes may share one.
	maxXattrValue = 1 << 20
	maxXattrTotal = 1 << 24
)

// Values of e_name_index.
const (
	xattrACLAccess  = 2
	xattrACLDefault = 3
	xattrSystem     = 7
)

// xattrPrefixes are the namespaces that the kernel lists.
var xattrPrefixes = map[uint8]string{1: "user.", xattrACLAccess: "system.posix_acl_access", xattrACLDefault: "system.posix_acl_default",
	4: "trusted.", 6: "security.", 10: "gnu."}

// xattrEntry is struct ext4_xattr_entry.
type xattrEntry struct {
	index     uint8  // 0x1
	valueOffs uint16 // 0x2
	valueInum uint32 // 0x4
	valueSize uint32 // 0x8
	name      string // 0x10
}

// xattrs are the attributes in one place: an inode or a block.
type xattrs struct {
	n       *inode
	what    string
	off     int64  // of area, in bytes on the disk
	area    []byte // what e_value_offs counts in
	entries []xattrEntry
}

func (x *xattrs) corrupt(at int, detail string, args ...any) error {
	return block.Errorf("ext4", x.what, x.off+int64(at), block.ErrCorrupt, "inode %d: "+detail, append([]any{x.n.ino}, args...)...)
}

// decode reads the entries from at on, up to four zero bytes.
func (x *xattrs) decode(at int) error {
	le := binary.LittleEndian
	for len(x.area)-at >= 4 && le.Uint32(x.area[at:]) != 0 {
		if len(x.area)-at < xattrEntrySize {
			return x.corrupt(at, "an entry leaves its area")
		}
		b := x.area[at:]
		nameLen := int(b[0])
		if nameLen > len(b)-xattrEntrySize {
			return x.corrupt(at, "a name of %d bytes leaves its area", nameLen)
		}
		x.entries = append(x.entries, xattrEntry{index: b[1], valueOffs: le.Uint16(b[2:]), valueInum: le.Uint32(b[4:]),
			valueSize: le.Uint32(b[8:]), name: string(b[xattrEntrySize : xattrEntrySize+nameLen])})
		at += (xattrEntrySize + nameLen + 3) &^ 3
	}
	return nil
}

// value returns the value of an entry. Where it lies in the area it is shared.
func (x *xattrs) value(e xattrEntry) ([]byte, error) {
	if e.valueInum != 0 {
		return x.n.fs.eaInode(x, e)
	}
	if e.valueSize == 0 {
		return nil, nil
	}
	if uint64(e.valueOffs)+uint64(e.valueSize) > uint64(len(x.area)) {
		return nil, x.corrupt(0, "the value of %q, %d bytes at %d, leaves its area", e.name, e.valueSize, e.valueOffs)
	}
	return x.area[e.valueOffs:][:e.valueSize:e.valueSize], nil
}

// eaInode returns a value that has an inode of its own.
func (f *filesystem) eaInode(x *xattrs, e xattrEntry) ([]byte, error) {
	switch {
	case f.sb.featureIncompat&incompatEAInode == 0:
		return nil, x.corrupt(0, "the value of %q lies in inode %d, without the feature ea_inode", e.name, e.valueInum)
	case e.valueSize > maxXattrValue:
		return nil, block.Errorf("ext4", x.what, x.off, block.ErrLimit, "the value of %q has %d bytes", e.name, e.valueSize)
	case e.valueInum < f.sb.firstIno:
		return nil, x.corrupt(0, "the value of %q lies in the reserved inode %d", e.name, e.valueInum)
	}
	n, err := f.inode(e.valueInum)
	if err != nil {
		return nil, err
	}
	if n.flags&flagEAInode == 0 || n.flags&flagEncrypt != 0 || !n.stat.Mode.IsRegular() {
		return nil, n.corrupt("it is to hold an attribute of inode %d, and is no such inode", x.n.ino)
	}
	if n.stat.Size != int64(e.valueSize) {
		return nil, n.corrupt("it holds %d bytes, not the %d of attribute %q", n.stat.Size, e.valueSize, e.name)
	}
	d, err := n.content()
	if err != nil {
		return nil, err
	}
	b, err := block.ReadBytes(d, 0, d.Size(), maxXattrValue)
	if err != nil {
		return nil, err
	}
	// The hash of the value takes the place of the time of access.
	if sum, want := crc32c(f.sb.csumSeed, b), uint32(n.stat.Atime.Unix()); sum != want && !n.lustre(x.n) {
		f.problems.Add(n.corrupt("hash %#08x of the attribute in it, computed %#08x", want, sum))
	}
	return b, nil
}

// lustre reports whether n, an attribute's inode, was made by Lustre for the
// inode owner: it then keeps no hash, but tells whose it is.
func (n *inode) lustre(owner *inode) bool {
	return uint32(n.stat.Mtime.Unix()) == owner.ino && n.native.Generation == owner.native.Generation
}

// inodeXattrs reads the attributes in the inode itself.
func (n *inode) inodeXattrs() (*xattrs, error) {
	x := &xattrs{n: n, what: "attributes in an inode"}
	start := oldInodeSize + int(n.extra)
	if n.extra == 0 || start+4 > int(n.fs.sb.inodeSize) {
		return x, nil
	}
	raw, off, err := n.fs.rawInode(n.ino)
	if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(raw[start:]) != xattrMagic {
		return x, nil
	}
	x.off, x.area = off+int64(start)+4, raw[start+4:]
	return x, x.decode(0)
}

// blockXattrs reads the attributes in the block that i_file_acl names.
func (n *inode) blockXattrs() (*xattrs, error) {
	x := &xattrs{n: n, what: "attribute block"}
	if n.fileACL == 0 {
		return x, nil
	}
	if !n.fs.data(n.fileACL, 1) {
		return nil, n.corrupt("attribute block %d", n.fileACL)
	}
	b, err := n.fs.readBlock(n.fileACL, 0, kindXattr, func(b []byte) error {
		le := binary.LittleEndian
		if le.Uint32(b) != xattrMagic || le.Uint32(b[8:]) != 1 {
			return n.fs.corrupt("attribute block", n.fileACL, "magic %#08x, %d blocks", le.Uint32(b), le.Uint32(b[8:]))
		}
		if n.fs.sb.has(roMetadataCsum) {
			var nr [8]byte
			le.PutUint64(nr[:], n.fileACL)
			if sum, want := crc32cHole(crc32c(n.fs.sb.csumSeed, nr[:]), b, 0x10, 4), le.Uint32(b[0x10:]); sum != want {
				n.fs.problems.Add(n.fs.corrupt("attribute block", n.fileACL, "checksum %#08x, computed %#08x", want, sum))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	x.off, x.area = n.fs.blockOff(n.fileACL), b
	return x, x.decode(xattrHeaderSize)
}

// Xattrs implements vfs.Inode. It lists what the kernel lists to root.
func (n *inode) Xattrs() ([]vfs.Xattr, error) {
	var out []vfs.Xattr
	var first error
	budget := int64(maxXattrTotal)
	fail := func(err error) {
		if first == nil {
			first = err
		}
	}
	for _, read := range []func() (*xattrs, error){n.inodeXattrs, n.blockXattrs} {
		x, err := read()
		if err != nil {
			fail(err)
		}
		if x == nil {
			continue
		}
		for _, e := range x.entries {
			prefix, ok := xattrPrefixes[e.index]
			if !ok {
				continue // system.data, the encryption context, Lustre's
			}
			if e.valueInum != 0 || int64(e.valueSize) <= int64(len(x.area)) {
				budget -= int64(e.valueSize)
			}
			if budget < 0 {
				return out, n.fault(block.ErrLimit, "more than %d bytes of attributes", maxXattrTotal)
			}
			v, err := x.value(e)
			if err == nil && (e.index == xattrACLAccess || e.index == xattrACLDefault) {
				v, err = n.decodeACL(v)
			} else if e.valueInum == 0 {
				v = append([]byte{}, v...)
			}
			if err != nil {
				fail(err)
				continue
			}
			out = append(out, vfs.Xattr{Name: prefix + e.name, Value: v})
		}
	}
	return out, first
}
