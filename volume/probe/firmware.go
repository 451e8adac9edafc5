package probe

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// probeFirmware looks for what the firmware of RAID controllers writes near the
// end of a disk, each in a sector that is counted from there.
func probeFirmware(v *view) (Found, bool) {
	size := v.r.Size() &^ 511
	if size < 64<<10 {
		return Found{}, false
	}
	for _, look := range [...]func(*view, int64) (Found, bool){
		probeAdaptec, probeLSI, probeSilicon, probeVIA, probeJMicron, probeNVIDIA, probePromise, probeHighPoint, probeDDF,
	} {
		if f, ok := look(v, size); ok {
			f.Kind = Member
			return f, true
		}
	}
	return Found{}, false
}

func probeAdaptec(v *view, size int64) (Found, bool) {
	off := size - 512
	f := Found{Type: "adaptec_raid_member", Off: off, Version: fmt.Sprint(v.u8(off + 0x53))}
	return f, v.be32(off) == 0x37FC4D1E && v.has(off+0x100, "DPTM")
}

func probeLSI(v *view, size int64) (Found, bool) {
	return Found{Type: "lsi_mega_raid_member", Off: size - 512}, v.has(size-512, "$XIDE$")
}

// probeSilicon wants the checksum: the sum of the words before it and itself is 0.
func probeSilicon(v *view, size int64) (Found, bool) {
	off := size - 512
	b := v.at(off, 512)
	if b == nil || binary.LittleEndian.Uint32(b[0x60:]) != 0x2F000000 || b[0x116] >= 8 {
		return Found{}, false
	}
	f := Found{Type: "silicon_medley_raid_member", Off: off + 0x60,
		Version: fmt.Sprintf("%d.%d", binary.LittleEndian.Uint16(b[0x10A:]), binary.LittleEndian.Uint16(b[0x108:]))}
	return f, sum16(b[:0x140]) == 0
}

// probeVIA wants the checksum, a sum of the 50 bytes before it.
func probeVIA(v *view, size int64) (Found, bool) {
	off := size - 512
	b := v.at(off, 51)
	if b == nil || b[0] != 0x55 || b[1] != 0xAA || b[2] > 2 {
		return Found{}, false
	}
	var sum byte
	for _, c := range b[:50] {
		sum += c
	}
	return Found{Type: "via_raid_member", Off: off, Version: fmt.Sprint(b[2])}, sum == b[50]
}

// probeJMicron wants the checksum too, since two bytes of magic are few: the
// words of the first 128 bytes add up to 0 or 1.
func probeJMicron(v *view, size int64) (Found, bool) {
	off := size - 512
	b := v.at(off, 128)
	if b == nil || string(b[:2]) != "JM" {
		return Found{}, false
	}
	return Found{Type: "jmicron_raid_member", Off: off, Version: fmt.Sprintf("%d.%d", b[3], b[2])}, sum16(b) <= 1
}

func probeNVIDIA(v *view, size int64) (Found, bool) {
	off := size - 2*512
	return Found{Type: "nvidia_raid_member", Off: off, Version: fmt.Sprint(v.le16(off + 16))}, v.has(off, "NVIDIA")
}

func probePromise(v *view, size int64) (Found, bool) {
	for _, sectors := range []int64{63, 255, 256, 16, 399, 591, 675, 735, 911, 974, 991, 951, 3087} {
		if off := size - sectors*512; v.has(off, "Promise Technology, Inc.") {
			return Found{Type: "promise_fasttrack_raid_member", Off: off}, true
		}
	}
	return Found{}, false
}

// probeHighPoint knows the 45x, whose block lies near the end, and the 37x, in
// the tenth sector. The magic has a second form where the array is broken.
func probeHighPoint(v *view, size int64) (Found, bool) {
	const ok, broken = 0x5A7816F0, 0x5A7816FD
	off := size - 11*512
	if m := v.le32(off); m == ok|3 || m == broken {
		return Found{Type: "hpt45x_raid_member", Off: off}, true
	}
	off = 9*512 + 32
	m := v.le32(off)
	return Found{Type: "hpt37x_raid_member", Off: off}, m == ok || m == broken
}

// probeDDF looks for the anchor header of SNIA DDF, in either byte order.
func probeDDF(v *view, size int64) (Found, bool) {
	for _, sectors := range []int64{1, 257} {
		off := size - sectors*512
		var primary uint64
		switch v.be32(off) {
		case 0xDE11DE11:
			primary = binary.BigEndian.Uint64(orZero(v.at(off+96, 8)))
		case 0x11DE11DE:
			primary = v.le64(off + 96)
		default:
			continue
		}
		// The anchor points to a header like it.
		if primary > 0 && (primary >= uint64(size/512) || v.be32(int64(primary)*512) != v.be32(off)) {
			continue
		}
		guid := strings.TrimRight(v.text(off+8, 24), " ")
		return Found{Type: "ddf_raid_member", Off: off, UUID: guid, Version: v.text(off+32, 8)}, true
	}
	return Found{}, false
}

func sum16(b []byte) (sum uint16) {
	for ; len(b) >= 2; b = b[2:] {
		sum += binary.LittleEndian.Uint16(b)
	}
	return sum
}
