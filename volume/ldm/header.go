package ldm

import (
	"encoding/binary"
	"strings"

	"github.com/guestkit/guestkit/block"
)

const (
	format = "ldm"

	sectorSize  = 512
	privheadLen = 0x18B
	tocLen      = 0x6A
	vmdbLen     = 0x85
	// maxDatabase bounds the region of the records. Windows makes it 740 KiB.
	maxDatabase = 8 << 20
)

// privhead says which disk of which group this is, and where its parts lie, in
// sectors. All numbers of the database are big-endian.
type privhead struct {
	magic        [8]byte  // 0x000 "PRIVHEAD"
	major        uint16   // 0x00C
	minor        uint16   // 0x00E 11 to Windows Server 2003, 12 since Vista
	disk         [64]byte // 0x030 GUID of the disk, as text
	group        [64]byte // 0x0B0 and of its group
	groupName    [32]byte // 0x0F0
	dataStart    uint64   // 0x11B
	dataSize     uint64   // 0x123
	databaseAt   uint64   // 0x12B
	databaseSize uint64   // 0x133
}

func (p *privhead) decode(b []byte) {
	copy(p.magic[:], b[0x000:])
	p.major = binary.BigEndian.Uint16(b[0x00C:])
	p.minor = binary.BigEndian.Uint16(b[0x00E:])
	copy(p.disk[:], b[0x030:])
	copy(p.group[:], b[0x0B0:])
	copy(p.groupName[:], b[0x0F0:])
	p.dataStart = binary.BigEndian.Uint64(b[0x11B:])
	p.dataSize = binary.BigEndian.Uint64(b[0x123:])
	p.databaseAt = binary.BigEndian.Uint64(b[0x12B:])
	p.databaseSize = binary.BigEndian.Uint64(b[0x133:])
}

// validate holds the places against a disk of so many sectors.
func (p *privhead) validate(sectors uint64) (detail string, class error) {
	switch {
	case string(p.magic[:]) != "PRIVHEAD":
		return "no PRIVHEAD", block.ErrFormat
	case p.major != 2 || p.minor != 11 && p.minor != 12:
		return "a version that is not known", block.ErrUnsupported
	case p.dataStart > sectors || p.dataSize > sectors-p.dataStart:
		return "the data of its volumes reach past the end of the disk", block.ErrTruncated
	case p.databaseAt > sectors || p.databaseSize > sectors-p.databaseAt:
		return "its database reaches past the end of the disk", block.ErrTruncated
	}
	return "", nil
}

// tocblock says where in the database its regions are.
type tocblock struct {
	magic [8]byte   // 0x00 "TOCBLOCK"
	parts [2]region // 0x24
}

type region struct {
	name  [8]byte // 0x00 "config" or "log"
	start uint64  // 0x0A sector of the database
	size  uint64  // 0x12 sectors
}

func (t *tocblock) decode(b []byte) {
	copy(t.magic[:], b[0x00:])
	for i := range t.parts {
		t.parts[i].decode(b[0x24+34*i:])
	}
}

func (r *region) decode(b []byte) {
	copy(r.name[:], b[0x00:])
	r.start = binary.BigEndian.Uint64(b[0x0A:])
	r.size = binary.BigEndian.Uint64(b[0x12:])
}

// vmdb is the head of the region of the records.
type vmdb struct {
	magic     [4]byte // 0x00 "VMDB"
	last      uint32  // 0x04 sequence number behind those in use
	blockSize uint32  // 0x08 of a VBLK, in bytes
	first     uint32  // 0x0C offset of the first VBLK
	state     uint16  // 0x10 1 if no change is under way
	major     uint16  // 0x12
	minor     uint16  // 0x14
	committed uint64  // 0x75 number of the last change
}

func (v *vmdb) decode(b []byte) {
	copy(v.magic[:], b[0x00:])
	v.last = binary.BigEndian.Uint32(b[0x04:])
	v.blockSize = binary.BigEndian.Uint32(b[0x08:])
	v.first = binary.BigEndian.Uint32(b[0x0C:])
	v.state = binary.BigEndian.Uint16(b[0x10:])
	v.major = binary.BigEndian.Uint16(b[0x12:])
	v.minor = binary.BigEndian.Uint16(b[0x14:])
	v.committed = binary.BigEndian.Uint64(b[0x75:])
}

// text is what stands before the first zero.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return strings.ToValidUTF8(s, "\uFFFD")
}
