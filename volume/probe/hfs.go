package probe

import "encoding/binary"

// probeHFSPlus reads the header of an HFS+ volume, which is wrapped in an HFS
// one or begins at base 0.
func probeHFSPlus(v *view, base int64) (Found, bool) {
	sb := base + 1024
	if !v.has(sb, "H+\x00\x04") && !v.has(sb, "HX\x00\x05") {
		return Found{}, false
	}
	f := filesystem("hfsplus", sb)
	f.UUID, f.Label = hfsUUID(v.at(sb+104, 8)), hfsPlusLabel(v, base)
	return f, true
}

// hfsPlusLabel is the name in the first key of the catalog, that of the root
// folder (Apple TN1150, "Catalog File").
func hfsPlusLabel(v *view, base int64) string {
	sb := base + 1024
	block := int64(v.be32(sb + 40))
	extents := v.at(sb+0x110+16, 64) // of the catalog file
	if block < 512 || block > 1<<30 || extents == nil {
		return ""
	}
	first := base + int64(binary.BigEndian.Uint32(extents))*block
	head := v.at(first+14, 20)
	if head == nil {
		return ""
	}
	nodeSize := int64(binary.BigEndian.Uint16(head[18:]))
	if nodeSize < 512 {
		return ""
	}
	off := int64(binary.BigEndian.Uint32(head[10:])) * nodeSize // of the first leaf, in the file
	for ; len(extents) > 0; extents = extents[8:] {
		start, n := int64(binary.BigEndian.Uint32(extents)), int64(binary.BigEndian.Uint32(extents[4:]))
		if off >= n*block {
			off -= n * block
			continue
		}
		leaf := v.at(base+start*block+off, 512)
		if leaf == nil || leaf[8] != 0xFF || binary.BigEndian.Uint32(leaf[16:]) != 1 {
			return ""
		}
		return utf16BE(leaf[22 : 22+2*min(int(binary.BigEndian.Uint16(leaf[20:])), 245)])
	}
	return ""
}
