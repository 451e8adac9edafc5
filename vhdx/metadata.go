package vhdx

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/wide"
)

const (
	metadataTableSize = 64 * kib
	maxMetadata       = 2047
	maxLocatorSize    = 1 * mib // of the whole item
	maxLocatorKeys    = 64

	minBlockSize = 1 * mib
	maxBlockSize = 256 * mib

	// MaxSize is the largest disk in bytes, 64 TiB (section 2.6.2.2).
	MaxSize = 64 << 40
)

// Metadata items (section 2.6.2).
var (
	itemFileParameters = guid.Must("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
	itemDiskSize       = guid.Must("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
	itemDiskID         = guid.Must("beca12ab-b2e6-4523-93ef-c309e000c746")
	itemLogicalSector  = guid.Must("8141bf1d-a96f-4709-ba47-f233a8faab5f")
	itemPhysicalSector = guid.Must("cda348c7-445d-4471-9cc9-e9885251c556")
	itemParentLocator  = guid.Must("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
)

// itemNames are what errors call the items, and which are read at all.
var itemNames = map[guid.GUID]string{
	itemFileParameters: "file parameters", itemDiskSize: "virtual disk size", itemDiskID: "virtual disk ID",
	itemLogicalSector: "logical sector size", itemPhysicalSector: "physical sector size", itemParentLocator: "parent locator",
}

// locatorVHDX is the only type of parent locator (section 2.6.2.6.1).
var locatorVHDX = guid.Must("b04aefb7-d19e-4a81-b789-25b8e9445913")

// metadataEntry is section 2.6.1.2.
type metadataEntry struct {
	id     guid.GUID // 0x00
	offset uint32    // 0x10 in the region
	length uint32    // 0x14
	flags  uint32    // 0x18
}

const (
	flagUser     = 1 << 0
	flagDisk     = 1 << 1
	flagRequired = 1 << 2
)

func (e *metadataEntry) decode(b []byte) {
	copy(e.id[:], b[0x00:])
	e.offset = binary.LittleEndian.Uint32(b[0x10:])
	e.length = binary.LittleEndian.Uint32(b[0x14:])
	e.flags = binary.LittleEndian.Uint32(b[0x18:])
}

// is reports whether the entry is that of an item of the format, and not of one of
// the user's, which may have the same ID.
func (e *metadataEntry) is(id guid.GUID) bool { return e.id == id && e.flags&flagUser == 0 }

// encode writes the entry to b.
func (e *metadataEntry) encode(b []byte) {
	copy(b, e.id[:])
	binary.LittleEndian.PutUint32(b[0x10:], e.offset)
	binary.LittleEndian.PutUint32(b[0x14:], e.length)
	binary.LittleEndian.PutUint32(b[0x18:], e.flags)
}

// metadata is what the items say.
type metadata struct {
	size           int64
	blockSize      int64
	fixed          bool // leave blocks allocated
	hasParent      bool
	logicalSector  int64
	physicalSector int64
	diskID         guid.GUID
	locator        map[string]string
}

// readMetadata reads and checks the items of the region g.
func readMetadata(r block.Reader, g region) (m metadata, err error) {
	table, err := block.ReadBytes(r, g.off, metadataTableSize, metadataTableSize)
	if err != nil {
		return m, block.Locate(format, "metadata table", g.off, err)
	}
	if string(table[:8]) != "metadata" {
		return m, block.Errorf(format, "metadata table", g.off, block.ErrCorrupt, "no signature")
	}
	n := binary.LittleEndian.Uint16(table[10:])
	if n > maxMetadata {
		return m, block.Errorf(format, "metadata table", g.off+10, block.ErrLimit, "%d entries, at most %d are valid", n, maxMetadata)
	}
	seen := map[guid.GUID]bool{}
	var taken []metadataEntry
	for i := range int(n) {
		var e metadataEntry
		at := 32 + 32*i
		e.decode(table[at:])
		off := g.off + int64(at)
		name, known := itemNames[e.id]
		known = known && e.flags&flagUser == 0
		switch {
		case !known && e.flags&flagRequired != 0:
			return m, block.Errorf(format, "metadata table entry", off, block.ErrUnsupported, "unknown item %s is required", e.id)
		case !known:
			continue
		case seen[e.id]:
			return m, block.Errorf(format, "metadata table entry", off, block.ErrCorrupt, "a second %s", name)
		case e.offset < metadataTableSize || int64(e.length) > g.end-g.off || int64(e.offset) > g.end-g.off-int64(e.length):
			return m, block.Errorf(format, "metadata table entry", off, block.ErrCorrupt, "the %s at %#x of %d bytes lies outside of the region", name, e.offset, e.length)
		}
		for _, o := range taken { // at most one of each name
			if e.offset < o.offset+o.length && o.offset < e.offset+e.length {
				return m, block.Errorf(format, "metadata table entry", off, block.ErrCorrupt, "the %s at %#x lies over the %s", name, e.offset, itemNames[o.id])
			}
		}
		taken = append(taken, e)
		seen[e.id] = true
		at64 := g.off + int64(e.offset)
		b, err := block.ReadBytes(r, at64, int64(e.length), maxLocatorSize)
		if err == nil {
			err = m.item(e.id, b, at64)
		}
		if err != nil {
			return m, block.Locate(format, name, at64, err)
		}
	}
	for _, id := range []guid.GUID{itemFileParameters, itemDiskSize, itemLogicalSector} {
		if !seen[id] {
			return m, block.Errorf(format, "metadata table", g.off, block.ErrCorrupt, "there is no %s", itemNames[id])
		}
	}
	return m, m.validate(g.off)
}

// item takes in the item id, whose bytes b lie at off.
func (m *metadata) item(id guid.GUID, b []byte, off int64) error {
	need := map[guid.GUID]int{itemFileParameters: 8, itemDiskSize: 8, itemDiskID: 16, itemLogicalSector: 4, itemPhysicalSector: 4, itemParentLocator: 20}[id]
	if len(b) < need {
		return block.Errorf(format, itemNames[id], off, block.ErrCorrupt, "%d bytes, %d are needed", len(b), need)
	}
	le := binary.LittleEndian
	switch id {
	case itemFileParameters:
		flags := le.Uint32(b[4:])
		m.blockSize, m.fixed, m.hasParent = int64(le.Uint32(b)), flags&1 != 0, flags&2 != 0
	case itemDiskSize:
		size := le.Uint64(b)
		if size > MaxSize {
			return block.Errorf(format, itemNames[id], off, block.ErrLimit, "a disk of %d bytes, at most 64 TiB are valid", size)
		}
		m.size = int64(size)
	case itemDiskID:
		copy(m.diskID[:], b)
	case itemLogicalSector:
		m.logicalSector = int64(le.Uint32(b))
	case itemPhysicalSector:
		m.physicalSector = int64(le.Uint32(b))
	case itemParentLocator:
		return m.parseLocator(b, off)
	}
	return nil
}

func (m *metadata) validate(off int64) error {
	fault := func(detail string, args ...any) error {
		return block.Errorf(format, "metadata region", off, block.ErrCorrupt, detail, args...)
	}
	switch {
	case m.blockSize < minBlockSize || m.blockSize > maxBlockSize || m.blockSize&(m.blockSize-1) != 0:
		return fault("blocks of %d bytes; a power of two from 1 MiB to 256 MiB is valid", m.blockSize)
	case m.logicalSector != 512 && m.logicalSector != 4096:
		return fault("logical sectors of %d bytes; 512 and 4096 are valid", m.logicalSector)
	case m.size%m.logicalSector != 0:
		return fault("a disk of %d bytes is no number of sectors", m.size)
	case m.hasParent && m.locator == nil:
		return fault("the image has a parent and no parent locator")
	}
	return nil
}

// parseLocator reads the keys and values of a parent locator (section
// 2.6.2.6).
func (m *metadata) parseLocator(b []byte, off int64) error {
	fault := func(at int, class error, detail string, args ...any) error {
		return block.Errorf(format, "parent locator", off+int64(at), class, detail, args...)
	}
	var id guid.GUID
	copy(id[:], b)
	if id != locatorVHDX {
		return fault(0, block.ErrUnsupported, "type %s", id)
	}
	n := int(binary.LittleEndian.Uint16(b[18:]))
	if n > maxLocatorKeys {
		return fault(18, block.ErrLimit, "%d keys, at most %d are read", n, maxLocatorKeys)
	}
	if 20+12*n > len(b) {
		return fault(18, block.ErrCorrupt, "%d keys do not fit into %d bytes", n, len(b))
	}
	m.locator = map[string]string{}
	for i := range n {
		at := 20 + 12*i
		e := b[at:]
		le := binary.LittleEndian
		key, ok1 := utf16At(b, le.Uint32(e), le.Uint16(e[8:]))
		value, ok2 := utf16At(b, le.Uint32(e[4:]), le.Uint16(e[10:]))
		if !ok1 || !ok2 {
			return fault(at, block.ErrCorrupt, "key or value lies outside of the item")
		}
		m.locator[key] = value
	}
	return nil
}

// utf16At decodes n bytes of UTF-16 at off.
func utf16At(b []byte, off uint32, n uint16) (string, bool) {
	if int64(off)+int64(n) > int64(len(b)) || n%2 != 0 {
		return "", false
	}
	return wide.String(b[off:][:n], binary.LittleEndian), true
}
