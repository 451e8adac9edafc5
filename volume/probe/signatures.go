package probe

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"unicode/utf16"
)

// A signature looks for one format, or for several that share it.
type signature func(v *view) (Found, bool)

// signatures are in the order in which they count: what lies outermost first.
var signatures = [...]signature{
	probeMD, probeLVM, probeLUKS, probeBitLocker, probeMembers, probeFirmware, probeDRBD, probeZFS, probeBcache,
	probeSwap, probeUEFI,
	probeExt, probeXFS, probeNTFS, probeExFAT, probeFAT, probeBtrfs,
	probeF2FS, probeErofs, probeSquashfs, probeUDF, probeISO, probeHFS, probeUFS, probeReiser, probeNilfs, probeGFS, probeHPFS, probeBeFS, probeMpool, probeOthers,
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

// btrfsSuper is where the superblock of a Btrfs is: on a host-managed zoned device the
// first of a log of them, at the start. Elsewhere a boot loader may keep anything there,
// so that one in the usual place counts unless it is zoned and of the same filesystem.
func btrfsSuper(v *view) int64 {
	const sb = 64 << 10
	zoned := func(at int64) bool { return v.has(at+0x40, "_BHRfS_M") && v.le64(at+0xBC)>>12&1 != 0 }
	switch {
	case !zoned(0) || v.le64(0x30) != sb:
		return sb
	case v.has(sb+0x40, "_BHRfS_M") && (!zoned(sb) || v.uuid(sb+0x20) != v.uuid(0x20)):
		return sb
	}
	return 0
}

func probeBtrfs(v *view) (Found, bool) {
	sb := btrfsSuper(v)
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
	size := int64(1) << (sectorBits + clusterBits)
	for range 64 { // clusters
		off := int64(v.le32(0x58))<<sectorBits + (root-2)*size
		for end := off + min(size, 64<<10); off < end; off += 32 {
			e := v.at(off, 32)
			switch {
			case e == nil || e[0] == 0:
				return ""
			case e[0] == 0x83:
				return utf16LE(e[2 : 2+2*min(e[1], 11)])
			}
		}
		// The next cluster is told by the FAT.
		if root = int64(v.le32(int64(v.le32(0x50))<<sectorBits + 4*root)); root < 2 || root > 0xFFFFFFF6 {
			return ""
		}
	}
	return ""
}

// serial32 writes the serial number of a FAT volume as blkid does.
func serial32(n uint32) string { return fmt.Sprintf("%04X-%04X", n>>16, n&0xFFFF) }

func utf16BE(b []byte) string {
	swapped := make([]byte, len(b)&^1)
	for i := range swapped {
		swapped[i] = b[i^1]
	}
	return utf16LE(swapped)
}

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

// pvdOff is where the volume descriptors of ISO 9660 start in a session.
const pvdOff = 32 << 10

func probeISO(v *view) (Found, bool) {
	if !v.has(pvdOff+1, "CD001") || v.u8(pvdOff) != 1 {
		return Found{}, false
	}
	f := filesystem("iso9660", pvdOff+1)
	pvd := v.pvd()
	f.Label = isoLabel(v, pvd, v.text(pvd+40, 32))
	if f.UUID = isoDate(v.text(pvd+830, 16)); f.UUID == "" { // modified
		f.UUID = isoDate(v.text(pvd+813, 16)) // created
	}
	return f, true
}

// isoLabel returns the label, in the spelling of Joliet for its first 16
// characters where both volume descriptors mean the same one, else Joliet's.
func isoLabel(v *view, pvd int64, ascii string) string {
	const step, most = 2048, 16
	first := pvd + step
	for off := first; off < first+most*step && v.has(off+1, "CD001") && v.u8(off) != 255; off += step {
		if v.u8(off) != 2 || !v.has(off+88, "%/@") && !v.has(off+88, "%/C") && !v.has(off+88, "%/E") {
			continue
		}
		joliet := []rune(utf16BE(v.at(off+40, 32)))
		for i, r := range joliet {
			if i >= len(ascii) || ascii[i] != '_' && !strings.EqualFold(string(r), ascii[i:i+1]) {
				return strings.TrimRight(string(joliet), " ")
			}
		}
		return strings.TrimRight(string(joliet)+ascii[len(joliet):], " ")
	}
	return strings.TrimRight(ascii, " ")
}

// isoRoot reports whether the root directory record of the primary descriptor
// leads to a directory, which begins with a record of itself.
func isoRoot(v *view) bool {
	pvd := v.pvd()
	blockSize, extent := int64(v.le16(pvd+128)), v.le32(pvd+156+2)
	self := v.at(int64(extent)*blockSize, 34)
	return self != nil && self[0] >= 34 && binary.LittleEndian.Uint32(self[2:]) == extent && self[25]&2 != 0 && self[32] == 1 && self[33] == 0
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
	case v.has(sb, "BD") && (v.has(sb+124, "H+") || v.has(sb+124, "HX")):
		at := v.at(sb, 128)
		if at == nil { // it could not be read
			return Found{}, false
		}
		base := int64(binary.BigEndian.Uint16(at[28:]))*512 + int64(binary.BigEndian.Uint16(at[126:]))*int64(binary.BigEndian.Uint32(at[20:]))
		if f, ok := probeHFSPlus(v, base); ok {
			return f, true
		}
		return filesystem("hfsplus", sb), true
	case v.has(sb, "BD"):
		n := min(v.u8(sb+36), 27)
		f := filesystem("hfs", sb)
		f.Label, f.UUID = v.text(sb+37, int64(n)), hfsUUID(v.at(sb+116, 8))
		return f, v.be32(sb+20) != 0 && v.be32(sb+20)%512 == 0
	case v.has(sb, "H+"), v.has(sb, "HX"):
		return probeHFSPlus(v, 0)
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
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			f := filesystem("ufs", sb+magicAt)
			switch order.Uint32(orZero(v.at(sb+magicAt, 4))) {
			case 0x00011954, 0x00195612, 0x00095014, 0x00612195, 0x05231994: // FS_MAGIC and its FEA, LFN, SEC, 4GB
				f.Version = "1"
			case 0x19540119:
				f.Version, f.Label = "2", v.text(sb+680, 32)
			default:
				continue
			}
			if id := orZero(v.at(sb+144, 8)); order.Uint32(id) != 0 || order.Uint32(id[4:]) != 0 {
				f.UUID = fmt.Sprintf("%08x%08x", order.Uint32(id), order.Uint32(id[4:]))
			}
			return f, true
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

// probeGFS tells GFS2 from GFS by the numbers of their formats.
func probeGFS(v *view) (Found, bool) {
	const sb = 64 << 10
	f := filesystem("gfs2", sb)
	f.Label, f.UUID = v.text(sb+160, 64), v.uuid(sb+256)
	switch format, hosts := v.be32(sb+24), v.be32(sb+28); {
	case format >= 1800 && format < 1900 && hosts >= 1900 && hosts < 2000:
		f.Version = "1"
	case format == 1309 && hosts == 1401:
		f.Type = "gfs"
	default:
		return f, false
	}
	return f, v.be32(sb) == 0x01161970
}

// probeHPFS wants both the superblock and the spare block behind it.
func probeHPFS(v *view) (Found, bool) {
	const sb = 8 << 10
	f := filesystem("hpfs", sb)
	f.Version = fmt.Sprint(v.u8(sb + 8))
	if v.le16(510) == 0xAA55 && v.u8(38) == 0x28 && v.has(54, "HPFS") {
		f.UUID, f.Label = serial32(v.le32(39)), strings.TrimRight(v.text(43, 11), " ")
	}
	return f, v.le32(sb) == 0xF995E849 && v.le32(sb+512) == 0xF9911849
}

// probeMpool checks the CRC-32C of the descriptor.
func probeMpool(v *view) (Found, bool) {
	if !v.has(0, "mpoolDev") {
		return Found{}, false
	}
	f := filesystem("mpool", 0)
	f.Label, f.UUID = v.text(8, 32), v.uuid(40)
	return f, crc32.Checksum(v.at(0, 62), crc32.MakeTable(crc32.Castagnoli)) == v.le32(62)
}

// vmfsUUID writes the numbers of a VMFS identifier as ESXi does.
func vmfsUUID(b []byte) string {
	if len(bytes.Trim(b, "\x00")) == 0 {
		return ""
	}
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%08x-%04x-%x", le.Uint32(b), le.Uint32(b[4:]), le.Uint16(b[8:]), b[10:])
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
	{"ReFS", 0, "\x00\x00\x00ReFS\x00", 0, 0, 0},
	{"VMFS", 2 << 20, "\x5E\xF1\xAB\x2F", 0, 2<<20 + 29, 128},
	{"vxfs", 1024, "\xF5\xFC\x01\xA5", 0, 0, 0},
	{"nss", 4 << 10, "SPB5", 4<<10 + 348, 0, 0},
	{"zonefs", 0, "SFOZ", 40, 8, 32},
	{"cramfs", 0, "\x45\x3D\xCD\x28", 0, 48, 16},
	{"romfs", 0, "-rom1fs-", 0, 16, 16},
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
		if o.typ == "VMFS" {
			f.Version, f.UUID = fmt.Sprint(v.u8(o.off+8)), vmfsUUID(v.at(o.off+9, 16))
		}
		return f, true
	}
	return Found{}, false
}
