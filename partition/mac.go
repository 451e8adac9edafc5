package partition

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	macDriver = 0x4552 // "ER", of the driver descriptor
	macEntry  = 0x504D // "PM"
	macMost   = 256    // entries that are read; Linux stops there too
)

// macMap is an entry of the Apple partition map ("Inside Macintosh: Devices",
// chapter 3), big-endian, one a block.
type macMap struct {
	signature uint16   // 0x00
	entries   uint32   // 0x04 in the map
	first     uint32   // 0x08 block
	count     uint32   // 0x0C
	name      [32]byte // 0x10
	kind      [32]byte // 0x30
}

func (m *macMap) decode(b []byte) {
	m.signature = binary.BigEndian.Uint16(b[0x00:])
	m.entries = binary.BigEndian.Uint32(b[0x04:])
	m.first = binary.BigEndian.Uint32(b[0x08:])
	m.count = binary.BigEndian.Uint32(b[0x0C:])
	copy(m.name[:], b[0x10:])
	copy(m.kind[:], b[0x30:])
}

// macOther are entries that are no partitions: the map itself, and gaps.
var macOther = map[string]bool{"Apple_partition_map": true, "Apple_Free": true, "Apple_Void": true}

// readMac reads the Apple partition map. On a disc that is an ISO 9660 filesystem
// as well, the map only tells old machines where to boot from.
func readMac(r block.Reader) (*Table, error) {
	b, err := view(r, Mac, 0, 512)
	if b == nil || err != nil || binary.BigEndian.Uint16(b) != macDriver {
		return nil, err
	}
	if iso, err := view(r, Mac, 32<<10, 6); err != nil || iso != nil && string(iso[1:]) == "CD001" {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint16(b[2:]))
	if !validSectorSize(int(size)) {
		return nil, nil
	}
	t := &Table{Scheme: Mac, SectorSize: int(size)}
	for i := int64(1); ; i++ {
		b, err := view(r, Mac, i*size, 512)
		if err != nil {
			return nil, err
		}
		var m macMap
		if b != nil {
			m.decode(b)
		}
		switch {
		case m.signature != macEntry && i == 1:
			return nil, nil
		case m.signature != macEntry:
			t.problem("partition map", i*size, block.ErrCorrupt, "no entry %d; the map ends here", i)
		case i > macMost:
			t.problem("partition map", i*size, block.ErrLimit, "more than %d entries; the rest is left out", macMost)
		default:
			p := Partition{Number: int(i), Name: text(m.name[:]), Type: text(m.kind[:])}
			p.TypeName = p.Type
			if !macOther[p.Type] && m.count > 0 {
				t.add(p, uint64(m.first), uint64(m.count), r.Size(), i*size)
			}
			if i < int64(m.entries) {
				continue
			}
		}
		break
	}
	t.checkOverlaps()
	return t, nil
}
