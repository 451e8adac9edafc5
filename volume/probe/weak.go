package probe

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// weak are asked only where nothing else is found: what a new mkfs leaves
// behind, or what few bytes tell.
var weak = [...]signature{probeLUKS2Second, probeMinix, probeBFS, probeXFSLog, probeXFSRealtime}

// probeLUKS2Second looks for the second header of LUKS2, where the first is
// gone: it states its own place, and its checksum holds.
func probeLUKS2Second(v *view) (Found, bool) {
	const sumAt, sumLen = 448, 64
	for off := int64(16 << 10); off <= 4<<20; off *= 2 {
		if !v.has(off, "SKUL\xBA\xBE\x00\x02") || v.be64(off+8) != uint64(off) || v.be64(off+256) != uint64(off) || v.text(off+72, 32) != "sha256" {
			continue
		}
		b := bytes.Clone(v.at(off, off))
		if b == nil {
			continue
		}
		want := string(b[sumAt : sumAt+sha256.Size])
		clear(b[sumAt : sumAt+sumLen])
		if sum := sha256.Sum256(b); string(sum[:]) == want {
			return foundLUKS(v, off), true
		}
	}
	return Found{}, false
}

// probeMinix takes the two bytes of magic only with maps that are large enough
// for the inodes and the zones.
func probeMinix(v *view) (Found, bool) {
	const sb = 1024
	b := v.at(sb, 32)
	if b == nil {
		return Found{}, false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		var version int
		var block uint64 = 1024
		var inodes, zones uint32
		maps := b[4:]
		switch order.Uint16(b[16:]) {
		case 0x137F, 0x138F:
			version, inodes, zones = 1, uint32(order.Uint16(b)), uint32(order.Uint16(b[2:]))
		case 0x2468, 0x2478:
			version, inodes, zones = 2, uint32(order.Uint16(b)), order.Uint32(b[20:])
		default:
			if order.Uint16(b[24:]) != 0x4D5A {
				continue
			}
			version, inodes, zones, maps = 3, order.Uint32(b), order.Uint32(b[20:]), b[6:]
			block = uint64(order.Uint16(b[28:]))
		}
		imap, zmap, first, log := uint64(order.Uint16(maps)), uint64(order.Uint16(maps[2:])), uint32(order.Uint16(maps[4:])), order.Uint16(maps[6:])
		if log != 0 || inodes == 0 || first > zones || imap*block*8 < uint64(inodes)+1 || zmap*block*8 < uint64(zones-first)+1 {
			continue
		}
		f := filesystem("minix", sb+16)
		f.Version = fmt.Sprint(version)
		return f, true
	}
	return Found{}, false
}

func probeBFS(v *view) (Found, bool) {
	return filesystem("bfs", 0), v.has(0, "\xCE\xFA\xAD\x1B")
}

// probeXFSLog looks for a record of an external log in the first 256 KiB.
func probeXFSLog(v *view) (Found, bool) {
	const look = 256 << 10
	if v.r.Size() < look {
		return Found{}, false
	}
	buf := v.at(0, look)
	for off := 0; off+512 <= len(buf); off += 512 {
		b := buf[off:]
		version, n, format := binary.BigEndian.Uint32(b[8:]), int32(binary.BigEndian.Uint32(b[12:])), binary.BigEndian.Uint32(b[300:])
		if strings.HasPrefix(string(b[:4]), "\xFE\xED\xBA\xBE") && version >= 1 && version <= 3 && n > 0 && format >= 1 && format <= 3 {
			return Found{Type: "xfs_external_log", Kind: Member, Off: int64(off)}, true
		}
	}
	return Found{}, false
}

// probeXFSRealtime finds the superblock of a realtime device with groups.
func probeXFSRealtime(v *view) (Found, bool) {
	f := Found{Type: "xfs_realtime", Kind: Member, UUID: v.uuid(0x18), Label: v.text(0x0C, 12)}
	return f, v.has(0, "Frog") && v.le32(8) == 0
}
