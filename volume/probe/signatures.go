package probe

import (
	"crypto/md5"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

// A signature looks for one format, or for several that share it.
type signature func(v *view) (Found, bool)

// signatures are in the order in which they count: what lies outermost first.
var signatures = [...]signature{
	probeMD, probeLVM, probeLUKS, probeBitLocker, probeMembers, probeDRBD, probeZFS, probeBcache,
	probeSwap,
	probeExt, probeXFS, probeBtrfs, probeNTFS, probeExFAT, probeFAT,
	probeF2FS, probeErofs, probeSquashfs, probeUDF, probeISO, probeHFS, probeUFS, probeReiser, probeNilfs, probeOthers,
}

func filesystem(typ string, off int64) Found { return Found{Type: typ, Kind: Filesystem, Off: off} }

func probeExt(v *view) (Found, bool) {
	const (
		sb = 1024
		// what ext3 and ext2 understand
		roCompat   = 0x1 | 0x2 | 0x4 // sparse_super, large_file, btree_dir
		incompat2  = 0x2 | 0x10      // filetype, meta_bg
		recover    = 0x4
		journalDev = 0x8
		hasJournal = 0x4
	)
	// Two bytes of magic are few: the state and the revision must be known
	// too. Sizes are left to the driver, which says what is wrong with them.
	if v.le16(sb+0x38) != 0xEF53 || v.le16(sb+0x3A) > 7 || v.le32(sb+0x4C) > 1 {
		return Found{}, false
	}
	compat, incompat, ro := v.le32(sb+0x5C), v.le32(sb+0x60), v.le32(sb+0x64)
	f := filesystem("ext4", sb+0x38)
	f.UUID, f.Label = v.uuid(sb+0x68), v.text(sb+0x78, 16)
	switch old := ro&^roCompat == 0; {
	case incompat&journalDev != 0:
		f.Type, f.Kind = "jbd", Member
	case compat&hasJournal == 0 && old && incompat&^incompat2 == 0:
		f.Type = "ext2"
	case compat&hasJournal != 0 && old && incompat&^(incompat2|recover) == 0:
		f.Type = "ext3"
	}
	return f, true
}

func probeXFS(v *view) (Found, bool) {
	f := filesystem("xfs", 0)
	f.UUID, f.Label = v.uuid(32), v.text(108, 12)
	return f, v.has(0, "XFSB")
}

func probeBtrfs(v *view) (Found, bool) {
	const sb = 64 << 10
	f := filesystem("btrfs", sb+0x40)
	f.UUID, f.Label = v.uuid(sb+0x20), v.text(sb+0x12B, 256)
	return f, v.has(sb+0x40, "_BHRfS_M")
}

func probeExFAT(v *view) (Found, bool) {
	if !v.has(3, "EXFAT   ") {
		return Found{}, false
	}
	f := filesystem("exfat", 3)
	f.UUID = serial32(v.le32(0x64))
	f.Label = exfatLabel(v)
	return f, true
}

// exfatLabel looks for the volume label entry in the first cluster of the
// root directory.
func exfatLabel(v *view) string {
	sectorBits, clusterBits := v.u8(0x6C), v.u8(0x6D)
	root := int64(v.le32(0x60))
	if sectorBits < 9 || sectorBits > 12 || clusterBits > 25-sectorBits || root < 2 {
		return ""
	}
	off := int64(v.le32(0x58))<<sectorBits + (root-2)<<(sectorBits+clusterBits)
	for i := range int64(1) << (sectorBits + min(clusterBits, 3)) / 32 {
		e := v.at(off+32*i, 32)
		switch {
		case e == nil || e[0] == 0:
			return ""
		case e[0] == 0x83:
			return utf16LE(e[2 : 2+2*min(e[1], 11)])
		}
	}
	return ""
}

// serial32 writes the serial number of a FAT volume as blkid does.
func serial32(n uint32) string { return fmt.Sprintf("%04X-%04X", n>>16, n&0xFFFF) }

func utf16LE(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
	}
	if i := slices.Index(u, 0); i >= 0 {
		u = u[:i]
	}
	return string(utf16.Decode(u))
}

func probeF2FS(v *view) (Found, bool) {
	const sb = 1024
	f := filesystem("f2fs", sb)
	f.Version = fmt.Sprintf("%d.%d", v.le16(sb+4), v.le16(sb+6))
	f.UUID, f.Label = v.uuid(sb+108), utf16LE(v.at(sb+124, 1024))
	return f, v.le32(sb) == 0xF2F52010
}

func probeErofs(v *view) (Found, bool) {
	const sb = 1024
	f := filesystem("erofs", sb)
	f.UUID, f.Label = v.uuid(sb+48), v.text(sb+64, 16)
	return f, v.le32(sb) == 0xE0F5E1E2
}

func probeSquashfs(v *view) (Found, bool) {
	f := filesystem("squashfs", 0)
	major, minor := v.le16(28), v.le16(30)
	switch {
	case v.has(0, "hsqs"):
	case v.has(0, "sqsh"):
		major, minor = major>>8|major<<8, minor>>8|minor<<8
	default:
		return f, false
	}
	if major < 4 {
		f.Type = "squashfs3"
	}
	f.Version = fmt.Sprintf("%d.%d", major, minor)
	return f, true
}

// probeUDF looks for an NSR descriptor in the volume recognition sequence.
func probeUDF(v *view) (Found, bool) {
	const start, step = 32 << 10, 2048
	for off := int64(start); off < start+16*step; off += step {
		switch string(v.at(off+1, 5)) {
		case "NSR02", "NSR03":
			return filesystem("udf", off+1), true
		case "BEA01", "BOOT2", "CD001", "CDW02", "TEA01":
			continue
		}
		break
	}
	return Found{}, false
}

func probeISO(v *view) (Found, bool) {
	const pvd = 32 << 10
	if !v.has(pvd+1, "CD001") || v.u8(pvd) != 1 {
		return Found{}, false
	}
	f := filesystem("iso9660", pvd+1)
	f.Label = strings.TrimRight(v.text(pvd+40, 32), " ")
	if f.UUID = isoDate(v.text(pvd+830, 16)); f.UUID == "" { // modified
		f.UUID = isoDate(v.text(pvd+813, 16)) // created
	}
	return f, true
}

// isoDate writes a date of 16 digits as blkid does for a UUID.
func isoDate(s string) string {
	if len(s) != 16 || strings.Trim(s, "0123456789") != "" || strings.Trim(s, "0") == "" {
		return ""
	}
	return strings.Join([]string{s[:4], s[4:6], s[6:8], s[8:10], s[10:12], s[12:14], s[14:]}, "-")
}

func probeHFS(v *view) (Found, bool) {
	const sb = 1024
	switch {
	case v.has(sb, "H+\x00\x04"), v.has(sb, "HX\x00\x05"):
		f := filesystem("hfsplus", sb)
		f.UUID = hfsUUID(v.at(sb+104, 8))
		return f, true
	case v.has(sb, "BD") && v.has(sb+124, "H+"):
		return filesystem("hfsplus", sb), true
	case v.has(sb, "BD"):
		n := min(v.u8(sb+36), 27)
		f := filesystem("hfs", sb)
		f.Label, f.UUID = v.text(sb+37, int64(n)), hfsUUID(v.at(sb+116, 8))
		return f, v.be32(sb+20) != 0 && v.be32(sb+20)%512 == 0
	case v.has(32, "NXSB"):
		f := filesystem("apfs", 32)
		f.UUID = v.uuid(72)
		return f, true
	}
	return Found{}, false
}

// hfsUUID makes a UUID of the eight bytes that a volume has, as macOS does.
func hfsUUID(id []byte) string {
	if len(id) != 8 || string(id) == "\x00\x00\x00\x00\x00\x00\x00\x00" {
		return ""
	}
	space := []byte{0xB3, 0xE2, 0x0F, 0x39, 0xF2, 0x92, 0x11, 0xD6, 0x97, 0xA4, 0x00, 0x30, 0x65, 0x43, 0xEC, 0xAC}
	u := md5.Sum(append(space, id...))
	u[6] = 0x30 | u[6]&0x0F
	u[8] = 0x80 | u[8]&0x3F
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func probeUFS(v *view) (Found, bool) {
	const magicAt = 1372
	for _, sb := range []int64{64 << 10, 8 << 10, 0, 256 << 10} {
		for _, m := range []uint32{v.le32(sb + magicAt), v.be32(sb + magicAt)} {
			switch m {
			case 0x00011954:
				return Found{Type: "ufs", Kind: Filesystem, Version: "1", Off: sb + magicAt}, true
			case 0x19540119:
				return Found{Type: "ufs", Kind: Filesystem, Version: "2", Off: sb + magicAt, Label: v.text(sb+680, 32)}, true
			}
		}
	}
	return Found{}, false
}

func probeReiser(v *view) (Found, bool) {
	for _, sb := range []int64{64 << 10, 8 << 10} {
		magic := string(v.at(sb+52, 9))
		switch {
		case magic == "ReIsEr2Fs", magic == "ReIsEr3Fs", strings.HasPrefix(magic, "ReIsErFs"):
			f := filesystem("reiserfs", sb+52)
			f.Version = map[byte]string{'F': "3.5", '2': "3.6", '3': "JR"}[magic[6]]
			if magic[6] != 'F' {
				f.UUID, f.Label = v.uuid(sb+84), v.text(sb+100, 16)
			}
			return f, true
		case v.has(sb, "ReIsEr4"):
			f := filesystem("reiser4", sb)
			f.UUID, f.Label = v.uuid(sb+20), v.text(sb+36, 16)
			return f, true
		}
	}
	return Found{}, false
}

func probeNilfs(v *view) (Found, bool) {
	const sb = 1024
	f := filesystem("nilfs2", sb+6)
	f.UUID, f.Label = v.uuid(sb+152), v.text(sb+168, 80)
	return f, v.le16(sb+6) == 0x3434 && v.le32(sb) == 2 && v.le16(sb+8) <= 1024
}

// others are formats that a magic alone tells.
var others = [...]struct {
	typ         string
	off         int64
	magic       string
	uuid, label int64 // offsets, 0 if there is none
	labelLen    int64
}{
	{"jfs", 32 << 10, "JFS1", 32<<10 + 136, 32<<10 + 152, 16},
	{"gfs2", 64 << 10, "\x01\x16\x19\x70", 0, 0, 0},
	{"ReFS", 0, "\x00\x00\x00ReFS\x00", 0, 0, 0},
	{"VMFS", 2 << 20, "\x5E\xF1\xAB\x2F", 0, 2<<20 + 29, 128},
	{"vxfs", 1024, "\xF5\xFC\x01\xA5", 0, 0, 0},
	{"hpfs", 8 << 10, "\x49\xE8\x95\xF9\xC5\xE9\x53\xFA", 0, 0, 0},
	{"cramfs", 0, "\x45\x3D\xCD\x28", 0, 48, 16},
	{"romfs", 0, "-rom1fs-", 0, 16, 16},
	{"befs", 544, "\x42\x45\x42\x31", 0, 512, 32},
	{"ubifs", 0, "\x31\x18\x10\x06", 108, 0, 0},
	{"ocfs2", 1 << 10, "OCFSV2", 1<<10 + 0x150, 1<<10 + 0x110, 64},
	{"ocfs2", 2 << 10, "OCFSV2", 2<<10 + 0x150, 2<<10 + 0x110, 64},
	{"ocfs2", 4 << 10, "OCFSV2", 4<<10 + 0x150, 4<<10 + 0x110, 64},
	{"ocfs2", 8 << 10, "OCFSV2", 8<<10 + 0x150, 8<<10 + 0x110, 64},
	{"bcachefs", 4<<10 + 24, "\xC6\x85\x73\xF6\x66\xCE\x90\xA9\xD9\x6A\x60\xCF\x80\x3D\xF7\xEF", 4<<10 + 56, 4<<10 + 72, 32},
}

func probeOthers(v *view) (Found, bool) {
	for _, o := range others {
		if !v.has(o.off, o.magic) {
			continue
		}
		f := filesystem(o.typ, o.off)
		if o.uuid > 0 {
			f.UUID = v.uuid(o.uuid)
		}
		f.Label = v.text(o.label, o.labelLen)
		return f, true
	}
	return Found{}, false
}
