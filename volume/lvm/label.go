package lvm

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/guestkit/guestkit/block"
)

// MaxMetadata bounds the text that describes a group, in bytes.
const MaxMetadata = 16 << 20

const (
	format     = "lvm2"
	sectorSize = 512
	labelScan  = 4 // sectors in which a label may be
	crcInitial = 0xf597a6cf
	maxAreas   = 16
	mdaHeader  = 512
	mdaMagic   = " LVM2 x[5A%r0N*>"
	ignoredMDA = 1 << 0
)

// crc is LVM's CRC-32: the usual polynomial, a start value of its own, and no
// final inversion.
func crc(b []byte) uint32 {
	const initial = uint32(crcInitial)
	return ^crc32.Update(^initial, crc32.IEEETable, b)
}

// label is the header in one of the first sectors.
type label struct {
	id     [8]byte // 0x00 "LABELONE"
	sector uint64  // 0x08 where the label itself lies
	crc    uint32  // 0x10 of what follows it in the sector
	offset uint32  // 0x14 of the physical volume header
	typ    [8]byte // 0x18 "LVM2 001"
}

func (l *label) decode(b []byte) {
	le := binary.LittleEndian
	copy(l.id[:], b[0x00:])
	l.sector = le.Uint64(b[0x08:])
	l.crc = le.Uint32(b[0x10:])
	l.offset = le.Uint32(b[0x14:])
	copy(l.typ[:], b[0x18:])
}

// An area is a part of a physical volume, in bytes.
type area struct{ off, size int64 }

// A PhysicalVolume is a device with a label.
type PhysicalVolume struct {
	UUID   string // as LVM prints it
	Size   int64  // bytes, as the label says
	Device block.Device
	// Name is what the caller calls it, for what is said of it; it may be "".
	Name string

	id    string // without dashes
	areas []area // of metadata
}

// Open reads the label of r. The error wraps block.ErrFormat if r is no
// physical volume.
func Open(r block.Device) (*PhysicalVolume, error) {
	n := min(int64(labelScan*sectorSize), r.Size())
	b, err := block.ReadBytes(r, 0, n/sectorSize*sectorSize, n)
	if err != nil {
		return nil, block.Locate(format, "label", 0, err)
	}
	for at := 0; at < len(b); at += sectorSize {
		s := b[at : at+sectorSize]
		var l label
		l.decode(s)
		if string(l.id[:]) != "LABELONE" || string(l.typ[:]) != "LVM2 001" {
			continue
		}
		fault := func(off int, class error, detail string, args ...any) error {
			return block.Errorf(format, "label", int64(at+off), class, detail, args...)
		}
		switch {
		case crc(s[0x14:]) != l.crc:
			return nil, fault(0x10, block.ErrCorrupt, "bad checksum")
		case l.sector != uint64(at/sectorSize):
			return nil, fault(0x08, block.ErrCorrupt, "it says that it lies in sector %d", l.sector)
		case l.offset < 0x20 || l.offset > sectorSize-40:
			return nil, fault(0x14, block.ErrCorrupt, "header at %d", l.offset)
		}
		return readPV(r, s, int(l.offset), int64(at))
	}
	return nil, block.Errorf(format, "label", 0, block.ErrFormat, "")
}

// readPV reads the physical volume header at off of the sector s: an ID, a
// size, and two lists of areas, each ended by an empty entry.
func readPV(r block.Device, s []byte, off int, at int64) (*PhysicalVolume, error) {
	pv := &PhysicalVolume{Device: r, id: string(s[off : off+32])}
	pv.UUID = dashed(pv.id)
	fault := func(off int, class error, detail string, args ...any) error {
		return block.Errorf(format, "physical volume header", at+int64(off), class, detail, args...)
	}
	size := binary.LittleEndian.Uint64(s[off+32:])
	if size > 1<<62 {
		return nil, fault(off+32, block.ErrCorrupt, "a size of %d bytes", size)
	}
	pv.Size = int64(size)
	off += 40
	for list := range 2 { // data, then metadata
		for n := 0; ; n++ {
			if off+16 > len(s) {
				return nil, fault(off, block.ErrCorrupt, "its areas do not end")
			}
			a, z := binary.LittleEndian.Uint64(s[off:]), binary.LittleEndian.Uint64(s[off+8:])
			off += 16
			if a == 0 {
				break
			}
			if n == maxAreas {
				return nil, fault(off, block.ErrLimit, "more than %d areas", maxAreas)
			}
			if list == 1 {
				if a > uint64(r.Size()) || z > uint64(r.Size())-a || z < mdaHeader {
					return nil, fault(off-16, block.ErrTruncated, "metadata area of %d bytes at %#x, the device has %d", z, a, r.Size())
				}
				pv.areas = append(pv.areas, area{int64(a), int64(z)})
			}
		}
	}
	return pv, nil
}

// label is what a problem calls a physical volume.
func (pv *PhysicalVolume) label() string {
	if pv.Name != "" {
		return pv.Name
	}
	return "a device of " + fmt.Sprint(pv.Device.Size()) + " bytes"
}

// dashed puts the dashes into an ID: 6-4-4-4-4-4-6.
func dashed(id string) string {
	if len(id) != 32 {
		return id
	}
	return id[:6] + "-" + id[6:10] + "-" + id[10:14] + "-" + id[14:18] + "-" + id[18:22] + "-" + id[22:26] + "-" + id[26:]
}

// mdaHead is the header of a metadata area.
type mdaHead struct {
	crc     uint32      // 0x00 of the rest of the sector
	magic   [16]byte    // 0x04
	version uint32      // 0x14
	start   uint64      // 0x18 of the area itself
	size    uint64      // 0x20
	text    rawLocation // 0x28 the committed metadata
}

// rawLocation says where a text lies in the ring.
type rawLocation struct {
	offset uint64 // 0x00
	size   uint64 // 0x08
	crc    uint32 // 0x10
	flags  uint32 // 0x14
}

func (l *rawLocation) decode(b []byte) {
	le := binary.LittleEndian
	l.offset = le.Uint64(b[0x00:])
	l.size = le.Uint64(b[0x08:])
	l.crc = le.Uint32(b[0x10:])
	l.flags = le.Uint32(b[0x14:])
}

func (h *mdaHead) decode(b []byte) {
	le := binary.LittleEndian
	h.crc = le.Uint32(b[0x00:])
	copy(h.magic[:], b[0x04:])
	h.version = le.Uint32(b[0x14:])
	h.start = le.Uint64(b[0x18:])
	h.size = le.Uint64(b[0x20:])
	h.text.decode(b[0x28:])
}

// text reads the committed metadata of an area, nil if there is none.
func (pv *PhysicalVolume) text(a area) ([]byte, error) {
	b, err := block.ReadBytes(pv.Device, a.off, mdaHeader, mdaHeader)
	if err != nil {
		return nil, block.Locate(format, "metadata area", a.off, err)
	}
	var h mdaHead
	h.decode(b)
	fault := func(off int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "metadata area", a.off+off, class, detail, args...)
	}
	t := h.text
	switch {
	case string(h.magic[:]) != mdaMagic:
		return nil, fault(4, block.ErrCorrupt, "no magic")
	case crc(b[4:]) != h.crc:
		return nil, fault(0, block.ErrCorrupt, "bad checksum")
	case h.version != 1:
		return nil, fault(0x14, block.ErrUnsupported, "version %d", h.version)
	case h.start != uint64(a.off) || h.size != uint64(a.size):
		return nil, fault(0x18, block.ErrCorrupt, "it says that it has %d bytes at %#x", h.size, h.start)
	case t.offset == 0 || t.flags&ignoredMDA != 0:
		return nil, nil
	case t.size > MaxMetadata:
		return nil, fault(0x30, block.ErrLimit, "metadata of %d bytes, at most %d are read", t.size, MaxMetadata)
	case t.offset < mdaHeader || t.offset >= h.size || t.size > h.size-mdaHeader:
		return nil, fault(0x28, block.ErrCorrupt, "metadata of %d bytes at %#x leaves the area", t.size, t.offset)
	}
	first := min(int64(t.size), a.size-int64(t.offset))
	text, err := block.ReadBytes(pv.Device, a.off+int64(t.offset), first, MaxMetadata)
	if err == nil && first < int64(t.size) { // the ring goes on behind the header
		var rest []byte
		rest, err = block.ReadBytes(pv.Device, a.off+mdaHeader, int64(t.size)-first, MaxMetadata)
		text = append(text, rest...)
	}
	if err != nil {
		return nil, block.Locate(format, "metadata", a.off+int64(t.offset), err)
	}
	if crc(text) != t.crc {
		return nil, fault(int64(t.offset), block.ErrCorrupt, "the metadata has a bad checksum")
	}
	return text, nil
}
