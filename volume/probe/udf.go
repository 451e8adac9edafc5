package probe

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/internal/osta"
)

// probeUDF looks for an NSR descriptor in the volume recognition sequence
// (ECMA-167 2/9.1), whose steps are those of the blocks where these are larger
// than 2048 bytes.
func probeUDF(v *view) (Found, bool) {
	const start = 32 << 10
	for _, step := range []int64{2048, 4096} {
	sequence:
		for off := int64(start); off < start+64*step; off += step {
			switch string(v.at(off+1, 5)) {
			case "NSR02", "NSR03":
				f := filesystem("udf", off+1)
				udfNames(v, &f, step)
				return f, true
			case "BEA01", "BOOT2", "CD001", "CDW02", "TEA01":
			default:
				break sequence
			}
		}
	}
	return Found{}, false
}

// udfNames follows the anchor to the volume descriptors, of which the primary
// one has the identifier of the set and the logical one the label, all of the last
// session.
func udfNames(v *view, f *Found, step int64) {
	sizes := []int64{512, 1024, 2048}
	if step == 4096 {
		sizes = []int64{4096}
	}
	for _, start := range v.sessions() {
		for _, bs := range sizes {
			if sessionNames(v, f, start/bs, bs) {
				return
			}
		}
	}
}

// sessionNames is udfNames for the session that starts at a block, and reports
// whether it has an anchor.
func sessionNames(v *view, f *Found, start, bs int64) bool {
	for _, sector := range []int64{start + 256, start + 512} {
		anchor := v.at(sector*bs, 24)
		if udfTag(anchor, sector) != 2 {
			continue
		}
		count, loc := int64(binary.LittleEndian.Uint32(anchor[16:]))/bs, int64(binary.LittleEndian.Uint32(anchor[20:]))
		for i := range min(count, 64) {
			d := v.at((loc+i)*bs, 512)
			switch udfTag(d, loc+i) {
			case 1:
				f.UUID = osta.UUID(label(d[72:200]))
			case 6:
				f.Label = label(d[84:212])
				if rev := binary.LittleEndian.Uint16(d[240:]); rev != 0 && string(d[217:236]) == "*OSTA UDF Compliant" {
					f.Version = fmt.Sprintf("%x.%02x", rev>>8, rev&0xFF)
				}
			case 0, 8:
				return true
			}
		}
		return true
	}
	return false
}

// udfTag returns the identifier of a descriptor whose tag holds at its place, 0
// if there is none.
func udfTag(d []byte, location int64) uint16 {
	if len(d) < 16 || int64(binary.LittleEndian.Uint32(d[12:])) != location {
		return 0
	}
	var sum byte
	for i, c := range d[:16] {
		if i != 4 {
			sum += c
		}
	}
	if sum != d[4] {
		return 0
	}
	return binary.LittleEndian.Uint16(d)
}

// label decodes a string of UDF, without what pads it.
func label(b []byte) string { return strings.TrimRight(osta.Dstring(b), "\x00 ") }
