package ntfs

import "encoding/binary"

const maxEA = 64 << 10

// extendedAttribute returns the value of one of the OS/2 extended attributes
// ($EA) of the file, in which WSL keeps what NTFS has no place for. It is nil
// if there is none of that name.
//
// An entry is the distance to the next (u32, 0 in the last), flags (u8), the
// lengths of name (u8) and value (u16), the name with a NUL, and the value.
func (n *inode) extendedAttribute(name string) ([]byte, error) {
	b, err := n.value(attrEA, "", maxEA)
	if err != nil {
		return nil, err
	}
	for len(b) >= 8 {
		next := binary.LittleEndian.Uint32(b)
		nameLen, valueLen := int(b[5]), int(binary.LittleEndian.Uint16(b[6:]))
		if 8+nameLen+1+valueLen > len(b) {
			break
		}
		if string(b[8:8+nameLen]) == name {
			return b[8+nameLen+1:][:valueLen], nil
		}
		if next == 0 {
			return nil, nil
		}
		if next < 8 || uint64(next) > uint64(len(b)) {
			break
		}
		b = b[next:]
	}
	if len(b) > 0 {
		return nil, n.corrupt("its $EA is cut off")
	}
	return nil, nil
}
