package fat

import (
	"encoding/binary"
	"strings"

	"github.com/guestkit/guestkit/block"
)

const (
	bpbLen = 512

	maxFAT12 = 4084 // clusters; one more makes a FAT16
	maxFAT16 = 65524
	maxFAT32 = 0x0FFFFFF5

	dirtyState = 0x01 // of state: mounted, or not unmounted cleanly
)

// bpb is the BIOS parameter block in sector 0. Its end differs between FAT32
// and the others.
type bpb struct {
	bytesPerSector    uint16 // 0x0B
	sectorsPerCluster uint8  // 0x0D
	reserved          uint16 // 0x0E: sectors before the first FAT
	fats              uint8  // 0x10
	rootEntries       uint16 // 0x11: 0 for FAT32
	total16           uint16 // 0x13
	media             uint8  // 0x15
	fatSize16         uint16 // 0x16: in sectors; 0 for FAT32
	total32           uint32 // 0x20

	fatSize32   uint32 // 0x24: from here to infoSector FAT32 only
	extFlags    uint16 // 0x28: bit 7: only the FAT in bits 0 to 3 is kept
	version     uint16 // 0x2A
	rootCluster uint32 // 0x2C
	infoSector  uint16 // 0x30

	state   uint8    // 0x25, FAT32 0x41
	bootSig uint8    // 0x26, FAT32 0x42: 0x29 says that the next three exist
	serial  uint32   // 0x27, FAT32 0x43
	label   [11]byte // 0x2B, FAT32 0x47
}

func (b *bpb) decode(s []byte) {
	b.bytesPerSector = binary.LittleEndian.Uint16(s[0x0B:])
	b.sectorsPerCluster = s[0x0D]
	b.reserved = binary.LittleEndian.Uint16(s[0x0E:])
	b.fats = s[0x10]
	b.rootEntries = binary.LittleEndian.Uint16(s[0x11:])
	b.total16 = binary.LittleEndian.Uint16(s[0x13:])
	b.media = s[0x15]
	b.fatSize16 = binary.LittleEndian.Uint16(s[0x16:])
	b.total32 = binary.LittleEndian.Uint32(s[0x20:])
	tail := s[0x25:]
	if b.fatSize16 == 0 {
		b.fatSize32 = binary.LittleEndian.Uint32(s[0x24:])
		b.extFlags = binary.LittleEndian.Uint16(s[0x28:])
		b.version = binary.LittleEndian.Uint16(s[0x2A:])
		b.rootCluster = binary.LittleEndian.Uint32(s[0x2C:])
		b.infoSector = binary.LittleEndian.Uint16(s[0x30:])
		tail = s[0x41:]
	}
	b.state = tail[0]
	b.bootSig = tail[1]
	b.serial = binary.LittleEndian.Uint32(tail[2:])
	copy(b.label[:], tail[6:])
}

// A geometry is where the parts of the volume lie, in bytes.
type geometry struct {
	bits      int // of an entry of the FAT: 12, 16, 32
	cluster   int64
	fatOff    int64 // of the active FAT
	fatLen    int64
	rootOff   int64 // FAT12 and FAT16
	rootLen   int64
	dataOff   int64 // of cluster 2
	clusters  uint32
	size      int64
	shortFAT  bool // it has no entries for the last clusters
	sectorLen int64
}

// validate checks all that the BPB says and works out the geometry.
func (b *bpb) validate() (*geometry, error) {
	bad := func(off int64, class error, detail string, args ...any) (*geometry, error) {
		return nil, block.Errorf(format, "BPB", off, class, detail, args...)
	}
	sector, spc := int64(b.bytesPerSector), int64(b.sectorsPerCluster)
	total, fatSize := int64(b.total16), int64(b.fatSize16)
	if total == 0 {
		total = int64(b.total32)
	}
	if fatSize == 0 {
		fatSize = int64(b.fatSize32)
	}
	switch {
	case sector < 512 || sector > 4096 || sector&(sector-1) != 0:
		return bad(0x0B, block.ErrCorrupt, "sectors of %d bytes", sector)
	case spc == 0 || spc&(spc-1) != 0:
		return bad(0x0D, block.ErrCorrupt, "clusters of %d sectors", spc)
	case b.reserved == 0:
		return bad(0x0E, block.ErrCorrupt, "no reserved sectors")
	case b.fats == 0:
		return bad(0x10, block.ErrCorrupt, "no FAT")
	case b.media != 0xF0 && b.media < 0xF8:
		return bad(0x15, block.ErrCorrupt, "media type %#02x", b.media)
	case fatSize == 0:
		return bad(0x16, block.ErrCorrupt, "a FAT of no sectors")
	case b.fatSize16 == 0 && b.version != 0:
		return bad(0x2A, block.ErrUnsupported, "FAT32 version %d.%d", b.version>>8, b.version&0xFF)
	case b.fatSize16 == 0 != (b.rootEntries == 0):
		return bad(0x11, block.ErrCorrupt, "%d entries in the root directory", b.rootEntries)
	case int64(b.rootEntries)*direntLen%sector != 0:
		return bad(0x11, block.ErrCorrupt, "%d entries in the root directory do not fill whole sectors", b.rootEntries)
	}
	g := &geometry{bits: 32, sectorLen: sector, cluster: sector * spc, size: total * sector}
	g.fatOff, g.fatLen = int64(b.reserved)*sector, fatSize*sector
	g.rootOff, g.rootLen = g.fatOff+int64(b.fats)*g.fatLen, int64(b.rootEntries)*direntLen
	g.dataOff = g.rootOff + g.rootLen
	if g.dataOff > g.size-g.cluster {
		return bad(0x16, block.ErrCorrupt, "%d FATs of %d sectors leave no room in %d sectors", b.fats, fatSize, total)
	}
	clusters := (g.size - g.dataOff) / g.cluster
	if b.fatSize16 != 0 {
		g.bits = 16
		if clusters <= maxFAT12 {
			g.bits = 12
		}
	}
	if room := g.fatLen*8/int64(g.bits) - 2; clusters > room {
		clusters, g.shortFAT = room, true
	}
	if clusters < 1 || clusters > maxFAT32 || g.bits == 16 && clusters > maxFAT16 {
		return bad(0x13, block.ErrCorrupt, "%d clusters", clusters)
	}
	g.clusters = uint32(clusters)
	if g.bits == 32 {
		if b.extFlags&0x80 != 0 {
			active := int64(b.extFlags & 0xF)
			if active >= int64(b.fats) {
				return bad(0x28, block.ErrCorrupt, "FAT %d is the active one, of %d", active, b.fats)
			}
			g.fatOff += active * g.fatLen
		}
		if !g.valid(b.rootCluster) {
			return bad(0x2C, block.ErrCorrupt, "the root directory starts at cluster %d", b.rootCluster)
		}
	}
	return g, nil
}

// valid reports whether the volume has cluster c.
func (g *geometry) valid(c uint32) bool { return c >= 2 && c-2 < g.clusters }

// offset returns where cluster c starts.
func (g *geometry) offset(c uint32) int64 { return g.dataOff + int64(c-2)*g.cluster }

// version names the width of the FAT.
func (g *geometry) version() string {
	switch g.bits {
	case 12:
		return "FAT12"
	case 16:
		return "FAT16"
	}
	return "FAT32"
}

// volumeLabel is the label in the BPB, which counts where the root directory
// has none.
func (b *bpb) volumeLabel() string {
	label := strings.TrimRight(string(b.label[:]), " ")
	if b.bootSig != 0x29 || label == "NO NAME" || strings.Trim(label, "\x00") == "" {
		return ""
	}
	return label
}
