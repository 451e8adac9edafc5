package exfat

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	format     = "exfat"
	sectorMin  = 9
	bootLen    = 512
	flagActive = 1 // the second FAT counts
	flagDirty  = 2
)

// bootSector is the main boot sector.
type bootSector struct {
	volumeLength uint64 // 0x48, in sectors
	fatOffset    uint32 // 0x50
	fatLength    uint32 // 0x54
	heapOffset   uint32 // 0x58
	clusters     uint32 // 0x5C
	rootCluster  uint32 // 0x60
	serial       uint32 // 0x64
	revision     uint16 // 0x68
	flags        uint16 // 0x6A
	sectorShift  uint8  // 0x6C
	clusterShift uint8  // 0x6D, in sectors
	fats         uint8  // 0x6E
}

func (b *bootSector) decode(s []byte) {
	le := binary.LittleEndian
	b.volumeLength = le.Uint64(s[0x48:])
	b.fatOffset = le.Uint32(s[0x50:])
	b.fatLength = le.Uint32(s[0x54:])
	b.heapOffset = le.Uint32(s[0x58:])
	b.clusters = le.Uint32(s[0x5C:])
	b.rootCluster = le.Uint32(s[0x60:])
	b.serial = le.Uint32(s[0x64:])
	b.revision = le.Uint16(s[0x68:])
	b.flags = le.Uint16(s[0x6A:])
	b.sectorShift = s[0x6C]
	b.clusterShift = s[0x6D]
	b.fats = s[0x6E]
}

func badBoot(off int64, class error, detail string, args ...any) error {
	return block.Errorf(format, "boot sector", off, class, detail, args...)
}

func (b *bootSector) validate() error {
	switch {
	case b.sectorShift < sectorMin || b.sectorShift > 12:
		return badBoot(0x6C, block.ErrCorrupt, "sectors of 2^%d bytes", b.sectorShift)
	case b.clusterShift > 25-b.sectorShift:
		return badBoot(0x6D, block.ErrCorrupt, "clusters of 2^%d sectors", b.clusterShift)
	case b.revision>>8 != 1:
		return badBoot(0x68, block.ErrUnsupported, "revision %d.%d", b.revision>>8, b.revision&0xFF)
	case b.fats != 1 && b.fats != 2:
		return badBoot(0x6E, block.ErrCorrupt, "%d FATs", b.fats)
	case b.clusters == 0 || b.clusters > 1<<32-11:
		return badBoot(0x5C, block.ErrCorrupt, "%d clusters", b.clusters)
	case uint64(b.fatLength)<<b.sectorShift < (uint64(b.clusters)+2)*4:
		return badBoot(0x54, block.ErrCorrupt, "a FAT of %d sectors for %d clusters", b.fatLength, b.clusters)
	case uint64(b.fatOffset)+uint64(b.fatLength)*uint64(b.fats) > uint64(b.heapOffset):
		return badBoot(0x58, block.ErrCorrupt, "the clusters start at sector %d, inside of the FAT", b.heapOffset)
	case b.flags&flagActive != 0 && b.fats != 2:
		return badBoot(0x6A, block.ErrCorrupt, "the second of one FATs is the active one")
	case b.volumeLength > 1<<50:
		return badBoot(0x48, block.ErrCorrupt, "%d sectors", b.volumeLength)
	}
	return nil
}

func readBoot(r block.Reader) (*bootSector, error) {
	if r.Size() < bootLen {
		return nil, badBoot(0, block.ErrFormat, "%d bytes", r.Size())
	}
	s, err := block.ReadBytes(r, 0, bootLen, bootLen)
	if err != nil {
		return nil, block.Locate(format, "boot sector", 0, err)
	}
	if string(s[3:11]) != "EXFAT   " {
		return nil, badBoot(0, block.ErrFormat, "")
	}
	b := new(bootSector)
	b.decode(s)
	return b, b.validate()
}

// checkRegion verifies the checksum of the boot region: sectors 0 to 10, whose
// sum fills sector 11.
func (b *bootSector) checkRegion(r block.Reader) error {
	size := int64(1) << b.sectorShift
	s, err := block.ReadBytes(r, 0, 12*size, 12<<12)
	if err != nil {
		return block.Locate(format, "boot region", 0, err)
	}
	sum := uint32(0)
	for i, c := range s[:11*size] {
		if i != 0x6A && i != 0x6B && i != 0x70 {
			sum = sum<<31 | sum>>1
			sum += uint32(c)
		}
	}
	if want := binary.LittleEndian.Uint32(s[11*size:]); sum != want {
		return block.Errorf(format, "boot region", 11*size, block.ErrCorrupt, "checksum %#08x, computed %#08x", want, sum)
	}
	return nil
}
