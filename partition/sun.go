package partition

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	sunMagic   = 0xDABE
	vtocSanity = 0x600DDEEE
	tagWhole   = 5 // the slice that is all of the disk
)

// sunLabel is struct dk_label of SunOS, big-endian, in the first sector.
type sunLabel struct {
	version uint32     // 0x080
	volume  [8]byte    // 0x084
	slices  uint16     // 0x08C
	infos   [8]uint16  // 0x08E tag and, two bytes on, flags of each slice
	sanity  uint32     // 0x0BC
	heads   uint16     // 0x1B4
	sectors uint16     // 0x1B6 a track
	parts   [8]sunPart // 0x1BC
	magic   uint16     // 0x1FC
}

type sunPart struct {
	cylinder uint32 // 0x0
	count    uint32 // 0x4 sectors
}

func (l *sunLabel) decode(b []byte) {
	be := binary.BigEndian
	l.version = be.Uint32(b[0x080:])
	copy(l.volume[:], b[0x084:])
	l.slices = be.Uint16(b[0x08C:])
	for i := range l.infos {
		l.infos[i] = be.Uint16(b[0x08E+4*i:])
	}
	l.sanity = be.Uint32(b[0x0BC:])
	l.heads = be.Uint16(b[0x1B4:])
	l.sectors = be.Uint16(b[0x1B6:])
	for i := range l.parts {
		l.parts[i].decode(b[0x1BC+8*i:])
	}
	l.magic = be.Uint16(b[0x1FC:])
}

func (p *sunPart) decode(b []byte) {
	p.cylinder = binary.BigEndian.Uint32(b[0x0:])
	p.count = binary.BigEndian.Uint32(b[0x4:])
}

var sunTags = map[uint16]string{
	1: "boot", 2: "root", 3: "swap", 4: "usr", 5: "whole disk", 6: "stand", 7: "var", 8: "home", 9: "alternate sectors",
	10: "cache", 11: "reserved", 0x82: "Linux swap", 0x83: "Linux", 0x8E: "Linux LVM", 0xFD: "Linux RAID",
}

// readSun reads the label of SPARC machines.
func readSun(r block.Reader) (*Table, error) {
	b, err := view(r, Sun, 0, 512)
	if b == nil || err != nil {
		return nil, err
	}
	var l sunLabel
	if l.decode(b); l.magic != sunMagic {
		return nil, nil
	}
	if xor16(b, binary.BigEndian) != 0 {
		if l.sanity != vtocSanity { // two bytes of magic may be those of anything
			return nil, nil
		}
		return nil, block.Errorf(string(Sun), "disklabel", 0, block.ErrCorrupt, "wrong checksum")
	}
	t := &Table{Scheme: Sun, SectorSize: 512}
	tags := l.sanity == vtocSanity && l.version == 1 && l.slices <= 8
	for i, x := range l.parts {
		if x.count == 0 || tags && l.infos[i] == tagWhole {
			continue
		}
		p := Partition{Number: i + 1}
		if tags {
			p.Type, p.TypeName = typeName(sunTags, l.infos[i])
		}
		t.add(p, uint64(x.cylinder)*uint64(l.heads)*uint64(l.sectors), uint64(x.count), r.Size(), 0x1BC+8*int64(i))
	}
	t.checkOverlaps()
	return t, nil
}

// solarisVTOC is struct dk_vtoc of Solaris on x86, little-endian, in the second
// sector of its partition.
type solarisVTOC struct {
	sanity     uint32           // 0x0C
	version    uint32           // 0x10
	sectorSize uint16           // 0x1C
	count      uint16           // 0x1E
	slices     [16]solarisSlice // 0x48
}

type solarisSlice struct {
	tag   uint16 // 0x0
	first uint32 // 0x4 sector of the partition
	count uint32 // 0x8
}

func (v *solarisVTOC) decode(b []byte) {
	le := binary.LittleEndian
	v.sanity = le.Uint32(b[0x0C:])
	v.version = le.Uint32(b[0x10:])
	v.sectorSize = le.Uint16(b[0x1C:])
	v.count = le.Uint16(b[0x1E:])
	for i := range v.slices {
		v.slices[i].decode(b[0x48+12*i:])
	}
}

func (s *solarisSlice) decode(b []byte) {
	s.tag = binary.LittleEndian.Uint16(b[0x0:])
	s.first = binary.LittleEndian.Uint32(b[0x4:])
	s.count = binary.LittleEndian.Uint32(b[0x8:])
}

// readSolaris reads the slices in a partition of Solaris, whose type is also that
// of Linux swap.
func readSolaris(r block.Reader, _ *Partition) (*Table, error) {
	b, err := view(r, Solaris, 512, 512)
	if b == nil || err != nil {
		return nil, err
	}
	var v solarisVTOC
	if v.decode(b); v.sanity != vtocSanity {
		return nil, nil
	}
	if v.version != 1 {
		return nil, block.Errorf(string(Solaris), "VTOC", 512, block.ErrUnsupported, "version %d", v.version)
	}
	size := int(v.sectorSize)
	if !validSectorSize(size) {
		size = 512
	}
	t := &Table{Scheme: Solaris, SectorSize: size}
	for i, s := range v.slices[:min(int(v.count), len(v.slices))] {
		if s.count == 0 || s.tag == tagWhole {
			continue
		}
		p := Partition{Number: i + 1}
		p.Type, p.TypeName = typeName(sunTags, s.tag)
		t.add(p, uint64(s.first), uint64(s.count), r.Size(), 512+0x48+12*int64(i))
	}
	t.checkOverlaps()
	return t, nil
}
