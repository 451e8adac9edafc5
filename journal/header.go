package journal

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
)

const (
	format        = "journal"
	signature     = "LPKSHHRH"
	minHeaderSize = 208 // of the first version
)

// The incompatible flags of a header.
const (
	flagXZ      = 1 << 0
	flagLZ4     = 1 << 1
	flagKeyed   = 1 << 2
	flagZstd    = 1 << 3
	flagCompact = 1 << 4
	flagsKnown  = flagXZ | flagLZ4 | flagKeyed | flagZstd | flagCompact
)

// flagSealed is a compatible flag: the file holds tags.
const flagSealed = 1 << 0

// A State says how a journal file was left.
type State uint8

// The states of a file.
const (
	Offline  State = 0 // closed
	Online   State = 1 // open for writing, or not closed when its machine stopped
	Archived State = 2 // closed, and never written again
)

// String is the name that journalctl --header prints, in lower case.
func (s State) String() string {
	switch s {
	case Offline:
		return "offline"
	case Online:
		return "online"
	case Archived:
		return "archived"
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// An ID is a 128-bit ID of systemd: of a machine, a boot, a file.
type ID [16]byte

// String is the ID in 32 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads an ID of 32 hexadecimal digits, or of the form of a UUID.
func ParseID(s string) (ID, bool) {
	var id ID
	if len(s) == 36 {
		s = strings.ReplaceAll(s, "-", "")
	}
	if len(s) != 2*len(id) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err == nil
}

// fileHeader begins a journal file.
type fileHeader struct {
	signature    [8]byte // 0x00 "LPKSHHRH"
	compatible   uint32  // 0x08
	incompatible uint32  // 0x0c
	state        State   // 0x10, 7 reserved bytes behind it
	fileID       ID      // 0x18 the key of keyed hashes
	machineID    ID      // 0x28
	tailBoot     ID      // 0x38 of the last entry
	seqnumID     ID      // 0x48 files with the same share their sequence numbers
	headerSize   uint64  // 0x58
	arenaSize    uint64  // 0x60 of all that follows the header
	// 0x68 data hash table: offset, size; 0x78 field hash table: offset, size
	tailObject    uint64 // 0x88
	objects       uint64 // 0x90
	entries       uint64 // 0x98
	tailSeqnum    uint64 // 0xa0
	headSeqnum    uint64 // 0xa8
	entryArray    uint64 // 0xb0
	headRealtime  uint64 // 0xb8 microseconds since 1970
	tailRealtime  uint64 // 0xc0
	tailMonotonic uint64 // 0xc8
	// 0xd0 counts of objects by type, depths of chains, the end of the arrays
}

func (h *fileHeader) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.signature[:], b)
	h.compatible = le.Uint32(b[0x08:])
	h.incompatible = le.Uint32(b[0x0c:])
	h.state = State(b[0x10])
	copy(h.fileID[:], b[0x18:])
	copy(h.machineID[:], b[0x28:])
	copy(h.tailBoot[:], b[0x38:])
	copy(h.seqnumID[:], b[0x48:])
	h.headerSize = le.Uint64(b[0x58:])
	h.arenaSize = le.Uint64(b[0x60:])
	h.tailObject = le.Uint64(b[0x88:])
	h.objects = le.Uint64(b[0x90:])
	h.entries = le.Uint64(b[0x98:])
	h.tailSeqnum = le.Uint64(b[0xa0:])
	h.headSeqnum = le.Uint64(b[0xa8:])
	h.entryArray = le.Uint64(b[0xb0:])
	h.headRealtime = le.Uint64(b[0xb8:])
	h.tailRealtime = le.Uint64(b[0xc0:])
	h.tailMonotonic = le.Uint64(b[0xc8:])
}

func (h *fileHeader) has(flag uint32) bool { return h.incompatible&flag != 0 }

// readHeader reads the header of r. ErrFormat means that r is no journal file.
func readHeader(r block.Reader) (*fileHeader, error) {
	if r.Size() < int64(len(signature)) {
		return nil, block.Errorf(format, "header", 0, block.ErrFormat, "")
	}
	b, err := block.ReadBytes(r, 0, min(r.Size(), minHeaderSize), minHeaderSize)
	if err != nil {
		return nil, block.Locate(format, "header", 0, err)
	}
	if string(b[:8]) != signature {
		return nil, block.Errorf(format, "header", 0, block.ErrFormat, "")
	}
	if len(b) < minHeaderSize {
		return nil, block.Errorf(format, "header", 0, block.ErrTruncated, "it has %d bytes, %d are there", minHeaderSize, len(b))
	}
	h := new(fileHeader)
	h.decode(b)
	return h, h.validate()
}

func (h *fileHeader) validate() error {
	switch {
	case h.incompatible&^flagsKnown != 0:
		return block.Errorf(format, "header", 0x0c, block.ErrUnsupported, "incompatible flags %#x", h.incompatible&^uint32(flagsKnown))
	case h.headerSize < minHeaderSize || h.headerSize%8 != 0 || h.headerSize > 1<<20:
		return block.Errorf(format, "header", 0x58, block.ErrCorrupt, "it says that it has %d bytes", h.headerSize)
	case h.arenaSize > 1<<62:
		return block.Errorf(format, "header", 0x60, block.ErrCorrupt, "it says that %d bytes follow it", h.arenaSize)
	}
	return nil
}
