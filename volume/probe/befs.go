package probe

import (
	"encoding/binary"
	"fmt"
)

// probeBeFS looks for the superblock, which begins with the label, at the start
// and behind a boot sector, in either byte order. Three magics must hold.
func probeBeFS(v *view) (Found, bool) {
	for _, sb := range []int64{0, 512} {
		b := v.at(sb, 124)
		if b == nil {
			continue
		}
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			if order.Uint32(b[32:]) != 0x42465331 || order.Uint32(b[68:]) != 0xDD121031 || order.Uint32(b[112:]) != 0x15B6830E {
				continue
			}
			f := filesystem("befs", sb+32)
			f.Label, f.Version = v.text(sb, 32), "little-endian"
			if order == binary.ByteOrder(binary.BigEndian) {
				f.Version = "big-endian"
			}
			f.UUID = befsID(v, b, order)
			return f, true
		}
	}
	return Found{}, false
}

// befsID is the attribute be:volume_id of the root directory, as far as it lies
// in the inode.
func befsID(v *view, sb []byte, order binary.ByteOrder) string {
	const key, small = "be:volume_id", 232
	shift, agShift := order.Uint32(sb[44:]), order.Uint32(sb[76:])
	if shift < 10 || shift > 13 || agShift > 32 {
		return ""
	}
	block := int64(order.Uint32(sb[116:]))<<agShift + int64(order.Uint16(sb[120:]))
	if block > v.r.Size()>>shift {
		return ""
	}
	inode := v.at(block<<shift, 1<<shift)
	if inode == nil || order.Uint32(inode) != 0x3BBE0AD9 {
		return ""
	}
	for b := inode[small:]; len(b) >= 8; {
		name, data := int(order.Uint16(b[4:])), int(order.Uint16(b[6:]))
		n := 8 + name + 3 + data + 1
		if n > len(b) || name == 0 {
			return ""
		}
		if string(b[8:8+name]) == key && data == 8 {
			return fmt.Sprintf("%016x", order.Uint64(b[8+name+3:]))
		}
		b = b[n:]
	}
	return ""
}
