package vhdx

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/wide"
)

// A Layout says what an image to be written is like. The zero value of every
// field but Size makes a dynamic image.
type Layout struct {
	// Size of the disk in bytes, rounded up to logical sectors; at most MaxSize.
	Size int64
	// Subformat is "dynamic" (also if empty) or "fixed".
	Subformat string
	// BlockSize is a power of two from 1 MiB to 256 MiB. 0 means what qemu-img
	// takes: 8 MiB, 16 MiB for disks above 1 GiB, 32 MiB above 100 GiB and
	// 64 MiB above 32 TiB.
	BlockSize int64
	// LogSize is a number of MiB in bytes; 0 means 1 MiB.
	LogSize int64
	// LogicalSector is 512 (also if 0) or 4096 bytes.
	LogicalSector int
	// BlockStateZero says of blocks without data that they are zeros. Otherwise
	// they are not present, as in images that Hyper-V makes, which reads as
	// zeros everywhere, though the specification leaves it open.
	BlockStateZero bool

	// DiskID identifies the disk, as the 16 bytes lie in the file; zero means a
	// random one. FileID is for the header's GUIDs, which differ from write to
	// write.
	DiskID, FileID [16]byte
}

const physicalSector = 4096

func invalid(detail string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", format, block.ErrOption, fmt.Sprintf(detail, args...))
}

// withDefaults fills the fields that are zero.
func (l Layout) withDefaults() Layout {
	if l.Subformat == "" {
		l.Subformat = "dynamic"
	}
	if l.BlockSize == 0 {
		switch {
		case l.Size > 32<<40:
			l.BlockSize = 64 * mib
		case l.Size > 100<<30:
			l.BlockSize = 32 * mib
		case l.Size > 1<<30:
			l.BlockSize = 16 * mib
		default:
			l.BlockSize = 8 * mib
		}
	}
	if l.LogSize == 0 {
		l.LogSize = 1 * mib
	}
	if l.LogicalSector == 0 {
		l.LogicalSector = 512
	}
	for _, id := range []*[16]byte{&l.DiskID, &l.FileID} {
		if *id == [16]byte{} {
			*id = guid.New()
		}
	}
	return l
}

// validate checks a Layout that has its defaults.
func (l *Layout) validate() error {
	switch {
	case l.Size <= 0:
		return invalid("a disk has one sector or more")
	case l.Size > MaxSize:
		return block.Errorf(format, "size", -1, block.ErrLimit, "a disk of %d bytes, at most 64 TiB are valid", l.Size)
	case l.Subformat != "dynamic" && l.Subformat != "fixed":
		return invalid("the subformat %q is not dynamic or fixed", l.Subformat)
	case bits.OnesCount64(uint64(l.BlockSize)) != 1 || l.BlockSize < minBlockSize || l.BlockSize > maxBlockSize:
		return invalid("the block size %d is no power of two from 1 MiB to 256 MiB", l.BlockSize)
	case l.LogSize < mib || l.LogSize%mib != 0 || l.LogSize > maxLog:
		return invalid("the log size %d is no number of MiB up to 1 GiB", l.LogSize)
	case l.LogicalSector != 512 && l.LogicalSector != 4096:
		return invalid("the logical sector size %d is not 512 or 4096", l.LogicalSector)
	}
	return nil
}

// A plan is where everything of an image lies:
//
//	| headers | log | metadata | BAT | blocks
type plan struct {
	disk          int64 // bytes
	chunk         int64 // blocks a chunk
	blocks        int64
	entries       int64 // of the BAT
	metadata, bat region
}

func (l *Layout) plan() plan {
	sector := int64(l.LogicalSector)
	p := plan{disk: (l.Size + sector - 1) / sector * sector}
	p.chunk = chunkRatio(sector, l.BlockSize)
	p.blocks = (p.disk + l.BlockSize - 1) / l.BlockSize
	p.entries = batEntries(p.blocks, p.chunk, false)
	at := reservedEnd + l.LogSize
	p.metadata = region{off: at, end: at + mib}
	length := (max(8*p.entries, 1) + mib - 1) / mib * mib // at most 512 MiB and 4 KiB
	p.bat = region{off: p.metadata.end, end: p.metadata.end + length}
	return p
}

// fileType encodes the file type identifier (section 2.2.1).
func fileType() []byte {
	b := append(make([]byte, 0, 8+512), fileSignature...)
	return wide.Append(b, "guestkit", binary.LittleEndian)
}

// regionTable encodes the region table (section 2.2.3).
func (p *plan) regionTable() []byte {
	b := make([]byte, regionTableSize)
	le := binary.LittleEndian
	copy(b, "regi")
	for i, e := range []regionEntry{
		{id: regionBAT, offset: uint64(p.bat.off), length: uint32(p.bat.end - p.bat.off), required: 1},
		{id: regionMetadata, offset: uint64(p.metadata.off), length: uint32(p.metadata.end - p.metadata.off), required: 1},
	} {
		e.encode(b[16+32*i:])
		le.PutUint32(b[8:], uint32(i)+1)
	}
	le.PutUint32(b[4:], checksum(b))
	return b
}

// metadataRegion encodes the metadata table and its items (section 2.6).
func (l *Layout) metadataRegion(disk int64) []byte {
	le := binary.LittleEndian
	parameters := le.AppendUint32(nil, uint32(l.BlockSize))
	fixed := uint32(0)
	if l.Subformat == "fixed" {
		fixed = 1 // leave blocks allocated
	}
	b := make([]byte, metadataTableSize)
	copy(b, "metadata")
	for i, item := range []struct {
		id    guid.GUID
		flags uint32
		data  []byte
	}{
		{itemFileParameters, flagRequired, le.AppendUint32(parameters, fixed)},
		{itemDiskSize, flagDisk | flagRequired, le.AppendUint64(nil, uint64(disk))},
		{itemDiskID, flagDisk | flagRequired, l.DiskID[:]},
		{itemLogicalSector, flagDisk | flagRequired, le.AppendUint32(nil, uint32(l.LogicalSector))},
		{itemPhysicalSector, flagDisk | flagRequired, le.AppendUint32(nil, physicalSector)},
	} {
		e := metadataEntry{id: item.id, offset: uint32(len(b)), length: uint32(len(item.data)), flags: item.flags}
		e.encode(b[32+32*i:])
		le.PutUint16(b[10:], uint16(i)+1)
		b = append(b, item.data...)
	}
	return b
}

// headers encodes the two headers, of which the second is current.
func (l *Layout) headers() (first, second []byte) {
	h := header{version: 1, logLength: uint32(l.LogSize), logOffset: reservedEnd, sequenceNumber: 1}
	copy(h.signature[:], "head")
	h.fileWriteGUID, h.dataWriteGUID = l.FileID, l.FileID
	first = h.encode()
	h.sequenceNumber++
	return first, h.encode()
}
