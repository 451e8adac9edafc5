package squashfs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

const (
	xattrIDLen    = 16
	xattrOutside  = 0x100 // in the type: the value is elsewhere
	maxXattrValue = 64 << 10
	maxXattrTotal = 4 << 20
)

var xattrPrefixes = [...]string{"user.", "trusted.", "security."}

// xattrTable is struct squashfs_xattr_id_table with its own place.
type xattrTable struct {
	index uint64 // of the offsets of its metadata blocks
	start uint64 // 0x00: what references count from
	ids   uint32 // 0x08
}

func (t *xattrTable) decode(b []byte) {
	t.start = binary.LittleEndian.Uint64(b[0x00:])
	t.ids = binary.LittleEndian.Uint32(b[0x08:])
}

// openXattrs reads where the attributes are. Without them files can still be
// read.
func (f *filesystem) openXattrs() error {
	at := f.sb.xattrTable
	if at == noTable {
		return nil
	}
	b, err := f.raw.View(int64(at), 16)
	if err != nil {
		return block.Locate(format, "xattr table", int64(at), err)
	}
	t := xattrTable{index: at + 16}
	t.decode(b)
	if t.start < superblockLen || t.start > at {
		return block.Errorf(format, "xattr table", int64(at), block.ErrCorrupt, "it starts at %#x", t.start)
	}
	f.xattrs = t
	return nil
}

// xattrAt returns a cursor at what a reference names.
func (f *filesystem) xattrAt(ref uint64) (*cursor, error) {
	if ref>>16 > f.sb.xattrTable-f.xattrs.start {
		return nil, block.Errorf(format, "xattr table", int64(f.xattrs.start), block.ErrCorrupt, "reference %#x leaves it", ref)
	}
	return f.cursorAt(int64(f.xattrs.start+ref>>16), int(ref&0xFFFF))
}

// Xattrs implements vfs.Inode.
func (n *inode) Xattrs() ([]vfs.Xattr, error) {
	if n.xattr == none {
		return nil, nil
	}
	t := &n.f.xattrs
	if n.xattr >= t.ids {
		return nil, n.corrupt("attributes %d of %d", n.xattr, t.ids)
	}
	le := binary.LittleEndian
	c, err := n.f.item(t.index, n.xattr, xattrIDLen)
	if err != nil {
		return nil, err
	}
	b, err := c.view(xattrIDLen)
	if err != nil {
		return nil, err
	}
	ref, count := le.Uint64(b), le.Uint32(b[8:])
	if c, err = n.f.xattrAt(ref); err != nil {
		return nil, err
	}
	var out []vfs.Xattr
	for total := 0; count > 0; count-- {
		x, known, err := n.nextXattr(c)
		if err != nil {
			return out, err
		}
		if total += len(x.Name) + len(x.Value) + 8; total > maxXattrTotal {
			return out, n.fault(block.ErrLimit, "more than %d bytes of attributes", maxXattrTotal)
		}
		if known { // others the kernel does not list
			out = append(out, x)
		}
	}
	return out, nil
}

// nextXattr reads one attribute.
func (n *inode) nextXattr(c *cursor) (x vfs.Xattr, known bool, err error) {
	le := binary.LittleEndian
	b, err := c.view(4)
	if err != nil {
		return x, false, err
	}
	typ, size := le.Uint16(b), int(le.Uint16(b[2:]))
	if size > maxName {
		return x, false, n.corrupt("an attribute's name of %d bytes", size)
	}
	if b, err = c.view(size); err != nil {
		return x, false, err
	}
	if p := int(typ & 0xFF); p < len(xattrPrefixes) {
		x.Name, known = xattrPrefixes[p]+string(b), true
	}
	value, err := n.xattrLen(c)
	if err != nil {
		return x, false, err
	}
	if typ&xattrOutside != 0 {
		if value != 8 {
			return x, false, n.corrupt("a value of %d bytes in the place of a reference", value)
		}
		if b, err = c.view(8); err != nil {
			return x, false, err
		}
		if c, err = n.f.xattrAt(le.Uint64(b)); err != nil {
			return x, false, err
		}
		if value, err = n.xattrLen(c); err != nil {
			return x, false, err
		}
	}
	x.Value = make([]byte, value)
	return x, known, c.read(x.Value)
}

func (n *inode) xattrLen(c *cursor) (int, error) {
	b, err := c.view(4)
	if err != nil {
		return 0, err
	}
	v := binary.LittleEndian.Uint32(b)
	if v > maxXattrValue {
		return 0, n.fault(block.ErrLimit, "an attribute of %d bytes", v)
	}
	return int(v), nil
}
