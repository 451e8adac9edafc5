package probe

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// probeMD looks for the superblock of Linux software RAID, which lies at the
// start, 4 KiB in, or near the end.
func probeMD(v *view) (Found, bool) {
	const magic = 0xA92B4EFC
	size := v.r.Size()
	for _, at := range []struct {
		off     int64
		version string
	}{{0, "1.1"}, {4096, "1.2"}, {(size/512 - 16) &^ 7 * 512, "1.0"}} {
		// The place that a superblock states tells it from one that was left
		// behind by another layout.
		if v.le32(at.off) == magic && v.le32(at.off+4) == 1 && v.le64(at.off+144) == uint64(at.off/512) {
			return Found{Type: "linux_raid_member", Kind: Member, Version: at.version, Off: at.off,
				UUID: v.uuid(at.off + 16), Label: v.text(at.off+32, 32)}, true
		}
	}
	off := size&^0xFFFF - 0x10000
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if b := v.at(off, 64); b != nil && order.Uint32(b) == magic && order.Uint32(b[4:]) == 0 {
			u := make([]byte, 16)
			binary.BigEndian.PutUint32(u, order.Uint32(b[20:]))
			for i := range 3 {
				binary.BigEndian.PutUint32(u[4+4*i:], order.Uint32(b[52+4*i:]))
			}
			return Found{Type: "linux_raid_member", Kind: Member, Off: off,
				Version: fmt.Sprintf("0.%d.%d", order.Uint32(b[8:]), order.Uint32(b[12:])),
				UUID:    fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])}, true
		}
	}
	return Found{}, false
}

// probeLVM looks for the label of a physical volume in the first four sectors.
func probeLVM(v *view) (Found, bool) {
	for sector := range int64(4) {
		off := sector * 512
		if !v.has(off, "LABELONE") || v.le64(off+8) != uint64(sector) {
			continue
		}
		typ := strings.ToUpper(v.text(off+24, 4)) + "_member" // "LVM2 001"
		f := Found{Type: typ, Kind: Member, Version: v.text(off+24, 8), Off: off}
		if id := v.text(off+int64(v.le32(off+20)), 32); len(id) == 32 {
			f.UUID = strings.Join([]string{id[:6], id[6:10], id[10:14], id[14:18], id[18:22], id[22:26], id[26:]}, "-")
		}
		return f, typ == "LVM2_member"
	}
	return Found{}, false
}

// probeLUKS knows the first header; probeLUKS2Second looks where it is gone.
func probeLUKS(v *view) (Found, bool) {
	if v.has(0, "LUKS\xBA\xBE") {
		return foundLUKS(v, 0), true
	}
	return Found{}, false
}

func foundLUKS(v *view, off int64) Found {
	f := Found{Type: "crypto_LUKS", Kind: Encrypted, Off: off, UUID: v.text(off+168, 40)}
	f.Version = fmt.Sprint(v.be32(off+4) & 0xFFFF)
	if f.Version == "2" {
		f.Label = v.text(off+24, 48)
	}
	return f
}

func probeBitLocker(v *view) (Found, bool) {
	const guid = "\x3B\xD6\x67\x49\x29\x2E\xD8\x4A\x83\x99\xF6\xA3\x39\xE3\xD0\x01"
	f := Found{Type: "BitLocker", Kind: Encrypted, Off: 3}
	return f, v.has(3, "-FVE-FS-") || v.has(3, "MSWIN4.1") && v.has(0x1A8, guid)
}

// members are parts of larger things that a magic alone tells. A negative
// offset counts from the end.
var members = [...]struct {
	typ   string
	kind  Kind
	off   int64
	magic string
}{
	{"VMFS_volume_member", Member, 1 << 20, "\x0D\xD0\x01\xC0"},
	{"oracleasm", Member, 32, "ORCLDISK"},
	{"stratis", Member, 512 + 4, "!Stra0tis\x86\xFF\x02^\x41rh"},
	{"vdo", Member, 0, "dmvdo001"},
	{"ceph_bluestore", Member, 0, "bluestore block device"},
	{"DM_integrity", Member, 0, "integrt\x00"},
	{"DM_verity_hash", Member, 0, "verity\x00\x00"},
	{"DM_snapshot_cow", Member, 0, "SnAp"},
	{"ubi", Member, 0, "UBI#"},
	{"isw_raid_member", Member, -1024, "Intel Raid ISM Cfg Sig. "},
	{"drbdmanage_control_volume", Member, 0, "$DRBDmgr=q"},
}

func probeMembers(v *view) (Found, bool) {
	for _, m := range members {
		off := m.off
		if off < 0 {
			off += v.r.Size()
		}
		if v.has(off, m.magic) {
			f := Found{Type: m.typ, Kind: m.kind, Off: off}
			switch m.typ {
			case "oracleasm":
				f.Label = v.text(40, 24)
			case "VMFS_volume_member":
				f.UUID, f.Version = v.text(off+512+20, 35), fmt.Sprint(v.le32(off+4))
			case "vdo":
				f.UUID = v.uuid(40)
			case "ubi":
				f.UUID, f.Version = fmt.Sprint(v.be32(24)), fmt.Sprint(v.u8(4))
			case "drbdmanage_control_volume":
				f.UUID = v.text(11, 32)
			}
			return f, true
		}
	}
	return Found{}, false
}

// probeDRBD looks for internal metadata in the last 4 KiB, aligned or, as in
// files of an odd size, not.
func probeDRBD(v *view) (Found, bool) {
	for _, off := range []int64{v.r.Size()&^4095 - 4096, v.r.Size() - 4096} {
		f := Found{Type: "drbd", Kind: Member, Off: off + 60}
		id := off + 40
		switch v.be32(off + 60) {
		case 0x8374026B, 0x8374026C: // clean and not, of 8.4
			f.Version = "v08"
		case 0x8374026D:
			f.Version, id = "v09", off+48
		default:
			continue
		}
		if n := v.be64(id); n != 0 {
			f.UUID = fmt.Sprintf("%x", n)
		}
		return f, true
	}
	return Found{}, false
}

func probeBcache(v *view) (Found, bool) {
	const sb = 4096
	f := Found{Type: "bcache", Kind: Member, Off: sb + 24, UUID: v.uuid(sb + 40)}
	return f, v.has(sb+24, "\xC6\x85\x73\xF6\x4E\x1A\x45\xCA\x82\x65\xF5\x7F\x48\xBA\x6D\x81")
}

const tuxOnIce = "\xED\xC3\x02\xE9\x98\x56\xE5\x0C"

// probeSwap looks at the end of the first page, whose size is that of the
// machine that made it.
func probeSwap(v *view) (Found, bool) {
	const header = 1024
	if v.has(0, tuxOnIce) { // which leaves the header of the swap space
		return Found{Type: "swsuspend", Kind: Swap, Version: "tuxonice", UUID: v.uuid(header + 12), Label: v.text(header+28, 16),
			Reason: "swsuspend holds a hibernated system and no files"}, true
	}
	for _, page := range []int64{4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10} {
		f := Found{Type: "swap", Kind: Swap, Off: page - 10}
		magic := string(v.at(page-10, 10))
		switch {
		case magic == "SWAP-SPACE":
			f.Version = "0"
		case magic == "SWAPSPACE2":
			if v.le32(header) != 1 && v.be32(header) != 1 {
				continue
			}
			f.Version, f.UUID, f.Label = "1", v.uuid(header+12), v.text(header+28, 16)
		case magic == "LINHIB0001", strings.HasPrefix(magic, "S1SUSPEND"), strings.HasPrefix(magic, "S2SUSPEND"), strings.HasPrefix(magic, "ULSUSPEND"),
			strings.HasPrefix(magic, tuxOnIce):
			f.Type, f.UUID, f.Label = "swsuspend", v.uuid(header+12), v.text(header+28, 16)
			f.Reason = "swsuspend holds a hibernated system and no files"
		default:
			continue
		}
		return f, true
	}
	return Found{}, false
}
