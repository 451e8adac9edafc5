package bitlocker

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
)

const (
	infoSize    = 64
	datasetSize = 48
	maxInfo     = 64 << 10
)

// The states of a volume.
const (
	stateDecrypted = 1
	stateDirty     = 2 // a conversion was interrupted: a part lies in a log
	statePaused    = 3
	stateEncrypted = 4
	stateSwitching = 5 // a conversion is going on
)

var stateNames = map[uint16]string{
	stateDecrypted: "decrypted", stateDirty: "in conversion, interrupted", statePaused: "conversion paused",
	stateEncrypted: "encrypted", stateSwitching: "in conversion",
}

// information is the head of a copy of the metadata.
type information struct {
	signature          [8]byte        // 0x00
	size               uint16         // 0x08 of the metadata, in units of 16 bytes since version 2
	version            uint16         // 0x0a
	currentState       uint16         // 0x0c
	nextState          uint16         // 0x0e
	stateOffset        uint64         // 0x10 where the encrypted part ends
	stateSize          uint32         // 0x18 of the log of a conversion, which begins there
	virtualizedSectors uint32         // 0x1c how many of the first sectors lie elsewhere
	offsets            [copies]uint64 // 0x20 of the copies
	virtualizedOffset  uint64         // 0x38 where they lie; of Vista, the cluster of the mirror of the MFT
	dataset            datasetHeader  // 0x40
}

// datasetHeader begins the entries of the metadata, and a startup key file.
type datasetHeader struct {
	size       uint32    // 0x00
	version    uint32    // 0x04
	start      uint32    // 0x08 of the entries
	end        uint32    // 0x0c
	id         guid.GUID // 0x10
	nonce      uint32    // 0x20
	encryption uint16    // 0x24
	created    uint64    // 0x28 FILETIME
}

func (h *information) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.signature[:], b)
	h.size = le.Uint16(b[0x08:])
	h.version = le.Uint16(b[0x0a:])
	h.currentState = le.Uint16(b[0x0c:])
	h.nextState = le.Uint16(b[0x0e:])
	h.stateOffset = le.Uint64(b[0x10:])
	h.stateSize = le.Uint32(b[0x18:])
	h.virtualizedSectors = le.Uint32(b[0x1c:])
	for i := range h.offsets {
		h.offsets[i] = le.Uint64(b[0x20+8*i:])
	}
	h.virtualizedOffset = le.Uint64(b[0x38:])
	h.dataset.decode(b[0x40:])
}

func (h *datasetHeader) decode(b []byte) {
	le := binary.LittleEndian
	h.size = le.Uint32(b)
	h.version = le.Uint32(b[0x04:])
	h.start = le.Uint32(b[0x08:])
	h.end = le.Uint32(b[0x0c:])
	copy(h.id[:], b[0x10:])
	h.nonce = le.Uint32(b[0x20:])
	h.encryption = le.Uint16(b[0x24:])
	h.created = le.Uint64(b[0x28:])
}

// entries returns the part of a data set that holds its entries.
func (h *datasetHeader) entries(b []byte) ([]byte, bool) {
	if h.start < datasetSize || h.end < h.start || int64(h.end) > int64(len(b)) {
		return nil, false
	}
	return b[h.start:h.end], true
}

// metadata is one copy that has been checked.
type metadata struct {
	off int64
	information
	raw       []byte  // what the checks are over
	data      []datum // the entries
	integrity *datum  // a hash of raw, wrapped by the VMK; nil of Vista
}

// readMetadata reads the copy at off and compares its CRC-32.
func readMetadata(r block.Reader, off int64) (*metadata, error) {
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "FVE metadata", off+at, class, detail, args...)
	}
	if off <= 0 || off > r.Size()-infoSize-datasetSize {
		return nil, block.Errorf(format, "boot sector", -1, block.ErrTruncated, "a copy of the FVE metadata at %#x, the volume has %#x bytes", off, r.Size())
	}
	b, err := block.ReadBytes(r, off, min(maxInfo, r.Size()-off), maxInfo)
	if err != nil {
		return nil, block.Locate(format, "FVE metadata", off, err)
	}
	m := &metadata{off: off}
	m.decode(b)
	if string(m.signature[:]) != signature {
		return nil, fault(0, block.ErrCorrupt, "no signature")
	}
	size := int(m.size)
	switch m.version {
	case 1:
	case 2:
		size *= 16
	default:
		return nil, fault(0x0a, block.ErrUnsupported, "version %d", m.version)
	}
	if size < infoSize+datasetSize || size+8 > len(b) {
		return nil, fault(0x08, block.ErrCorrupt, "%d bytes", size)
	}
	m.raw = b[:size]
	check := b[size:]
	if sum := binary.LittleEndian.Uint32(check[4:]); sum != crc32.ChecksumIEEE(m.raw) {
		return nil, fault(int64(size)+4, block.ErrCorrupt, "bad checksum")
	}
	entries, ok := m.dataset.entries(b[infoSize:size])
	if !ok {
		return nil, fault(infoSize+0x08, block.ErrCorrupt, "entries from %d to %d", m.dataset.start, m.dataset.end)
	}
	if m.data, err = parseData(entries, off+infoSize+int64(m.dataset.start), 0); err != nil {
		return nil, err
	}
	if n := int(binary.LittleEndian.Uint16(check)); m.version >= 2 && n > 8 && n <= len(check) {
		if d, err := parseData(check[8:n], off+int64(size)+8, 0); err == nil && len(d) > 0 {
			m.integrity = &d[0]
		}
	}
	return m, nil
}

// validate checks what the metadata says of the volume.
func (m *metadata) validate(sector, size int64) error {
	fault := func(at int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "FVE metadata", m.off+at, class, detail, args...)
	}
	if stateNames[m.currentState] == "" {
		return fault(0x0c, block.ErrUnsupported, "state %d", m.currentState)
	}
	for i, o := range m.offsets {
		if o > uint64(size) || o%uint64(sector) != 0 {
			return fault(0x20+8*int64(i), block.ErrCorrupt, "a copy at %#x", o)
		}
	}
	if m.version >= 2 {
		n := uint64(m.virtualizedSectors) * uint64(sector)
		if m.virtualizedOffset > uint64(size) || m.virtualizedOffset%uint64(sector) != 0 || n > uint64(size)-m.virtualizedOffset {
			return fault(0x38, block.ErrCorrupt, "%d relocated sectors at %#x", m.virtualizedSectors, m.virtualizedOffset)
		}
	}
	if m.stateOffset%uint64(sector) != 0 || m.stateOffset > 1<<62 {
		return fault(0x10, block.ErrCorrupt, "the encrypted part ends at %#x", m.stateOffset)
	}
	return nil
}
