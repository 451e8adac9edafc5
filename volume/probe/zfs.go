package probe

import (
	"encoding/binary"
	"fmt"
)

// probeZFS looks for uberblocks in the four labels, two at either end.
func probeZFS(v *view) (Found, bool) {
	const label, ring, slot = 256 << 10, 128 << 10, 1 << 10
	end := v.r.Size() &^ (label - 1)
	b := make([]byte, label-ring)
	for _, start := range []int64{0, label, end - 2*label, end - label} {
		if !v.exists(start+ring, label-ring) || !v.fill(b, start+ring) {
			continue
		}
		count := 0
		var version uint64
		for i := 0; i+16 <= len(b); i += slot {
			for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
				if order.Uint64(b[i:]) == 0x00BAB10C {
					count++
					version = order.Uint64(b[i+8:])
				}
			}
		}
		if count >= 4 { // as many as blkid wants
			f := Found{Type: "zfs_member", Kind: Member, Off: start + ring, Version: fmt.Sprint(version)}
			f.Label, f.UUID = zfsPool(v.at(start+16<<10, 112<<10))
			return f, true
		}
	}
	return Found{}, false
}

// zfsPool finds the name and the number of the pool in a label's list of pairs,
// which is XDR: of each its size, its size in memory, its name, type and value.
func zfsPool(b []byte) (name, guid string) {
	const isNumber, isString = 8, 9
	for off := 12; off+12 <= len(b); {
		p := b[off:]
		size, n := uint64(binary.BigEndian.Uint32(p)), uint64(binary.BigEndian.Uint32(p[8:]))
		value := 12 + (n+3)&^3
		if size < value+8 || size > uint64(len(p)) {
			return name, guid
		}
		key, typ, val := string(p[12:12+n]), binary.BigEndian.Uint32(p[value:]), p[value+8:size]
		switch {
		case key == "name" && typ == isString && len(val) >= 4:
			name = string(val[4 : 4+min(uint64(binary.BigEndian.Uint32(val)), uint64(len(val)-4))])
		case key == "pool_guid" && typ == isNumber && len(val) >= 8:
			guid = fmt.Sprint(binary.BigEndian.Uint64(val))
		}
		off += int(size)
	}
	return name, guid
}
