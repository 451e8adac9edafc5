package vhd

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/overlays"
	"github.com/guestkit/guestkit/internal/wide"
)

// A Layout says what an image to be written is like. The zero value of every
// field but Size makes a dynamic image of exactly that size.
type Layout struct {
	// Size of the disk in bytes, rounded up to sectors of 512; at most MaxSize, or MaxFixedSize
	// of a fixed image.
	Size int64
	// Subformat is "dynamic" (also if empty) or "fixed".
	Subformat string
	// BlockSize is a power of two from 512 KiB to 64 MiB; 0 means 2 MiB, the
	// only one that every program reads.
	BlockSize int64
	// Geometry rounds the size up to what cylinders, heads and sectors can say,
	// as Virtual PC and qemu-img without force_size do. Otherwise the image
	// says that its size is the one in bytes.
	Geometry bool
	// Allocate gives every block of a dynamic image its place.
	Allocate bool
	// Parent makes a differencing image: what is never mentioned reads from it.
	Parent *Parent

	UUID    [16]byte  // of the image; zero means a random one
	Created time.Time // zero means now
}

// A Parent is the image that a differencing image holds the changes to.
type Parent struct {
	// Name is its path relative to the image, or an absolute one.
	Name string
	// UUID and Size are those of its Info. The new disk has the same size.
	UUID string
	Size int64
	// Modified is when its file was written to.
	Modified time.Time
}

const (
	defaultBlockSize  = 2 << 20
	smallestNewBlock  = 512 << 10
	largestNewBlock   = 64 << 20
	dynamicHeaderAt   = footerSize
	firstFreeByte     = dynamicHeaderAt + dynamicSize
	granularity       = 4096 // of what is written, in the disk and in the file, so that it can be shared with another one
	locatorName       = "W2ru"
	locatorNameAbs    = "W2ku"
	creatorBytes      = "qem2" // the sizes in bytes count, as presents has it
	creatorGeometry   = "qemu" // the geometry counts
	creatorVersion    = 0x00050003
	creatorHost       = "Wi2k"
	featureReserved   = 2
	noOffset          = 1<<64 - 1
	maxGeometryCyls   = 65535
	maxGeometryHeads  = 16
	maxGeometrySector = 255
)

func invalid(detail string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", format, block.ErrOption, fmt.Sprintf(detail, args...))
}

// withDefaults fills the fields that are zero.
func (l Layout) withDefaults() Layout {
	if l.Subformat == "" {
		l.Subformat = "dynamic"
	}
	if l.BlockSize == 0 {
		l.BlockSize = defaultBlockSize
	}
	if l.UUID == [16]byte{} {
		l.UUID = guid.NewUUID()
	}
	if l.Created.IsZero() {
		l.Created = time.Now()
	}
	return l
}

// validate checks a Layout that has its defaults.
func (l *Layout) validate() error {
	switch {
	case l.Size < 0:
		return invalid("the size is negative")
	case l.Size == 0 && l.Subformat == "fixed":
		return invalid("a fixed image without a byte would be a footer alone, which no program takes for one")
	case l.Size > MaxSize && l.Subformat != "fixed":
		return block.Errorf(format, "size", -1, block.ErrLimit, "a disk of %d bytes, at most %d (2040 GiB) are valid; a fixed image may be larger", l.Size, int64(MaxSize))
	case l.Size > MaxFixedSize:
		return block.Errorf(format, "size", -1, block.ErrLimit, "a disk of %d bytes, at most %d (64 TiB) are written", l.Size, int64(MaxFixedSize))
	case l.Subformat != "dynamic" && l.Subformat != "fixed":
		return invalid("the subformat %q is not dynamic or fixed", l.Subformat)
	case bits.OnesCount64(uint64(l.BlockSize)) != 1 || l.BlockSize < smallestNewBlock || l.BlockSize > largestNewBlock:
		return invalid("the block size %d is no power of two from 512 KiB to 64 MiB", l.BlockSize)
	case l.Parent == nil:
		return nil
	case l.Subformat == "fixed" || l.Geometry || l.Allocate:
		return invalid("a differencing image is dynamic, and its size is exact")
	case l.Size != l.Parent.Size:
		return invalid("a differencing disk of %d bytes, its parent has %d", l.Size, l.Parent.Size)
	case l.Parent.Name == "":
		return invalid("the name of the parent is empty")
	case wide.Len(l.Parent.Name) > 255:
		return invalid("the name of the parent is longer than 255 characters")
	}
	if _, err := guid.ParseUUID(l.Parent.UUID); err != nil {
		return invalid("the unique ID %q of the parent has not the form 8-4-4-4-12", l.Parent.UUID)
	}
	return overlays.Name(format, "create", block.ErrOption, l.Parent.Name)
}

// footer makes the footer, which has the size of the disk.
func (l *Layout) footer() footer {
	f := footer{features: featureReserved, version: version1, dataOffset: noOffset, timestamp: timestamp(l.Created),
		creatorVersion: creatorVersion, diskType: typeFixed, uniqueID: l.UUID}
	copy(f.cookie[:], footerCookie)
	copy(f.creatorHost[:], creatorHost)
	sectors := (l.Size + sectorSize - 1) / sectorSize
	if l.Geometry {
		copy(f.creatorApp[:], creatorGeometry)
		sectors = f.roundUp(sectors)
	} else {
		copy(f.creatorApp[:], creatorBytes)
		f.geometry(sectors)
		if f.sectorsOfGeometry() != sectors {
			// The largest one means that it does not say the size.
			f.cylinders, f.heads, f.sectors = maxGeometryCyls, maxGeometryHeads, maxGeometrySector
		}
	}
	f.originalSize, f.currentSize = uint64(sectors*sectorSize), uint64(sectors*sectorSize)
	switch {
	case l.Parent != nil:
		f.diskType, f.dataOffset = typeDifferencing, dynamicHeaderAt
	case l.Subformat == "dynamic":
		f.diskType, f.dataOffset = typeDynamic, dynamicHeaderAt
	}
	return f
}

// timestamp is in the format's seconds.
func timestamp(t time.Time) uint32 {
	return uint32(min(max(t.Unix()-epoch.Unix(), 0), 1<<32-1))
}

func (f *footer) sectorsOfGeometry() int64 {
	return int64(f.cylinders) * int64(f.heads) * int64(f.sectors)
}

// roundUp sets a geometry that is not less than a number of sectors, and
// returns the size that it means.
func (f *footer) roundUp(sectors int64) int64 {
	for try := sectors; ; try++ {
		f.geometry(try)
		switch said := f.sectorsOfGeometry(); {
		case said >= maxGeometry:
			return sectors
		case said >= sectors:
			return said
		}
	}
}

// geometry sets the geometry of a number of sectors, rounded down, as the
// appendix of the specification computes it.
func (f *footer) geometry(sectors int64) {
	sectors = min(sectors, maxGeometry)
	var track, heads, tracks int64 // tracks is cylinders times heads
	if sectors >= 65535*16*63 {
		track, heads = 255, 16
		tracks = sectors / track
	} else {
		track = 17
		tracks = sectors / track
		heads = max((tracks+1023)/1024, 4)
		if tracks >= heads*1024 || heads > 16 {
			track, heads = 31, 16
			tracks = sectors / track
		}
		if tracks >= heads*1024 {
			track, heads = 63, 16
			tracks = sectors / track
		}
	}
	f.cylinders, f.heads, f.sectors = uint16(tracks/heads), uint8(heads), uint8(track)
}

// dynamic makes the header of a dynamic image, whose BAT lies behind the names
// of the parent.
func (l *Layout) dynamic(f *footer) dynamicHeader {
	h := dynamicHeader{dataOffset: noOffset, tableOffset: firstFreeByte, version: version1, blockSize: uint32(l.BlockSize)}
	copy(h.cookie[:], dynamicCookie)
	h.maxTableEntries = uint32((int64(f.currentSize) + l.BlockSize - 1) / l.BlockSize)
	if p := l.Parent; p != nil {
		h.parentID, _ = guid.ParseUUID(p.UUID)
		h.parentTime = timestamp(p.Modified)
		path := strings.ReplaceAll(p.Name, "/", `\`)
		copy(h.parentName[:], wide.Append(nil, path[strings.LastIndexByte(path, '\\')+1:], binary.BigEndian))
		name := wide.Append(nil, p.locator(), binary.LittleEndian)
		space := (uint32(len(name)) + sectorSize - 1) / sectorSize * sectorSize
		h.locators[0] = locator{dataSpace: space, dataLength: uint32(len(name)), dataOffset: h.tableOffset}
		copy(h.locators[0].code[:], locatorName)
		if p.absolute() {
			copy(h.locators[0].code[:], locatorNameAbs)
		}
		h.tableOffset += uint64(space)
	}
	return h
}

// locator is the name of the parent as a locator has it.
func (p *Parent) locator() string {
	name := strings.ReplaceAll(p.Name, "/", `\`)
	if p.absolute() {
		return name
	}
	return `.\` + strings.TrimPrefix(name, `.\`)
}

// absolute reports whether the name starts at a root or a drive.
func (p *Parent) absolute() bool {
	n := p.Name
	return n[0] == '/' || n[0] == '\\' || len(n) > 1 && n[1] == ':'
}
