package partition

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	sgiMagic  = 0x0BE5A941
	sgiHeader = 0 // the partition of this table and of the boot files
	sgiWhole  = 6 // all of the disk
)

// sgiLabel is struct volume_header of IRIX (dvh), big-endian, in the first sector.
type sgiLabel struct {
	magic uint32       // 0x000
	parts [16]sgiEntry // 0x138
}

type sgiEntry struct {
	count uint32 // 0x0 sectors
	first uint32 // 0x4
	kind  uint32 // 0x8
}

func (l *sgiLabel) decode(b []byte) {
	l.magic = binary.BigEndian.Uint32(b[0x000:])
	for i := range l.parts {
		l.parts[i].decode(b[0x138+12*i:])
	}
}

func (e *sgiEntry) decode(b []byte) {
	e.count = binary.BigEndian.Uint32(b[0x0:])
	e.first = binary.BigEndian.Uint32(b[0x4:])
	e.kind = binary.BigEndian.Uint32(b[0x8:])
}

var sgiTypes = map[uint32]string{
	0: "SGI volhdr", 1: "SGI trkrepl", 2: "SGI secrepl", 3: "SGI raw", 4: "SGI bsd", 5: "SGI sysv", 6: "SGI volume", 7: "SGI efs",
	8: "SGI lvol", 9: "SGI rlvol", 10: "SGI xfs", 11: "SGI xfslog", 12: "SGI xlv", 13: "SGI xvm",
	0x82: "Linux swap", 0x83: "Linux", 0x8E: "Linux LVM", 0xFD: "Linux RAID",
}

func readSGI(r block.Reader) (*Table, error) {
	b, err := view(r, SGI, 0, 512)
	if b == nil || err != nil {
		return nil, err
	}
	var l sgiLabel
	if l.decode(b); l.magic != sgiMagic {
		return nil, nil
	}
	var sum uint32
	for i := 0; i < len(b); i += 4 {
		sum += binary.BigEndian.Uint32(b[i:])
	}
	if sum != 0 {
		return nil, block.Errorf(string(SGI), "volume header", 0, block.ErrCorrupt, "wrong checksum")
	}
	t := &Table{Scheme: SGI, SectorSize: 512}
	for i, e := range l.parts {
		if e.count == 0 || e.kind == sgiHeader || e.kind == sgiWhole {
			continue
		}
		p := Partition{Number: i + 1}
		p.Type, p.TypeName = typeName(sgiTypes, e.kind)
		t.add(p, uint64(e.first), uint64(e.count), r.Size(), 0x138+12*int64(i))
	}
	t.checkOverlaps()
	return t, nil
}
