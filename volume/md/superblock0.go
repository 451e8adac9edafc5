package md

import (
	"encoding/binary"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

const (
	super0Size  = 4096
	maxDisks0   = 27
	reserved0   = 64 << 10
	diskFaulty  = 1 << 0
	diskActive  = 1 << 1
	diskSync    = 1 << 2
	diskMostly  = 1 << 9
	state0Clean = 1 << 0
)

// super0 is a superblock of version 0.90 (mdp_super_t): words in the byte order
// of the machine that wrote it.
type super0 struct {
	magic    uint32      // 0x000
	major    uint32      // 0x004
	minor    uint32      // 0x008
	patch    uint32      // 0x00c
	uuid0    uint32      // 0x014
	level    int32       // 0x01c
	size     uint32      // 0x020 KiB used of each member
	disks    uint32      // 0x028
	mdMinor  uint32      // 0x02c the number that the array had
	uuid     [3]uint32   // 0x034
	utime    uint32      // 0x080
	state    uint32      // 0x084
	checksum uint32      // 0x098
	events   uint64      // 0x09c in the order of the machine
	recovery uint32      // 0x0ac sectors that are in sync
	reshape  uint64      // 0x0b0
	layout   uint32      // 0x100
	chunk    uint32      // 0x104 bytes
	members  [27]member0 // 0x200
	this     member0     // 0xf80
}

// member0 describes a member in a superblock of version 0.90.
type member0 struct {
	number uint32 // 0x00
	role   uint32 // 0x0c
	state  uint32 // 0x10
}

func (s *super0) decode(b []byte, order binary.ByteOrder) {
	word := func(off int) uint32 { return order.Uint32(b[off:]) }
	s.magic, s.major, s.minor, s.patch = word(0x00), word(0x04), word(0x08), word(0x0c)
	s.uuid0 = word(0x14)
	s.level = int32(word(0x1c))
	s.size = word(0x20)
	s.disks, s.mdMinor = word(0x28), word(0x2c)
	for i := range s.uuid {
		s.uuid[i] = order.Uint32(b[0x34+4*i:])
	}
	s.utime, s.state = word(0x80), word(0x84)
	s.checksum = word(0x98)
	s.events = order.Uint64(b[0x9c:])
	s.recovery = word(0xac)
	s.reshape = order.Uint64(b[0xb0:])
	s.layout, s.chunk = word(0x100), word(0x104)
	for i := range s.members {
		s.members[i] = decodeMember0(b[0x200+0x80*i:], order)
	}
	s.this = decodeMember0(b[0xf80:], order)
}

func decodeMember0(b []byte, order binary.ByteOrder) member0 {
	return member0{order.Uint32(b[0x00:]), order.Uint32(b[0x0c:]), order.Uint32(b[0x10:])}
}

// sum0 is the checksum of a superblock of version 0.90, whose own field counts
// as zero.
func sum0(b []byte, order binary.ByteOrder) uint32 {
	sum := uint64(0)
	for i := 0; i < super0Size; i += 4 {
		if i != 0x98 {
			sum += uint64(order.Uint32(b[i:]))
		}
	}
	return uint32(sum) + uint32(sum>>32)
}

// place0 is where a superblock of version 0.90 lies: in the last whole 64 KiB
// but one of a device.
func place0(size int64) int64 { return size&^(reserved0-1) - reserved0 }

// open0 reads a superblock of version 0.90, and gives nil if there is none.
func open0(r block.Device) (*Member, error) {
	off := place0(r.Size())
	if off < 0 {
		return nil, nil
	}
	b, err := block.ReadBytes(r, off, super0Size, super0Size)
	if err != nil {
		return nil, block.Locate(format, "superblock", off, err)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if order.Uint32(b) != magic {
		order = binary.BigEndian
	}
	var s super0
	s.decode(b, order)
	if s.magic != magic || s.major != 0 {
		return nil, nil
	}
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "superblock", off+at, class, detail, args...)
	}
	switch {
	case sum0(b, order) != s.checksum:
		return nil, fault(0x98, block.ErrCorrupt, "bad checksum")
	case s.minor != 90 && s.minor != 91:
		return nil, fault(0x08, block.ErrUnsupported, "version 0.%d", s.minor)
	case s.disks > maxDisks0 || s.this.number >= maxDisks0:
		return nil, fault(0x28, block.ErrCorrupt, "%d members, this is number %d", s.disks, s.this.number)
	}
	var id [16]byte
	binary.BigEndian.PutUint32(id[0:], s.uuid0)
	for i, w := range s.uuid {
		binary.BigEndian.PutUint32(id[4+4*i:], w)
	}
	m := &Member{
		Device:   r,
		Version:  "0.90",
		UUID:     uuid(id[:]),
		Name:     fmt.Sprint(s.mdMinor),
		Events:   s.events,
		number:   int(s.this.number),
		utime:    uint64(s.utime),
		at:       off,
		dataSize: off,
		synced:   -1,
		clean:    s.state&state0Clean != 0,
		shape: shape{
			level: int(s.level), layout: s.layout, disks: int(s.disks),
			chunk: int64(s.chunk), size: int64(s.size) << 10,
			laidOut: s.level != 0,
			reshape: s.minor == 91 && s.reshape != maxSector,
		},
	}
	m.Own = fmt.Sprintf("member %d", m.number)
	for i := range s.members {
		d := &s.members[i]
		role := roleSpare
		switch {
		case d.state&diskFaulty != 0:
			role = roleFaulty
		case d.state&diskSync != 0 && d.role < s.disks:
			role = int(d.role)
		}
		m.roles = append(m.roles, role)
		if i == m.number {
			m.writeMostly = d.state&diskMostly != 0
		}
	}
	return m, nil
}
