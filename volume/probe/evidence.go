package probe

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// choose decides between several hits by what speaks for each: one whose
// structure holds beats those that a magic alone tells, which are left from
// what the volume held before, or lie in a file. A disc that is made to be both
// ISO 9660 and UDF is a bridge. What is left is ambiguous.
func choose(v *view, hits []Found) Found {
	if outer := hits[0]; outer.Kind == Member && (sound(v, outer) || !slices.ContainsFunc(hits, func(f Found) bool { return sound(v, f) })) {
		return outer
	}
	var firm, weak []Found
	for _, f := range hits {
		// mkfs.btrfs zeroes what lies before its superblock: what is sound there
		// came later.
		if sound(v, f) && (f.Type != "btrfs" || len(firm) == 0) {
			firm = append(firm, f)
		} else {
			weak = append(weak, f)
		}
	}
	if len(firm) == 0 { // an ISO descriptor that leads nowhere is the weakest of all
		firm = slices.DeleteFunc(slices.Clone(hits), func(f Found) bool { return f.Type == "iso9660" })
	}
	if len(firm) == 2 {
		i := slices.IndexFunc(firm, func(f Found) bool { return f.Type == "iso9660" })
		if i >= 0 && firm[1-i].Type == "udf" {
			return bridge(v, firm[1-i], firm[i])
		}
	}
	if len(firm) == 1 {
		if len(weak) > 0 && firm[0].Reason == "" {
			firm[0].Reason = "also " + places(weak) + ": left over, or in a file"
		}
		return firm[0]
	}
	return Found{Kind: Ambiguous, Reason: "several signatures hold: " + places(hits)}
}

// bridge decides what a disc of both is read as: UDF, as Linux does, but ISO 9660
// where Rock Ridge keeps the owners, links and modes that UDF has not from tools
// that write both.
func bridge(v *view, udf, iso Found) Found {
	pvd := v.pvd()
	root := int64(v.le32(pvd+156+2)) * int64(v.le16(pvd+128))
	if self := v.at(root, int64(v.u8(root))); bytes.Contains(self, []byte("SP\x07\x01\xBE\xEF")) {
		iso.Reason = "also udf: a disc of both, read as iso9660 for its Rock Ridge"
		return iso
	}
	udf.Reason = "also iso9660: a disc of both, read as udf"
	return udf
}

func places(hits []Found) string {
	names := make([]string, len(hits))
	for i, h := range hits {
		names[i] = fmt.Sprintf("%s at %#x", h.Type, h.Off)
	}
	return strings.Join(names, ", ")
}

// outermost reports whether what was found has all else inside it. Some members
// are left behind by what comes after them: no mkfs wipes labels 1 MiB in or at
// the end.
func outermost(f Found) bool {
	return f.Kind == Encrypted || f.Kind == Member && f.Type != "zfs_member" && f.Type != "VMFS_volume_member"
}

// sound reports whether more than a magic speaks for a hit: checksums, and
// structures that its superblock leads to.
func sound(v *view, f Found) bool {
	switch f.Type {
	case "ext2", "ext3", "ext4":
		return soundExt(v)
	case "xfs":
		return soundXFS(v)
	case "btrfs":
		return soundBtrfs(v)
	case "ufs":
		return soundUFS(v, f.Off-1372)
	case "zfs_member":
		return soundZFS(v)
	case "iso9660":
		return isoRoot(v)
	case "udf":
		return f.Version != "" // of a logical volume descriptor that its anchor led to
	case "squashfs": // the index of the table of IDs leads to a block between the directories and itself
		used, ids, dirs := v.le64(40), v.le64(48), v.le64(72)
		first := v.le64(int64(ids))
		return used <= uint64(v.r.Size()) && ids < used && dirs < first && first < ids
	case "erofs":
		return soundEROFS(v)
	case "exfat":
		return soundExFAT(v)
	case "ntfs":
		cluster := int64(v.le16(11)) * int64(v.u8(13))
		lcn := int64(v.le64(48))
		return cluster > 0 && cluster <= 64<<10 && lcn > 0 && lcn <= v.r.Size()/cluster && v.has(lcn*cluster, "FILE")
	case "vfat": // the first entry of each FAT repeats the type of the medium
		return v.u8(int64(v.le16(0x0E))*int64(v.le16(0x0B))) == v.u8(0x15)
	case "mpool":
		return true // it is found by no less
	}
	return false
}

// soundEROFS looks for the root directory.
func soundEROFS(v *view) bool {
	const sb = 1024
	bits := v.u8(sb + 0x0C)
	if bits < 9 || bits > 16 {
		return false
	}
	at := int64(v.le32(sb+0x28))<<bits + 32*int64(v.le16(sb+0x0E))
	return v.le16(at+4)&0xF000 == 0x4000
}

// soundExFAT verifies the checksum of the boot region, which covers its first
// eleven sectors but for the flags and how full the volume is.
func soundExFAT(v *view) bool {
	bits := v.u8(108)
	if bits < 9 || bits > 12 {
		return false
	}
	sum := uint32(0)
	for i, c := range v.at(0, 11<<bits) {
		if i != 106 && i != 107 && i != 112 {
			sum = sum<<31 | sum>>1
			sum += uint32(c)
		}
	}
	return v.le32(11<<bits) == sum
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// soundExt verifies the checksum of the superblock where there is one, and
// follows the first group descriptor to the root directory.
func soundExt(v *view) bool {
	const sb, csum = 1024, 0x400
	if v.le32(sb+0x64)&csum != 0 && ^crc32.Checksum(v.at(sb, 0x3FC), castagnoli) != v.le32(sb+0x3FC) {
		return false
	}
	bits, inode := v.le32(sb+0x18), int64(v.le16(sb+0x58))
	if v.le32(sb+0x4C) == 0 {
		inode = 128
	}
	if bits > 6 {
		return false
	}
	bs := int64(1024) << bits
	desc := (int64(v.le32(sb+0x14)) + 1) * bs
	if bs > sb && v.le32(sb+0x14) != 0 {
		return false
	}
	table := int64(v.le32(desc + 8))
	if v.le32(sb+0x60)&0x80 != 0 && v.le16(sb+0xFE) >= 64 { // 64bit
		table |= int64(v.le32(desc+0x28)) << 32
	}
	return table > 0 && table < v.r.Size()/bs && v.le16(table*bs+inode)&0xF000 == 0x4000
}

// soundXFS verifies the checksum of version 5, and looks for the headers of the
// first allocation group.
func soundXFS(v *view) bool {
	const crcAt = 224
	sector := int64(binary.BigEndian.Uint16(orZero(v.at(102, 2))))
	if sector < 512 || sector > 32<<10 {
		return false
	}
	if orZero(v.at(100, 2))[1]&15 == 5 {
		b := bytes.Clone(v.at(0, sector))
		if b == nil {
			return false
		}
		clear(b[crcAt : crcAt+4])
		if crc32.Checksum(b, castagnoli) != v.le32(crcAt) {
			return false
		}
	}
	return v.has(sector, "XAGF") && v.has(2*sector, "XAGI")
}

// soundBtrfs verifies the checksum of the superblock where it is one of the
// standard library, and that the root of the chunk tree is where the first
// system chunk says, if that is on this device.
func soundBtrfs(v *view) bool {
	sb := btrfsSuper(v)
	array := sb + 0x32B
	b := v.at(sb, 4096)
	if b == nil {
		return false
	}
	switch v.le16(sb + 0xC4) {
	case 0:
		if crc32.Checksum(b[32:], castagnoli) != v.le32(sb) {
			return false
		}
	case 2:
		if sum := sha256.Sum256(b[32:]); !bytes.Equal(sum[:], b[:32]) {
			return false
		}
	}
	root, logical := v.le64(sb+0x58), v.le64(array+9)
	chunk, stripe := array+17, array+17+48
	if root-logical >= v.le64(chunk) || v.le64(stripe) != v.le64(sb+0xC9) {
		return v.le64(sb+0x30) == 64<<10
	}
	at := int64(v.le64(stripe+8) + root - logical)
	return v.le64(at+48) == root && bytes.Equal(v.at(at+32, 16), v.at(sb+0x20, 16))
}

// soundUFS looks for the first cylinder group and the root directory.
func soundUFS(v *view, sb int64) bool {
	const cgMagic = 0x090255
	order, inode := binary.ByteOrder(binary.LittleEndian), int64(128)
	switch v.be32(sb + 1372) {
	case 0x19540119:
		order, inode = binary.BigEndian, 256
	case 0x19015419:
		inode = 256
	case 0x00011954:
		order = binary.BigEndian
	}
	word := func(off int64) int64 { return int64(order.Uint32(orZero(v.at(off, 4)))) }
	frag := word(sb + 52)
	if frag < 512 || frag > 64<<10 {
		return false
	}
	cg, root := word(sb+12)*frag, word(sb+16)*frag+2*inode
	return word(cg+4) == cgMagic && order.Uint16(orZero(v.at(root, 2)))&0xF000 == 0x4000
}

// soundZFS verifies the checksum of the first label, which starts from the
// offset and stands at the end of its list of pairs.
func soundZFS(v *view) bool {
	const off, size = 16 << 10, 112 << 10
	b := bytes.Clone(v.at(off, size))
	if b == nil {
		return false
	}
	want, sum := slices.Clone(b[size-32:]), b[size-32:]
	clear(sum)
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		order.PutUint64(sum, off)
		got := sha256.Sum256(b)
		if order == binary.ByteOrder(binary.LittleEndian) {
			for i := 0; i < 32; i += 8 {
				slices.Reverse(got[i : i+8])
			}
		}
		if bytes.Equal(got[:], want) {
			return true
		}
	}
	return false
}
