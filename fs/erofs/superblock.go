package erofs

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/guestkit/guestkit/block"
)

const (
	format        = "erofs"
	superblockOff = 1024
	superblockLen = 128
	magic         = 0xE0F5E1E2
	slotBits      = 5 // of inode numbers
)

// Bits of feature_compat and feature_incompat. Some stand for two features that
// came together.
const (
	compatChecksum      = 1 << 0
	compatSharedInBox   = 1 << 3
	compatPlainPrefixes = 1 << 4

	incompatZeroPadding = 1 << 0
	incompatComprCfgs   = 1 << 1
	incompatChunked     = 1 << 2
	incompatDevices     = 1 << 3
	incompatZtail       = 1 << 4
	incompatFragments   = 1 << 5
	incompatPrefixes    = 1 << 6
	incompat48Bit       = 1 << 7
	incompatMetabox     = 1 << 8
	incompatKnown       = 1<<9 - 1
)

var featureNames = [...]string{"zero_padding", "compr_cfgs", "chunked_file", "device_table", "ztailpacking", "fragments", "xattr_prefixes", "48bit", "metabox"}

// superblock is struct erofs_super_block.
type superblock struct {
	checksum        uint32   // 0x04
	featureCompat   uint32   // 0x08
	blockBits       uint8    // 0x0C
	extSlots        uint8    // 0x0D
	rootNid2        uint16   // 0x0E, or the high bits of blocks
	inos            uint64   // 0x10
	epoch           uint64   // 0x18
	fixedNsec       uint32   // 0x20
	blocksLo        uint32   // 0x24
	metaBlock       uint32   // 0x28
	xattrBlock      uint32   // 0x2C
	uuid            [16]byte // 0x30
	volumeName      [16]byte // 0x40
	featureIncompat uint32   // 0x50
	algorithms      uint16   // 0x54
	extraDevices    uint16   // 0x56
	deviceSlot      uint16   // 0x58
	dirBlockBits    uint8    // 0x5A
	prefixCount     uint8    // 0x5B
	prefixStart     uint32   // 0x5C
	packedNid       uint64   // 0x60
	rootNid8        uint64   // 0x70
	metaboxNid      uint64   // 0x80
}

func (s *superblock) decode(b []byte) {
	le := binary.LittleEndian
	s.checksum = le.Uint32(b[0x04:])
	s.featureCompat = le.Uint32(b[0x08:])
	s.blockBits = b[0x0C]
	s.extSlots = b[0x0D]
	s.rootNid2 = le.Uint16(b[0x0E:])
	s.inos = le.Uint64(b[0x10:])
	s.epoch = le.Uint64(b[0x18:])
	s.fixedNsec = le.Uint32(b[0x20:])
	s.blocksLo = le.Uint32(b[0x24:])
	s.metaBlock = le.Uint32(b[0x28:])
	s.xattrBlock = le.Uint32(b[0x2C:])
	copy(s.uuid[:], b[0x30:])
	copy(s.volumeName[:], b[0x40:])
	s.featureIncompat = le.Uint32(b[0x50:])
	s.algorithms = le.Uint16(b[0x54:])
	s.extraDevices = le.Uint16(b[0x56:])
	s.deviceSlot = le.Uint16(b[0x58:])
	s.dirBlockBits = b[0x5A]
	s.prefixCount = b[0x5B]
	s.prefixStart = le.Uint32(b[0x5C:])
	s.packedNid = le.Uint64(b[0x60:])
	s.rootNid8 = le.Uint64(b[0x70:])
	s.metaboxNid = le.Uint64(b[0x80:])
}

func badSuper(off int64, class error, detail string, args ...any) error {
	return block.Errorf(format, "superblock", superblockOff+off, class, detail, args...)
}

func (s *superblock) has(incompat uint32) bool { return s.featureIncompat&incompat != 0 }

func (s *superblock) blockSize() int64 { return 1 << s.blockBits }

func (s *superblock) blocks() uint64 {
	n := uint64(s.blocksLo)
	if s.has(incompat48Bit) && s.rootNid8 != 0 {
		n |= uint64(s.rootNid2) << 32
	}
	return n
}

func (s *superblock) rootNid() uint64 {
	if s.has(incompat48Bit) && s.rootNid8 != 0 {
		return s.rootNid8
	}
	return uint64(s.rootNid2)
}

// validate holds what the kernel demands of a superblock.
func (s *superblock) validate() error {
	switch unknown := s.featureIncompat &^ incompatKnown; {
	case unknown != 0:
		return badSuper(0x50, block.ErrUnsupported, "feature %#x", uint32(1)<<bits.TrailingZeros32(unknown))
	case s.blockBits < 9 || s.blockBits > 16:
		return badSuper(0x0C, block.ErrCorrupt, "blocks of 2^%d bytes", s.blockBits)
	case s.dirBlockBits != 0:
		return badSuper(0x5A, block.ErrUnsupported, "directory blocks larger than blocks")
	case s.has(incompatComprCfgs) && s.algorithms>>len(algorithmNames) != 0:
		return badSuper(0x54, block.ErrUnsupported, "compressor %d", bits.TrailingZeros16(s.algorithms>>len(algorithmNames))+len(algorithmNames))
	case s.has(incompatMetabox) && s.extSlots == 0:
		return badSuper(0x0D, block.ErrCorrupt, "a metabox without a place for its number")
	case s.packedNid>>63 != 0 || s.has(incompatMetabox) && s.metaboxNid>>63 != 0:
		return badSuper(0x60, block.ErrLoop, "what metadata is compressed in lies in itself")
	}
	return nil
}

// sum verifies the checksum of the superblock and what follows in its block.
func (s *superblock) sum(r block.Reader) error {
	if s.featureCompat&compatChecksum == 0 {
		return nil
	}
	n := s.blockSize()
	if n > superblockOff {
		n -= superblockOff
	}
	b, err := block.ReadBytes(r, superblockOff, n, n)
	if err != nil {
		return block.Locate(format, "superblock", superblockOff, err)
	}
	clear(b[4:8])
	if got := ^crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)); got != s.checksum {
		return badSuper(4, block.ErrCorrupt, "checksum %#08x, computed %#08x", s.checksum, got)
	}
	return nil
}

func readSuperblock(r block.Reader) (*superblock, error) {
	const n = superblockLen + 16
	if r.Size() < superblockOff+n {
		return nil, badSuper(0, block.ErrFormat, "%d bytes", r.Size())
	}
	b, err := block.ReadBytes(r, superblockOff, n, n)
	if err != nil {
		return nil, block.Locate(format, "superblock", superblockOff, err)
	}
	if binary.LittleEndian.Uint32(b) != magic {
		return nil, badSuper(0, block.ErrFormat, "")
	}
	s := new(superblock)
	s.decode(b)
	return s, s.validate()
}
