package md

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
)

const (
	format     = "md"
	magic      = 0xa92b4efc
	sectorSize = 512
	maxSector  = 1<<64 - 1 // "all of it"
	maxSize    = 1 << 61   // bytes of anything
)

// The features of a superblock of version 1.
const (
	featBitmap         = 1 << 0
	featRecoveryOffset = 1 << 1
	featReshape        = 1 << 2
	featBadBlocks      = 1 << 3
	featReplacement    = 1 << 4
	featReshapeBack    = 1 << 5
	featNewOffset      = 1 << 6
	featRecoveryBitmap = 1 << 7
	featClustered      = 1 << 8
	featJournal        = 1 << 9
	featPPL            = 1 << 10
	featMultiplePPLs   = 1 << 11
	featRAID0Layout    = 1 << 12
	featAll            = 1<<13 - 1
)

// The roles of a member that are none of the array.
const (
	roleSpare   = 0xffff
	roleFaulty  = 0xfffe
	roleJournal = 0xfffd
	roleMax     = 0xff00
)

// super1Size is the size of a superblock of version 1 without its roles.
const super1Size = 0x100

// super1 is a superblock of version 1 (struct mdp_superblock_1).
type super1 struct {
	magic       uint32   // 0x00
	major       uint32   // 0x04
	features    uint32   // 0x08
	setUUID     [16]byte // 0x10
	setName     [32]byte // 0x20
	level       int32    // 0x48
	layout      uint32   // 0x4c
	size        uint64   // 0x50 sectors used of each member
	chunk       uint32   // 0x58 sectors
	disks       uint32   // 0x5c
	bitmap      int32    // 0x60 sectors from the superblock
	newLevel    int32    // 0x64
	reshape     uint64   // 0x68
	dataOffset  uint64   // 0x80 sectors
	dataSize    uint64   // 0x88 sectors
	superOffset uint64   // 0x90 sectors
	recovery    uint64   // 0x98 sectors; of a journal, where it begins
	devNumber   uint32   // 0xa0
	devUUID     [16]byte // 0xa8
	devFlags    uint8    // 0xb8
	badShift    uint8    // 0xb9
	badSize     uint16   // 0xba sectors
	badOffset   int32    // 0xbc sectors from the superblock
	utime       uint64   // 0xc0
	events      uint64   // 0xc8
	resync      uint64   // 0xd0 sectors that are in sync
	checksum    uint32   // 0xd8
	maxDev      uint32   // 0xdc entries of roles
	roles       []uint16 // 0x100
}

func (s *super1) decode(b []byte) {
	le := binary.LittleEndian
	s.magic = le.Uint32(b[0x00:])
	s.major = le.Uint32(b[0x04:])
	s.features = le.Uint32(b[0x08:])
	copy(s.setUUID[:], b[0x10:])
	copy(s.setName[:], b[0x20:])
	s.level = int32(le.Uint32(b[0x48:]))
	s.layout = le.Uint32(b[0x4c:])
	s.size = le.Uint64(b[0x50:])
	s.chunk = le.Uint32(b[0x58:])
	s.disks = le.Uint32(b[0x5c:])
	s.bitmap = int32(le.Uint32(b[0x60:]))
	s.newLevel = int32(le.Uint32(b[0x64:]))
	s.reshape = le.Uint64(b[0x68:])
	s.dataOffset = le.Uint64(b[0x80:])
	s.dataSize = le.Uint64(b[0x88:])
	s.superOffset = le.Uint64(b[0x90:])
	s.recovery = le.Uint64(b[0x98:])
	s.devNumber = le.Uint32(b[0xa0:])
	copy(s.devUUID[:], b[0xa8:])
	s.devFlags = b[0xb8]
	s.badShift = b[0xb9]
	s.badSize = le.Uint16(b[0xba:])
	s.badOffset = int32(le.Uint32(b[0xbc:]))
	s.utime = le.Uint64(b[0xc0:])
	s.events = le.Uint64(b[0xc8:])
	s.resync = le.Uint64(b[0xd0:])
	s.checksum = le.Uint32(b[0xd8:])
	s.maxDev = le.Uint32(b[0xdc:])
}

// maxRoles bounds the entries of roles: what fits into the 4 KiB that a
// superblock has.
const maxRoles = (4096 - super1Size) / 2

// sum1 is the checksum of a superblock with its roles, whose own field counts
// as zero.
func sum1(b []byte) uint32 {
	le := binary.LittleEndian
	sum := uint64(0)
	for i := 0; i+4 <= len(b); i += 4 {
		if i != 0xd8 {
			sum += uint64(le.Uint32(b[i:]))
		}
	}
	if len(b)%4 == 2 {
		sum += uint64(le.Uint16(b[len(b)-2:]))
	}
	return uint32(sum) + uint32(sum>>32)
}

// places1 are where superblocks of version 1 lie on a device of a size.
func places1(size int64) [3]struct {
	minor int
	off   int64
} {
	return [3]struct {
		minor int
		off   int64
	}{{1, 0}, {2, 4096}, {0, (size/sectorSize - 16) &^ 7 * sectorSize}}
}

// open1 reads a superblock of version 1 at off, and gives nil if there is none.
func open1(r block.Device, minor int, off int64) (*Member, error) {
	if off < 0 || off > r.Size()-super1Size {
		return nil, nil
	}
	b, err := block.ReadBytes(r, off, min(4096, r.Size()-off), 4096)
	if err != nil {
		return nil, block.Locate(format, "superblock", off, err)
	}
	var s super1
	s.decode(b)
	if s.magic != magic || s.major != 1 || s.superOffset != uint64(off/sectorSize) {
		return nil, nil
	}
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "superblock", off+at, class, detail, args...)
	}
	if s.maxDev > maxRoles || super1Size+2*int(s.maxDev) > len(b) {
		return nil, fault(0xdc, block.ErrCorrupt, "%d roles", s.maxDev)
	}
	b = b[:super1Size+2*int(s.maxDev)]
	if sum1(b) != s.checksum {
		return nil, fault(0xd8, block.ErrCorrupt, "bad checksum")
	}
	for i := range int(s.maxDev) {
		s.roles = append(s.roles, binary.LittleEndian.Uint16(b[super1Size+2*i:]))
	}
	m := &Member{
		Device:  r,
		Version: fmt.Sprintf("1.%d", minor),
		UUID:    uuid(s.setUUID[:]),
		Events:  s.events,
		devUUID: uuid(s.devUUID[:]),
		number:  int(s.devNumber),
		utime:   s.utime & (1<<40 - 1),
		at:      off,
	}
	m.Name = text(s.setName[:])
	m.Own = m.devUUID
	return m, m.take1(&s, fault)
}

// take1 checks a superblock and takes what it says.
func (m *Member) take1(s *super1, fault func(at int64, class error, detail string, args ...any) error) error {
	const most = maxSize / sectorSize
	switch {
	case s.features&^featAll != 0:
		return fault(0x08, block.ErrUnsupported, "features %#x that are not known", s.features&^featAll)
	case s.dataOffset > most || s.dataSize > most || s.size > most:
		return fault(0x80, block.ErrCorrupt, "%d sectors of data at sector %d, of which %d are used", s.dataSize, s.dataOffset, s.size)
	case s.disks > maxRoles:
		return fault(0x5c, block.ErrCorrupt, "%d members", s.disks)
	}
	m.features = s.features
	m.shape = shape{
		level: int(s.level), layout: s.layout, disks: int(s.disks),
		chunk: int64(s.chunk) * sectorSize, size: int64(s.size) * sectorSize,
		laidOut: s.level != 0 || s.features&featRAID0Layout != 0,
		reshape: s.features&featReshape != 0,
	}
	m.dataOff, m.dataSize = int64(s.dataOffset)*sectorSize, int64(s.dataSize)*sectorSize
	m.clean = s.resync == maxSector
	m.synced = -1
	m.roles = make([]int, len(s.roles))
	for i, r := range s.roles {
		m.roles[i] = int(r)
	}
	if m.role(m.number) == roleJournal {
		m.journalTail = int64(min(s.recovery, most)) * sectorSize
	} else if s.features&featRecoveryOffset != 0 {
		m.synced = int64(min(s.recovery, most)) * sectorSize
	}
	m.writeMostly = s.devFlags&1 != 0
	m.replacement = s.features&featReplacement != 0
	if s.features&featBadBlocks != 0 {
		m.badAt, m.badSize, m.badShift = m.at+int64(s.badOffset)*sectorSize, int64(s.badSize)*sectorSize, uint(s.badShift)
	}
	if s.features&featBitmap != 0 && s.features&featPPL == 0 {
		m.bitmapAt = m.at + int64(s.bitmap)*sectorSize
	}
	return nil
}

// uuid prints an ID as mdadm does.
func uuid(b []byte) string { return fmt.Sprintf("%x:%x:%x:%x", b[:4], b[4:8], b[8:12], b[12:16]) }

// text is a string that zeros fill up.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return strings.ToValidUTF8(s, "�")
}
