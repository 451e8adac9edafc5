package vmdk

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/paged"
	"github.com/guestkit/guestkit/internal/problem"
)

const (
	cowdMagic      = "COWD"
	cowdHeaderSize = 2048
	cowdTable      = 4096 // entries a grain table
	cowdRoot       = 1 << 0
)

// cowdHeader is the beginning of the header of a vmfsSparse extent.
type cowdHeader struct {
	magic        [4]byte // 0x00 "COWD"
	version      uint32  // 0x04
	flags        uint32  // 0x08 bit 0: a disk without a parent
	numSectors   uint32  // 0x0c of the disk
	grainSize    uint32  // 0x10 sectors
	gdOffset     uint32  // 0x14 sectors
	numGDEntries uint32  // 0x18
	freeSector   uint32  // 0x1c
}

func (h *cowdHeader) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.magic[:], b[0x00:])
	h.version = le.Uint32(b[0x04:])
	h.flags = le.Uint32(b[0x08:])
	h.numSectors = le.Uint32(b[0x0c:])
	h.grainSize = le.Uint32(b[0x10:])
	h.gdOffset = le.Uint32(b[0x14:])
	h.numGDEntries = le.Uint32(b[0x18:])
	h.freeSector = le.Uint32(b[0x1c:])
}

func (h *cowdHeader) validate(fileSize int64) error {
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "COWD header", at, class, detail, args...)
	}
	entries := int64(h.numGDEntries)
	switch {
	case string(h.magic[:]) != cowdMagic:
		return fault(0, block.ErrFormat, "")
	case h.version != 1:
		return fault(0x04, block.ErrUnsupported, "version %d, only 1 is read", h.version)
	case h.grainSize == 0 || h.grainSize > maxGrain || h.grainSize&(h.grainSize-1) != 0:
		return fault(0x10, block.ErrCorrupt, "grains of %d sectors; a power of two to %d is valid", h.grainSize, maxGrain)
	case entries > maxDirectory:
		return fault(0x18, block.ErrLimit, "a grain directory of %d entries", entries)
	case int64(h.numSectors) > entries*cowdTable*int64(h.grainSize):
		return fault(0x18, block.ErrCorrupt, "%d entries are too few for a disk of %d sectors", entries, h.numSectors)
	case int64(h.gdOffset)*sectorSize < cowdHeaderSize:
		return fault(0x14, block.ErrCorrupt, "grain directory at sector %d", h.gdOffset)
	case int64(h.gdOffset)*sectorSize+4*entries > fileSize:
		return fault(0x14, block.ErrTruncated, "the grain directory at sector %d does not end in the file", h.gdOffset)
	}
	return nil
}

// openCOWD opens a vmfsSparse extent.
func openCOWD(r block.Reader, o *Options, problems *problem.List) (*grains, *cowdHeader, error) {
	b, err := block.ReadBytes(r, 0, cowdHeaderSize, cowdHeaderSize)
	if err != nil {
		return nil, nil, block.Locate(format, "COWD header", 0, err)
	}
	var h cowdHeader
	h.decode(b)
	if err := h.validate(r.Size()); err != nil {
		return nil, nil, err
	}
	gd, n := int64(h.gdOffset)*sectorSize, int64(h.numGDEntries)
	d := &directory{pages: paged.New(r, 4096, o.tableBudget()), fileSize: r.Size(), off: gd, entries: n, perTable: cowdTable,
		grain: int64(h.grainSize) * sectorSize, problems: problems,
		taken: []span{{"header", 0, cowdHeaderSize}, {"grain directory", gd, gd + 4*n}}}
	return &grains{r: r, size: int64(h.numSectors) * sectorSize, grain: d.grain, table: d}, &h, nil
}
