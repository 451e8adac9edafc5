package ntfs

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// maxDescriptor is the longest security descriptor that is read, in bytes.
const maxDescriptor = 256 << 10

// A descriptor is what is kept of a security descriptor.
type descriptor struct{ owner, group string }

// descriptorOf returns the security descriptor of a file: the one of its id,
// or the file's own attribute.
func (v *volume) descriptorOf(num uint64, id uint32) (*descriptor, error) {
	if id != 0 {
		return v.owners.Get(id, func() (*descriptor, int64, error) {
			d, err := v.sharedDescriptor(id)
			return d, 1, err
		})
	}
	n, err := v.inode(num)
	if err != nil {
		return nil, err
	}
	b, err := n.value(attrSecurityDescriptor, "", maxDescriptor)
	if err != nil || b == nil {
		return &descriptor{}, err
	}
	d, ok := parseDescriptor(b)
	if !ok {
		return nil, n.corrupt("its security descriptor is cut off")
	}
	return d, nil
}

// A securityEntry of $SII says where in $SDS a descriptor lies; the same bytes
// stand before it there.
type securityEntry struct {
	hash   uint32 // 0x00
	id     uint32 // 0x04
	offset uint64 // 0x08
	length uint32 // 0x10 this header included
}

const securityEntrySize = 0x14

func (e *securityEntry) decode(b []byte) {
	e.hash = binary.LittleEndian.Uint32(b)
	e.id = binary.LittleEndian.Uint32(b[0x04:])
	e.offset = binary.LittleEndian.Uint64(b[0x08:])
	e.length = binary.LittleEndian.Uint32(b[0x10:])
}

// sharedDescriptor finds a descriptor by its id in $Secure.
func (v *volume) sharedDescriptor(id uint32) (*descriptor, error) {
	n, err := v.inode(recSecure)
	if err != nil {
		return nil, err
	}
	x, err := n.openIndex("$SII", collationULong)
	if err != nil {
		return nil, err
	}
	var at, have securityEntry
	err = x.find(func(key []byte) int {
		if len(key) < 4 {
			return 1
		}
		return cmp.Compare(id, binary.LittleEndian.Uint32(key))
	}, func(e *indexEntry) bool {
		if len(e.data) >= securityEntrySize {
			at.decode(e.data)
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	a, err := n.named(attrData, "$SDS")
	if err != nil {
		return nil, err
	}
	if at.length < securityEntrySize || at.length > maxDescriptor || at.offset > 1<<40 || a == nil {
		return nil, n.corrupt("$Secure has no descriptor %d", id)
	}
	d, err := n.open(a)
	if err != nil {
		return nil, err
	}
	b, err := block.ReadBytes(d, int64(at.offset), int64(at.length), maxDescriptor)
	if err != nil {
		return nil, block.Locate("ntfs", fmt.Sprintf("$Secure, descriptor %d", id), -1, err)
	}
	have.decode(b)
	out, ok := parseDescriptor(b[securityEntrySize:])
	if have != at || !ok {
		return nil, n.corrupt("descriptor %d of $Secure is not where $SII says", id)
	}
	return out, nil
}

// parseDescriptor reads a self-relative security descriptor: at 0x04 and 0x08
// it has the offsets of owner and group.
func parseDescriptor(b []byte) (*descriptor, bool) {
	if len(b) < 0x14 || b[0] != 1 {
		return nil, false
	}
	var d descriptor
	var ok1, ok2 bool
	d.owner, ok1 = parseSID(b, binary.LittleEndian.Uint32(b[0x04:]))
	d.group, ok2 = parseSID(b, binary.LittleEndian.Uint32(b[0x08:]))
	return &d, ok1 && ok2
}

// parseSID reads the security identifier at an offset of b, in its text form.
// Offset 0 means that there is none.
func parseSID(b []byte, off uint32) (string, bool) {
	if off == 0 {
		return "", true
	}
	if uint64(off)+8 > uint64(len(b)) {
		return "", false
	}
	b = b[off:]
	count := int(b[1])
	if b[0] != 1 || count > 15 || 8+4*count > len(b) {
		return "", false
	}
	authority := uint64(binary.BigEndian.Uint16(b[2:]))<<32 | uint64(binary.BigEndian.Uint32(b[4:]))
	var s strings.Builder
	if fmt.Fprintf(&s, "S-1-%d", authority); authority >= 1<<32 {
		s.Reset()
		fmt.Fprintf(&s, "S-1-%#x", authority)
	}
	for i := range count {
		fmt.Fprintf(&s, "-%d", binary.LittleEndian.Uint32(b[8+4*i:]))
	}
	return s.String(), true
}
