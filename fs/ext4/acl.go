package ext4

import "encoding/binary"

// Tags of entries in an access control list.
const (
	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20
)

// decodeACL turns an access control list from the disk into the form of
// getxattr(2), in which every entry has an id.
//
//	disk (version 1)             getxattr (version 2)
//	u32 version                  u32 version
//	u16 tag, u16 perm [u32 id]   u16 tag, u16 perm, u32 id (-1: none)
func (n *inode) decodeACL(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	if len(b) < 4 || le.Uint32(b) != 1 {
		return nil, n.corrupt("an access control list of %d bytes", len(b))
	}
	out := le.AppendUint32(nil, 2)
	for b = b[4:]; len(b) > 0; {
		if len(b) < 4 {
			return nil, n.corrupt("an access control list is cut short")
		}
		id, size := ^uint32(0), 4
		switch le.Uint16(b) {
		case aclUserObj, aclGroupObj, aclMask, aclOther:
		case aclUser, aclGroup:
			if size = 8; len(b) < size {
				return nil, n.corrupt("an access control list is cut short")
			}
			id = le.Uint32(b[4:])
		default:
			return nil, n.corrupt("an access control list has the tag %#x", le.Uint16(b))
		}
		out = append(out, b[:4]...)
		out = le.AppendUint32(out, id)
		b = b[size:]
	}
	return out, nil
}
