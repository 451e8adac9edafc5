package vmdk

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/paged"
)

const (
	seMagic    = 0xcafebabe
	seVolatile = 0xcafecafe
	seVersion  = 0x200000001
	seGrain    = 8  // sectors
	seTable    = 64 // sectors a grain table, 4,096 entries
)

// seHeader is the constant header of a seSparse extent. Offsets and sizes are
// sectors.
type seHeader struct {
	magic             uint64 // 0x00
	version           uint64 // 0x08
	capacity          uint64 // 0x10
	grainSize         uint64 // 0x18
	grainTableSize    uint64 // 0x20
	flags             uint64 // 0x28
	volatileOffset    uint64 // 0x50
	volatileSize      uint64 // 0x58
	journalHeader     uint64 // 0x60
	journalHeaderSize uint64 // 0x68
	journal           uint64 // 0x70
	journalSize       uint64 // 0x78
	directory         uint64 // 0x80
	directorySize     uint64 // 0x88
	tables            uint64 // 0x90
	tablesSize        uint64 // 0x98
	freeBitmap        uint64 // 0xa0
	freeBitmapSize    uint64 // 0xa8
	backmap           uint64 // 0xb0
	backmapSize       uint64 // 0xb8
	grains            uint64 // 0xc0
	grainsSize        uint64 // 0xc8
}

func (h *seHeader) decode(b []byte) {
	le := binary.LittleEndian
	h.magic = le.Uint64(b[0x00:])
	h.version = le.Uint64(b[0x08:])
	h.capacity = le.Uint64(b[0x10:])
	h.grainSize = le.Uint64(b[0x18:])
	h.grainTableSize = le.Uint64(b[0x20:])
	h.flags = le.Uint64(b[0x28:])
	h.volatileOffset = le.Uint64(b[0x50:])
	h.volatileSize = le.Uint64(b[0x58:])
	h.journalHeader = le.Uint64(b[0x60:])
	h.journalHeaderSize = le.Uint64(b[0x68:])
	h.journal = le.Uint64(b[0x70:])
	h.journalSize = le.Uint64(b[0x78:])
	h.directory = le.Uint64(b[0x80:])
	h.directorySize = le.Uint64(b[0x88:])
	h.tables = le.Uint64(b[0x90:])
	h.tablesSize = le.Uint64(b[0x98:])
	h.freeBitmap = le.Uint64(b[0xa0:])
	h.freeBitmapSize = le.Uint64(b[0xa8:])
	h.backmap = le.Uint64(b[0xb0:])
	h.backmapSize = le.Uint64(b[0xb8:])
	h.grains = le.Uint64(b[0xc0:])
	h.grainsSize = le.Uint64(b[0xc8:])
}

// maxSector bounds every offset and size in the header, so that they do not
// overflow as bytes.
const maxSector = MaxSize / sectorSize

func (h *seHeader) validate(fileSize int64) error {
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "seSparse header", at, class, detail, args...)
	}
	switch {
	case h.magic != seMagic:
		return fault(0, block.ErrFormat, "")
	case h.version != seVersion:
		return fault(0x08, block.ErrUnsupported, "version %#x, only %#x is read", h.version, uint64(seVersion))
	case h.grainSize != seGrain || h.grainTableSize != seTable:
		return fault(0x18, block.ErrUnsupported, "grains of %d sectors and tables of %d; only %d and %d are read", h.grainSize, h.grainTableSize, seGrain, seTable)
	case h.flags != 0:
		return fault(0x28, block.ErrUnsupported, "flags %#x", h.flags)
	case h.capacity > maxSector:
		return fault(0x10, block.ErrLimit, "a disk of %d sectors", h.capacity)
	}
	for at, v := range map[int64]uint64{0x50: h.volatileOffset, 0x80: h.directory, 0x88: h.directorySize, 0x90: h.tables, 0x98: h.tablesSize, 0xc0: h.grains, 0xc8: h.grainsSize} {
		if v > maxSector {
			return fault(at, block.ErrCorrupt, "sector %#x", v)
		}
	}
	areas := []struct {
		at     int64
		what   string
		off, n uint64
	}{{0, "header", 0, 1}, {0x50, "volatile header", h.volatileOffset, 1}, {0x80, "grain directory", h.directory, h.directorySize},
		{0x90, "grain tables", h.tables, h.tablesSize}, {0xc0, "grains", h.grains, h.grainsSize}}
	for i, a := range areas {
		for _, b := range areas[:i] {
			if a.off < b.off+b.n && b.off < a.off+a.n {
				return fault(a.at, block.ErrCorrupt, "the %s at sector %#x lie over the %s", a.what, a.off, b.what)
			}
		}
	}
	if int64(h.directory+h.directorySize)*sectorSize > fileSize {
		return fault(0x80, block.ErrTruncated, "the grain directory does not end in the file")
	}
	const perEntry = seTable * sectorSize / 8 * seGrain // sectors of the disk
	if (int64(h.capacity)+perEntry-1)/perEntry > int64(h.directorySize)*sectorSize/8 {
		return fault(0x88, block.ErrCorrupt, "a grain directory of %d sectors is too small for a disk of %d", h.directorySize, h.capacity)
	}
	return nil
}

// seMap finds the grains of a seSparse extent.
type seMap struct {
	h        seHeader
	pages    *paged.Cache
	fileSize int64
}

// openSESparse opens a seSparse extent. One whose journal was not replayed is
// refused.
func openSESparse(r block.Reader, o *Options) (*grains, error) {
	b, err := block.ReadBytes(r, 0, headerSize, headerSize)
	if err != nil {
		return nil, block.Locate(format, "seSparse header", 0, err)
	}
	m := &seMap{fileSize: r.Size(), pages: paged.New(r, 4096, o.tableBudget())}
	m.h.decode(b)
	if err := m.h.validate(r.Size()); err != nil {
		return nil, err
	}
	at := int64(m.h.volatileOffset) * sectorSize
	if b, err = block.ReadBytes(r, at, headerSize, headerSize); err != nil {
		return nil, block.Locate(format, "seSparse volatile header", at, err)
	}
	if binary.LittleEndian.Uint64(b) != seVolatile {
		return nil, block.Errorf(format, "seSparse volatile header", at, block.ErrCorrupt, "no magic")
	}
	if binary.LittleEndian.Uint64(b[0x18:]) != 0 {
		return nil, block.Errorf(format, "seSparse volatile header", at+0x18, block.ErrUnsupported, "the journal is to be replayed, which only ESXi can do")
	}
	return &grains{r: r, size: int64(m.h.capacity) * sectorSize, grain: seGrain * sectorSize, table: m}, nil
}

// Kinds of a grain table entry, its highest four bits.
const (
	seUnset    = 0
	seUnmapped = 1 // by the guest
	seZero     = 2
	seStored   = 3
)

func (m *seMap) find(i, need int64) (place, error) {
	const perTable = seTable * sectorSize / 8
	at := int64(m.h.directory)*sectorSize + 8*(i/perTable)
	b, err := m.pages.View(at, 8)
	if err != nil {
		return place{}, block.Locate(format, "seSparse grain directory", at, err)
	}
	e := binary.LittleEndian.Uint64(b)
	if e == 0 {
		return place{kind: placeUnset, same: perTable - i%perTable}, nil
	}
	table := e & 0xffffffff
	if e>>32 != 0x10000000 || table >= m.h.tablesSize/seTable {
		return place{}, block.Errorf(format, "seSparse grain directory", at, block.ErrCorrupt, "entry %#x", e)
	}
	at = (int64(m.h.tables)+int64(table)*seTable)*sectorSize + 8*(i%perTable)
	if b, err = m.pages.View(at, 8); err != nil {
		return place{}, block.Locate(format, "seSparse grain table", at, err)
	}
	e = binary.LittleEndian.Uint64(b)
	switch {
	case e == 0:
		return place{kind: placeUnset, same: 1}, nil
	case e>>60 == seUnmapped || e>>60 == seZero:
		return place{kind: placeZero, same: 1}, nil
	case e>>60 != seStored:
		return place{}, block.Errorf(format, "seSparse grain table", at, block.ErrCorrupt, "entry %#x", e)
	}
	// The number of the grain: its low 12 bits are at 48, the others at 0.
	n := e>>48&0xfff | e&0xffffffffffff<<12
	if n >= m.h.grainsSize/seGrain {
		return place{}, block.Errorf(format, "seSparse grain table", at, block.ErrCorrupt, "grain %#x lies outside of the grains", n)
	}
	off := (int64(m.h.grains) + int64(n)*seGrain) * sectorSize
	if off > m.fileSize || need > m.fileSize-off {
		return place{}, block.Errorf(format, "seSparse grain table", at, block.ErrTruncated, "grain %d at %#x, the file ends at %#x", i, off, m.fileSize)
	}
	return place{kind: placeStored, off: off}, nil
}
