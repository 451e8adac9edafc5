package md

import (
	"encoding/binary"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

// A Firmware is what a disk says of the arrays that the firmware of a machine
// made of it. They are named and not read.
type Firmware struct {
	Format string // "imsm" (Intel), "ddf" (SNIA)
	Arrays []FirmwareArray
}

// A FirmwareArray is an array of a [Firmware].
type FirmwareArray struct {
	Name    string
	Level   string // "raid5"
	Members int
}

// Limits of what is read of one disk.
const (
	maxFirmwareArrays = 64
	maxIMSM           = 64 << 10
)

// OpenFirmware reads the metadata of Intel's or the SNIA's arrays at the end
// of r. The error wraps block.ErrFormat if there is none. The layouts are those
// of mdadm, super-intel.c, and of SNIA's Common RAID Disk Data Format 2.0.
func OpenFirmware(r block.Reader) (*Firmware, error) {
	if f, err := openIMSM(r); f != nil || err != nil {
		return f, err
	}
	if f, err := openDDF(r); f != nil || err != nil {
		return f, err
	}
	return nil, block.Errorf("", "metadata of firmware RAID", r.Size(), block.ErrFormat, "")
}

const imsmMagic = "Intel Raid ISM Cfg Sig. "

// openIMSM reads Intel's: an anchor in the last sector but one, and before it
// what did not fit.
func openIMSM(r block.Reader) (*Firmware, error) {
	const (
		disks    = 0xd8 // 0x30 bytes each
		diskSize = 0x30
		mapAt    = 0x70 // in a volume
		mapSize  = 0x30 // without its members
	)
	anchor := r.Size()/sectorSize*sectorSize - 2*sectorSize
	if anchor < 0 {
		return nil, nil
	}
	b, err := block.ReadBytes(r, anchor, sectorSize, sectorSize)
	if err != nil || string(b[:len(imsmMagic)]) != imsmMagic {
		return nil, block.Locate("imsm", "anchor", anchor, err)
	}
	le := binary.LittleEndian
	size := int64(le.Uint32(b[0x24:]))
	more := (size+sectorSize-1)/sectorSize*sectorSize - sectorSize
	if size < disks || size > maxIMSM || more > anchor {
		return nil, block.Errorf("imsm", "anchor", anchor+0x24, block.ErrCorrupt, "metadata of %d bytes", size)
	}
	rest, err := block.ReadBytes(r, anchor-more, more, maxIMSM)
	if err != nil {
		return nil, block.Locate("imsm", "metadata", anchor-more, err)
	}
	b = append(b, rest...)[:size]
	sum := uint32(0)
	for i := 0; i+4 <= len(b); i += 4 {
		if i != 0x20 {
			sum += le.Uint32(b[i:])
		}
	}
	if sum != le.Uint32(b[0x20:]) {
		return nil, block.Errorf("imsm", "metadata", anchor+0x20, block.ErrCorrupt, "bad checksum")
	}
	f := &Firmware{Format: "imsm"}
	at := disks + diskSize*int(b[0x38])
	for range int(b[0x39]) {
		if at+mapAt+mapSize > len(b) || len(f.Arrays) == maxFirmwareArrays {
			break
		}
		v := b[at:]
		level, members := int(v[mapAt+0x0f]), int(v[mapAt+0x10])
		if level == 1 && members > 2 {
			level = 10
		}
		f.Arrays = append(f.Arrays, FirmwareArray{text(v[:16]), levelName(level), members})
		at += mapAt + mapSize + 4*members
		if v[0x58] != 0 { // it migrates, and has a second map
			break
		}
	}
	return f, nil
}

// openDDF reads the SNIA's: an anchor in the last sector leads to a header,
// which leads to the records of configurations.
func openDDF(r block.Reader) (*Firmware, error) {
	const (
		header = 0xde11de11
		config = 0xeeeeeeee
	)
	anchor := r.Size()/sectorSize*sectorSize - sectorSize
	if anchor < 0 {
		return nil, nil
	}
	b, err := block.ReadBytes(r, anchor, sectorSize, sectorSize)
	be := binary.BigEndian
	if err != nil || be.Uint32(b) != header {
		return nil, block.Locate("ddf", "anchor", anchor, err)
	}
	primary, record := be.Uint64(b[0x60:]), int64(be.Uint16(b[0x86:]))*sectorSize
	first, sectors := int64(be.Uint32(b[0xd8:])), int64(be.Uint32(b[0xdc:]))
	if primary > uint64(anchor/sectorSize) || record == 0 {
		return nil, block.Errorf("ddf", "anchor", anchor, block.ErrCorrupt, "header in sector %d, records of %d bytes", primary, record)
	}
	f := &Firmware{Format: "ddf"}
	start := (int64(primary) + first) * sectorSize
	for i := range min(sectors*sectorSize/record, 1024) {
		at := start + i*record
		if at > r.Size()-sectorSize || len(f.Arrays) == maxFirmwareArrays {
			break
		}
		c, err := block.ReadBytes(r, at, sectorSize, sectorSize)
		if err != nil {
			return f, block.Locate("ddf", "configuration record", at, err)
		}
		if be.Uint32(c) == config {
			f.Arrays = append(f.Arrays, FirmwareArray{Name: fmt.Sprintf("%x", c[8:32]), Level: ddfLevel(c[0x43]), Members: int(be.Uint16(c[0x40:])) * max(1, int(c[0x45]))})
		}
	}
	return f, nil
}

// ddfLevel is the name of a primary RAID level of DDF.
func ddfLevel(level byte) string {
	switch level {
	case 0x0f:
		return "a single disk"
	case 0x11:
		return "raid1E"
	case 0x1f:
		return "linear"
	}
	return levelName(int(level))
}

// String says what the firmware made: "raid5 of 3 members".
func (f *Firmware) String() string {
	s := ""
	for i, a := range f.Arrays {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%q, %s of %d members", a.Name, a.Level, a.Members)
	}
	if s == "" {
		return "no arrays"
	}
	return s
}
