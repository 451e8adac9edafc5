package btrfs

import (
	"bytes"
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	format = "btrfs"

	superblockSize = 4096
	magic          = "_BHRfS_M"
	labelSize      = 256
	sysChunkSize   = 2048
	maxLevel       = 8 // of a tree, its leaves counted
	minNodeSize    = 4096
	maxNodeSize    = 64 << 10
)

// superblockOffs are the places of the superblock and its mirrors.
var superblockOffs = [...]int64{64 << 10, 64 << 20, 256 << 30}

type uuid [16]byte

// devItem is struct btrfs_dev_item.
type devItem struct {
	devid      uint64 // 0x00
	totalBytes uint64 // 0x08
	bytesUsed  uint64 // 0x10
	uuid       uuid   // 0x42
	fsid       uuid   // 0x52
}

const devItemSize = 0x62

func (d *devItem) decode(b []byte) {
	le := binary.LittleEndian
	d.devid = le.Uint64(b[0x00:])
	d.totalBytes = le.Uint64(b[0x08:])
	d.bytesUsed = le.Uint64(b[0x10:])
	copy(d.uuid[:], b[0x42:])
	copy(d.fsid[:], b[0x52:])
}

// superblock is struct btrfs_super_block as far as a reader needs it.
type superblock struct {
	csum            [32]byte // 0x000
	fsid            uuid     // 0x020
	bytenr          uint64   // 0x030
	flags           uint64   // 0x038
	magic           string   // 0x040
	generation      uint64   // 0x048
	root            uint64   // 0x050
	chunkRoot       uint64   // 0x058
	logRoot         uint64   // 0x060
	totalBytes      uint64   // 0x070
	bytesUsed       uint64   // 0x078
	numDevices      uint64   // 0x088
	sectorSize      uint32   // 0x090
	nodeSize        uint32   // 0x094
	sysChunkArray   []byte   // 0x32B, its size is at 0x0A0
	chunkGeneration uint64   // 0x0A4
	compat          uint64   // 0x0AC
	compatRo        uint64   // 0x0B4
	incompat        uint64   // 0x0BC
	csumType        csumType // 0x0C4
	rootLevel       uint8    // 0x0C6
	chunkLevel      uint8    // 0x0C7
	logLevel        uint8    // 0x0C8
	dev             devItem  // 0x0C9
	label           string   // 0x12B
	metadataUUID    uuid     // 0x23B

	off      int64 // where it was read
	sysBytes uint32
	sum      [32]byte // as computed
}

func (s *superblock) decode(b []byte) {
	le := binary.LittleEndian
	copy(s.csum[:], b)
	copy(s.fsid[:], b[0x020:])
	s.bytenr = le.Uint64(b[0x030:])
	s.flags = le.Uint64(b[0x038:])
	s.magic = string(b[0x040:0x048])
	s.generation = le.Uint64(b[0x048:])
	s.root = le.Uint64(b[0x050:])
	s.chunkRoot = le.Uint64(b[0x058:])
	s.logRoot = le.Uint64(b[0x060:])
	s.totalBytes = le.Uint64(b[0x070:])
	s.bytesUsed = le.Uint64(b[0x078:])
	s.numDevices = le.Uint64(b[0x088:])
	s.sectorSize = le.Uint32(b[0x090:])
	s.nodeSize = le.Uint32(b[0x094:])
	s.sysBytes = le.Uint32(b[0x0A0:])
	s.sysChunkArray = bytes.Clone(b[0x32B:][:min(s.sysBytes, sysChunkSize)])
	s.chunkGeneration = le.Uint64(b[0x0A4:])
	s.compat = le.Uint64(b[0x0AC:])
	s.compatRo = le.Uint64(b[0x0B4:])
	s.incompat = le.Uint64(b[0x0BC:])
	s.csumType = csumType(le.Uint16(b[0x0C4:]))
	s.rootLevel = b[0x0C6]
	s.chunkLevel = b[0x0C7]
	s.logLevel = b[0x0C8]
	s.dev.decode(b[0x0C9:])
	label, _, _ := bytes.Cut(b[0x12B:][:labelSize], []byte{0})
	s.label = string(label)
	copy(s.metadataUUID[:], b[0x23B:])
	s.csumType.sum(&s.sum, b[0x20:superblockSize])
}

// metadataID is the UUID that the headers of tree blocks have.
func (s *superblock) metadataID() uuid {
	if s.incompat&incompatMetadataUUID != 0 {
		return s.metadataUUID
	}
	return s.fsid
}

func (s *superblock) bad(field int64, detail string, args ...any) error {
	return block.Errorf(format, "superblock", s.off+field, block.ErrCorrupt, detail, args...)
}

// readSuperblock reads the superblock of a device. A mirror serves where the
// first is damaged, and the error that comes with it says so.
func readSuperblock(r block.Reader) (*superblock, error) {
	first, err := readSuperblockAt(r, superblockOffs[0])
	if err == nil && first.incompat&incompatZoned == 0 {
		return first, nil // whatever a boot loader keeps before it
	}
	if s, bad := logged(r); s != nil && (err != nil || s.fsid == first.fsid) {
		return s, bad
	} else if bad != nil && err != nil {
		return nil, bad
	}
	if err == nil {
		return first, nil
	}
	var best *superblock
	for _, off := range superblockOffs[1:] {
		if s, err := readSuperblockAt(r, off); err == nil && (best == nil || s.generation > best.generation) {
			best = s
		}
	}
	if best == nil {
		return nil, err
	}
	return best, err
}

func readSuperblockAt(r block.Reader, off int64) (*superblock, error) {
	return checkedSuperblock(r, off, off)
}

// checkedSuperblock reads the superblock at off, which says that it lies at address.
func checkedSuperblock(r block.Reader, off, address int64) (*superblock, error) {
	if r.Size() < off+superblockSize {
		return nil, block.Errorf(format, "superblock", off, block.ErrFormat, "")
	}
	b, err := block.ReadBytes(r, off, superblockSize, superblockSize)
	if err != nil {
		return nil, block.Locate(format, "superblock", off, err)
	}
	s := &superblock{off: off}
	s.decode(b)
	if err := s.validate(address); err != nil {
		return nil, err
	}
	return s, nil
}

// validate checks all that later arithmetic relies on.
func (s *superblock) validate(address int64) error {
	unsupported := func(field int64, detail string, args ...any) error {
		return block.Errorf(format, "superblock", s.off+field, block.ErrUnsupported, detail, args...)
	}
	if s.magic != magic {
		return block.Errorf(format, "superblock", s.off, block.ErrFormat, "")
	}
	if s.csumType.size() == 0 {
		return unsupported(0xC4, "checksum type %d", s.csumType)
	}
	if n := s.csumType.size(); !bytes.Equal(s.sum[:n], s.csum[:n]) {
		return s.bad(0, "checksum %x, computed %x", s.csum[:n], s.sum[:n])
	}
	if unknown := s.incompat &^ incompatKnown; unknown != 0 {
		return unsupported(0xBC, "incompatible feature %s", joinFeatures(unknown))
	}
	power := func(n uint32) bool { return n&(n-1) == 0 }
	switch {
	case s.bytenr != uint64(address):
		return s.bad(0x30, "it says that it lies at %#x", s.bytenr)
	case s.nodeSize < minNodeSize || s.nodeSize > maxNodeSize || !power(s.nodeSize):
		return s.bad(0x94, "node size %d", s.nodeSize)
	case s.sectorSize < 4096 || s.sectorSize > maxNodeSize || !power(s.sectorSize):
		return s.bad(0x90, "sector size %d", s.sectorSize)
	case s.nodeSize < s.sectorSize:
		return s.bad(0x94, "node size %d is below the sector size %d", s.nodeSize, s.sectorSize)
	case s.sysBytes > sysChunkSize:
		return s.bad(0xA0, "%d bytes of system chunks", s.sysBytes)
	case s.rootLevel >= maxLevel || s.chunkLevel >= maxLevel || s.logLevel >= maxLevel:
		return s.bad(0xC6, "a tree of %d levels", max(s.rootLevel, s.chunkLevel, s.logLevel)+1)
	case s.numDevices == 0 || s.totalBytes > 1<<63-1:
		return s.bad(0x70, "%d devices of %d bytes", s.numDevices, s.totalBytes)
	}
	return nil
}
