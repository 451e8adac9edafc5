package vhd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
)

const (
	format     = "vhd"
	footerSize = 512
	// Virtual PC before 2004 wrote footers of 511 bytes.
	oldFooterSize = 511
	sectorSize    = 512
	footerCookie  = "conectix"
	version1      = 0x00010000

	// MaxSize is the largest disk of a dynamic or differencing image in bytes:
	// 2,040 GiB, the limit of the format as Virtual PC, Hyper-V and qemu keep
	// it, since a BAT holds sector numbers of 32 bits.
	MaxSize = 2040 << 30
	// MaxFixedSize is that of a fixed image, 64 TiB. The format itself sets no
	// limit to it: sizes have 64 bits, and no sector number is stored. Azure and
	// libvhdi take more than MaxSize; Hyper-V and qemu do not.
	MaxFixedSize = 64 << 40
)

// Disk types.
const (
	typeFixed        = 2
	typeDynamic      = 3
	typeDifferencing = 4
)

// epoch is where the format's timestamps start.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// footer is the hard disk footer.
type footer struct {
	cookie         [8]byte   // 0x00 "conectix"
	features       uint32    // 0x08 2 is always set, 1 is temporary
	version        uint32    // 0x0c
	dataOffset     uint64    // 0x10 of the dynamic header, all ones if fixed
	timestamp      uint32    // 0x18 seconds since 2000-01-01
	creatorApp     [4]byte   // 0x1c
	creatorVersion uint32    // 0x20
	creatorHost    [4]byte   // 0x24
	originalSize   uint64    // 0x28
	currentSize    uint64    // 0x30
	cylinders      uint16    // 0x38
	heads          uint8     // 0x3a
	sectors        uint8     // 0x3b per track
	diskType       uint32    // 0x3c
	checksum       uint32    // 0x40
	uniqueID       guid.UUID // 0x44
	savedState     uint8     // 0x54
	reserved       [427]byte // 0x55
}

func (f *footer) decode(b []byte) {
	be := binary.BigEndian
	copy(f.cookie[:], b[0x00:])
	f.features = be.Uint32(b[0x08:])
	f.version = be.Uint32(b[0x0c:])
	f.dataOffset = be.Uint64(b[0x10:])
	f.timestamp = be.Uint32(b[0x18:])
	copy(f.creatorApp[:], b[0x1c:])
	f.creatorVersion = be.Uint32(b[0x20:])
	copy(f.creatorHost[:], b[0x24:])
	f.originalSize = be.Uint64(b[0x28:])
	f.currentSize = be.Uint64(b[0x30:])
	f.cylinders = be.Uint16(b[0x38:])
	f.heads = b[0x3a]
	f.sectors = b[0x3b]
	f.diskType = be.Uint32(b[0x3c:])
	f.checksum = be.Uint32(b[0x40:])
	copy(f.uniqueID[:], b[0x44:])
	f.savedState = b[0x54]
	copy(f.reserved[:], b[0x55:])
}

// encode writes the footer with its checksum.
func (f *footer) encode() []byte {
	b := make([]byte, footerSize)
	be := binary.BigEndian
	copy(b[0x00:], f.cookie[:])
	be.PutUint32(b[0x08:], f.features)
	be.PutUint32(b[0x0c:], f.version)
	be.PutUint64(b[0x10:], f.dataOffset)
	be.PutUint32(b[0x18:], f.timestamp)
	copy(b[0x1c:], f.creatorApp[:])
	be.PutUint32(b[0x20:], f.creatorVersion)
	copy(b[0x24:], f.creatorHost[:])
	be.PutUint64(b[0x28:], f.originalSize)
	be.PutUint64(b[0x30:], f.currentSize)
	be.PutUint16(b[0x38:], f.cylinders)
	b[0x3a] = f.heads
	b[0x3b] = f.sectors
	be.PutUint32(b[0x3c:], f.diskType)
	copy(b[0x44:], f.uniqueID[:])
	b[0x54] = f.savedState
	copy(b[0x55:], f.reserved[:])
	be.PutUint32(b[0x40:], checksum(b, 0x40))
	return b
}

// checksum is the ones' complement of the sum of all bytes but the four of the
// checksum itself, which lie at skip.
func checksum(b []byte, skip int) uint32 {
	sum := uint32(0)
	for i, c := range b {
		if i < skip || i >= skip+4 {
			sum += uint32(c)
		}
	}
	return ^sum
}

// validate holds the rules that need nothing but the footer, which lies at
// off.
func (f *footer) validate(off int64) error {
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "footer", off+at, class, detail, args...)
	}
	switch {
	case f.version != version1:
		return fault(0x0c, block.ErrUnsupported, "version %d.%d, only 1.0 is read", f.version>>16, f.version&0xffff)
	case f.diskType != typeFixed && f.diskType != typeDynamic && f.diskType != typeDifferencing:
		return fault(0x3c, block.ErrUnsupported, "disk type %d", f.diskType)
	case f.currentSize > uint64(f.most()):
		return fault(0x30, block.ErrLimit, "a disk of %d bytes, at most %d are valid", f.currentSize, f.most())
	case f.currentSize%sectorSize != 0:
		return fault(0x30, block.ErrCorrupt, "a disk of %d bytes is no number of sectors", f.currentSize)
	}
	return nil
}

// A SizeRule says which of the two sizes in a footer is the disk's.
type SizeRule int

const (
	// SizeByCreator takes the bytes (currentSize), but for the programs that are
	// known to present the geometry. Where that is at its maximum, it cannot say
	// the size, and the bytes are taken too.
	SizeByCreator SizeRule = iota
	SizeCurrent            // always the bytes
	SizeGeometry           // always the geometry
)

// presents says what the creator applications that are known present: true the
// bytes (Hyper-V and Windows, qemu with force_size, disk2vhd, Citrix XenServer,
// its tap driver, VirtualBox, Azure), false the geometry (Virtual PC, Virtual
// Server, qemu without force_size).
var presents = map[string]bool{
	"win ": true, "qem2": true, "d2v ": true, "CTXS": true, "tap\x00": true, "vbox": true, "wa\x00\x00": true,
	"vpc ": false, "vs  ": false, "qemu": false,
}

// maxGeometry is the largest disk that a geometry can say, in sectors.
const maxGeometry = 65535 * 16 * 255

// size returns the disk's size in bytes.
func (f *footer) size(rule SizeRule) int64 {
	sectors := int64(f.cylinders) * int64(f.heads) * int64(f.sectors)
	current := int64(f.currentSize)
	switch {
	case sectors == 0: // no geometry at all
		return current
	case rule == SizeCurrent, rule == SizeByCreator && sectors >= maxGeometry:
		return current
	case rule == SizeByCreator:
		if bytes, known := presents[string(f.creatorApp[:])]; bytes || !known {
			return current
		}
	}
	return sectors * sectorSize
}

// doubt says what there is to say about the two sizes of a disk that has size
// bytes as it is presented, nil if that is beyond doubt: the other one cuts the
// disk, or nobody knows which one its creator means.
func (f *footer) doubt(off, size int64) error {
	bytes, geometry := int64(f.currentSize), f.size(SizeGeometry)
	current, known := presents[string(f.creatorApp[:])]
	if f.size(SizeByCreator) == geometry && geometry >= bytes || f.size(SizeByCreator) == bytes && known && current || f.sectorsOfGeometry() >= maxGeometry || bytes == geometry {
		return nil
	}
	return &block.Error{Format: format, What: "footer", Off: off + 0x30, Err: fmt.Errorf("%w: the disk has %d bytes as they are counted and %d by its geometry, and %d are read; the creator is %q; vhd.SizeRule chooses",
		ErrSizes, bytes, geometry, size, f.creatorApp[:])}
}

// ErrSizes says of a problem that a footer has two sizes, and why the one was
// taken. Nothing need be wrong with the image.
var ErrSizes = errors.New("two sizes")

// IsFooter reports whether b, of 512 bytes or of 511 as Virtual PC wrote them
// before 2004, is a hard disk footer whose checksum is right. cookie tells that
// it begins like one at least.
func IsFooter(b []byte) (cookie, valid bool) {
	if len(b) != footerSize && len(b) != oldFooterSize || string(b[:8]) != footerCookie {
		return false, false
	}
	return true, checksum(b, 0x40) == binary.BigEndian.Uint32(b[0x40:])
}

// most is the size of the largest disk of that type.
func (f *footer) most() int64 {
	if f.diskType == typeFixed {
		return MaxFixedSize
	}
	return MaxSize
}
