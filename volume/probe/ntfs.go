package probe

import (
	"encoding/binary"
	"fmt"
)

// probeNTFS also reads the label, which is the content of a file: attribute
// 0x60 of MFT record 3.
func probeNTFS(v *view) (Found, bool) {
	f := filesystem("ntfs", 3)
	if !v.has(3, "NTFS    ") {
		return f, false
	}
	f.UUID = fmt.Sprintf("%016X", v.le64(0x48))
	sector, cluster := int64(v.le16(11)), int64(0)
	switch spc := v.u8(13); {
	case spc > 0 && spc <= 128:
		cluster = sector * int64(spc)
	case spc >= 0xE1: // a negative power of two, since Windows 10
		cluster = sector << (256 - int(spc))
	}
	record := int64(int8(v.u8(0x40)))
	if record > 0 {
		record *= cluster
	} else if record >= -16 {
		record = 1 << -record
	}
	mft := v.le64(0x30)
	if cluster == 0 || record < 512 || record > 64<<10 || mft >= uint64(v.r.Size()/cluster) {
		return f, true
	}
	f.Label = ntfsLabel(v.at(int64(mft)*cluster+3*record, record))
	return f, true
}

// ntfsLabel finds the volume name in a record of the MFT.
func ntfsLabel(rec []byte) string {
	if rec = unfix(rec); rec == nil {
		return ""
	}
	for off := int(binary.LittleEndian.Uint16(rec[20:])); off+24 <= len(rec); {
		a := rec[off:]
		typ, n := binary.LittleEndian.Uint32(a), binary.LittleEndian.Uint32(a[4:])
		if typ == 0xFFFFFFFF || n < 24 || uint64(n) > uint64(len(a)) {
			return ""
		}
		if typ == 0x60 && a[8] == 0 {
			size, at := uint64(binary.LittleEndian.Uint32(a[16:])), uint64(binary.LittleEndian.Uint16(a[20:]))
			if at+size > uint64(n) {
				return ""
			}
			return utf16LE(a[at : at+size])
		}
		off += int(n)
	}
	return ""
}

// unfix returns a copy of a record with the ends of its 512-byte strides as
// they were before they were replaced by a check value; nil if that fails.
func unfix(rec []byte) []byte {
	if len(rec) < 512 || string(rec[:4]) != "FILE" {
		return nil
	}
	rec = append([]byte(nil), rec...)
	usa, n := int(binary.LittleEndian.Uint16(rec[4:])), int(binary.LittleEndian.Uint16(rec[6:]))
	if n < 1 || usa+2*n > len(rec) || (n-1)*512 > len(rec) {
		return nil
	}
	for i := 1; i < n; i++ {
		end := rec[512*i-2 : 512*i]
		if end[0] != rec[usa] || end[1] != rec[usa+1] {
			return nil
		}
		copy(end, rec[usa+2*i:usa+2*i+2])
	}
	return rec
}
