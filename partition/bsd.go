package partition

import (
	"encoding/binary"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

const (
	bsdMagic    = 0x82564557
	bsdHeadLen  = 0x94
	bsdEntryLen = 16
	bsdMost     = 22 // partitions; FreeBSD writes 8, NetBSD and OpenBSD 16
	bsdRaw      = 2  // "c", which is all of the slice
)

// bsdPlaces are where a label lies: in the second sector on PCs, in the first one
// behind or before the boot code on other machines. Linux's fdisk writes it to byte
// 512 whatever the size of a sector is; FreeBSD (sys/geom/part/g_part_bsd.c) to the second
// sector, of which no bytes were at hand.
var bsdPlaces = [...]int64{512, 64, 128, 0, 4096}

// bsdLabel is struct disklabel of sys/disklabel.h.
type bsdLabel struct {
	magic      uint32  // 0x00
	sectorSize uint32  // 0x28
	total      uint32  // 0x3C sectors
	uid        [8]byte // 0x40 OpenBSD's alone; the others have geometry there
	totalHigh  uint16  // 0x70 OpenBSD
	version    uint16  // 0x72 OpenBSD: 1 if addresses have 48 bits
	magic2     uint32  // 0x84
	checksum   uint16  // 0x88
	count      uint16  // 0x8A

	order binary.ByteOrder
}

type bsdEntry struct {
	count     uint32 // 0x0 sectors
	first     uint32 // 0x4
	firstHigh uint16 // 0x8 OpenBSD; the others have the size of a fragment there
	countHigh uint16 // 0xA OpenBSD
	kind      uint8  // 0xC
}

func (l *bsdLabel) decode(b []byte) {
	l.magic = l.order.Uint32(b[0x00:])
	l.sectorSize = l.order.Uint32(b[0x28:])
	l.total = l.order.Uint32(b[0x3C:])
	copy(l.uid[:], b[0x40:])
	l.totalHigh = l.order.Uint16(b[0x70:])
	l.version = l.order.Uint16(b[0x72:])
	l.magic2 = l.order.Uint32(b[0x84:])
	l.checksum = l.order.Uint16(b[0x88:])
	l.count = l.order.Uint16(b[0x8A:])
}

func (e *bsdEntry) decode(b []byte, order binary.ByteOrder) {
	e.count = order.Uint32(b[0x0:])
	e.first = order.Uint32(b[0x4:])
	e.firstHigh = order.Uint16(b[0x8:])
	e.countHigh = order.Uint16(b[0xA:])
	e.kind = b[0xC]
}

var bsdTypes = map[uint8]string{
	1: "swap", 2: "Version 6", 3: "Version 7", 4: "System V", 5: "4.1BSD", 6: "Eighth Edition", 7: "4.2BSD", 8: "MSDOS",
	9: "4.4LFS", 10: "unknown", 11: "HPFS", 12: "ISO9660", 13: "boot", 14: "vinum", 15: "HFS", 17: "ext2fs", 18: "NTFS",
	19: "RAID", 20: "ccd", 21: "jfs", 27: "ZFS",
}

// findBSD returns the label of r, in either byte order, and all its bytes.
func findBSD(r block.Reader) (l bsdLabel, b []byte, off int64, err error) {
	for _, off := range bsdPlaces {
		head, err := view(r, BSD, off, bsdHeadLen)
		if err != nil {
			return l, nil, 0, err
		}
		if head == nil {
			continue
		}
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			l := bsdLabel{order: order}
			if l.decode(head); l.magic != bsdMagic || l.magic2 != bsdMagic || l.count > bsdMost || off > 512 && int64(l.sectorSize) != off {
				continue
			}
			b, err := view(r, BSD, off, bsdHeadLen+bsdEntryLen*int64(l.count))
			if err != nil {
				return l, nil, 0, err
			}
			if b != nil {
				return l, b, off, nil
			}
		}
	}
	return l, nil, 0, nil
}

// unit is the size of the sectors that the addresses of a label count: the one that
// it states but where "c" is all of the slice, or the disk, by another. fdisk states
// 512 on disks with sectors of 4096 bytes.
func (l *bsdLabel) unit(entries []bsdEntry, in *Partition, size int64) int {
	stated := int(l.sectorSize)
	if !validSectorSize(stated) {
		stated = 512
	}
	if len(entries) <= bsdRaw {
		return stated
	}
	start, c := int64(0), entries[bsdRaw]
	if in != nil {
		start = in.Start
	}
	for _, unit := range []int64{int64(stated), 512, 4096} {
		if int64(c.count)*unit == size && (c.first == 0 || int64(c.first)*unit == start) {
			return int(unit)
		}
	}
	return stated
}

func readBSD(r block.Reader) (*Table, error) { return readSlice(r, nil) }

// readSlice reads the label of BSD in a partition; in is nil for a whole disk.
// Addresses count from the start of the disk, but in FreeBSD's since version 10:
// there "c", which is all of the slice, begins at 0.
func readSlice(r block.Reader, in *Partition) (*Table, error) {
	l, b, off, err := findBSD(r)
	if b == nil || err != nil {
		return nil, err
	}
	entries := make([]bsdEntry, l.count)
	for i := range entries {
		entries[i].decode(b[bsdHeadLen+bsdEntryLen*i:], l.order)
	}
	size := l.unit(entries, in, r.Size())
	t := &Table{Scheme: BSD, SectorSize: size}
	if xor16(b, l.order) != 0 { // as parted writes it
		t.problem("disklabel", off, block.ErrCorrupt, "wrong checksum")
	}
	if l.sectorSize != uint32(size) {
		t.problem("disklabel", off, block.ErrCorrupt, "it says that a sector has %d bytes, and counts sectors of %d", l.sectorSize, size)
	}
	base := uint64(0)
	if in != nil && (len(entries) <= bsdRaw || entries[bsdRaw].first != 0 || in.Type == "0xa6" || in.Type == "0xa9") {
		base = uint64(in.Start) / uint64(size)
	}
	for i, e := range entries {
		first, count := uint64(e.first), uint64(e.count)
		if l.version == 1 {
			first, count = first|uint64(e.firstHigh)<<32, count|uint64(e.countHigh)<<32
		}
		if e.kind == 0 || count == 0 {
			continue
		}
		p := Partition{Number: i + 1, Name: string(rune('a' + i))}
		p.Type, p.TypeName = typeName(bsdTypes, e.kind)
		entryOff := off + bsdHeadLen + bsdEntryLen*int64(i)
		if first < base || first-base >= uint64(r.Size())/uint64(size) {
			// OpenBSD lists the other partitions of the MBR in its label too.
			if in == nil {
				t.fault(&p, entryOff, block.ErrTruncated, "starts at sector %d, past the end", first)
				t.Partitions = append(t.Partitions, p)
			}
			continue
		}
		t.add(p, first-base, count, r.Size(), entryOff)
	}
	if l.version == 1 {
		t.UUID = fmt.Sprintf("%x", l.uid)
	}
	t.checkOverlaps()
	return t, nil
}
