package ext4

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/guestkit/guestkit/block"
)

const (
	superblockOff  = 1024
	superblockSize = 1024
	magic          = 0xEF53

	rootIno      = 2
	oldFirstIno  = 11
	oldInodeSize = 128
)

// Bits of s_state and s_flags.
const (
	stateValid = 0x1
	stateError = 0x2

	flagSignedHash   = 0x1
	flagUnsignedHash = 0x2
)

// superblock is struct ext4_super_block as far as a reader needs it.
type superblock struct {
	inodesCount     uint32    // 0x000
	freeInodes      uint32    // 0x010
	blocksCount     uint64    // 0x004, 0x150
	freeBlocks      uint64    // 0x00C, 0x158
	firstDataBlock  uint32    // 0x014
	logBlockSize    uint32    // 0x018
	logClusterSize  uint32    // 0x01C
	blocksPerGroup  uint32    // 0x020
	clustersPerGrp  uint32    // 0x024
	inodesPerGroup  uint32    // 0x028
	magic           uint16    // 0x038
	state           uint16    // 0x03A
	revLevel        uint32    // 0x04C
	firstIno        uint32    // 0x054
	inodeSize       uint16    // 0x058
	featureCompat   uint32    // 0x05C
	featureIncompat uint32    // 0x060
	featureRoCompat uint32    // 0x064
	uuid            [16]byte  // 0x068
	volumeName      [16]byte  // 0x078
	reservedGDT     uint16    // 0x0CE
	journalUUID     [16]byte  // 0x0D0
	journalInum     uint32    // 0x0E0
	journalDev      uint32    // 0x0E4
	hashSeed        [16]byte  // 0x0EC
	defHashVersion  uint8     // 0x0FC
	descSize        uint16    // 0x0FE
	firstMetaBG     uint32    // 0x104
	flags           uint32    // 0x160
	checksumType    uint8     // 0x175
	overhead        uint32    // 0x248, clusters
	backupBGs       [2]uint32 // 0x24C, 0x250
	checksumSeed    uint32    // 0x270
	checksum        uint32    // 0x3FC

	// Derived by validate.
	blockSize  int64
	groups     uint32
	sum        uint32 // the checksum as computed
	csumSeed   uint32 // what all other checksums start from
	descPerBlk uint32
}

func (s *superblock) decode(b []byte) {
	le := binary.LittleEndian
	s.inodesCount = le.Uint32(b[0x000:])
	s.freeInodes = le.Uint32(b[0x010:])
	s.blocksCount = uint64(le.Uint32(b[0x004:]))
	s.freeBlocks = uint64(le.Uint32(b[0x00C:]))
	s.firstDataBlock = le.Uint32(b[0x014:])
	s.logBlockSize = le.Uint32(b[0x018:])
	s.logClusterSize = le.Uint32(b[0x01C:])
	s.blocksPerGroup = le.Uint32(b[0x020:])
	s.clustersPerGrp = le.Uint32(b[0x024:])
	s.inodesPerGroup = le.Uint32(b[0x028:])
	s.magic = le.Uint16(b[0x038:])
	s.state = le.Uint16(b[0x03A:])
	s.revLevel = le.Uint32(b[0x04C:])
	s.firstIno = le.Uint32(b[0x054:])
	s.inodeSize = le.Uint16(b[0x058:])
	s.featureCompat = le.Uint32(b[0x05C:])
	s.featureIncompat = le.Uint32(b[0x060:])
	s.featureRoCompat = le.Uint32(b[0x064:])
	copy(s.uuid[:], b[0x068:])
	copy(s.volumeName[:], b[0x078:])
	s.reservedGDT = le.Uint16(b[0x0CE:])
	copy(s.journalUUID[:], b[0x0D0:])
	s.journalInum = le.Uint32(b[0x0E0:])
	s.journalDev = le.Uint32(b[0x0E4:])
	copy(s.hashSeed[:], b[0x0EC:])
	s.defHashVersion = b[0x0FC]
	s.descSize = le.Uint16(b[0x0FE:])
	s.firstMetaBG = le.Uint32(b[0x104:])
	s.flags = le.Uint32(b[0x160:])
	s.checksumType = b[0x175]
	s.overhead = le.Uint32(b[0x248:])
	s.backupBGs = [2]uint32{le.Uint32(b[0x24C:]), le.Uint32(b[0x250:])}
	s.checksumSeed = le.Uint32(b[0x270:])
	s.checksum = le.Uint32(b[0x3FC:])
	s.sum = crc32c(^uint32(0), b[:0x3FC])
	if s.featureIncompat&incompat64bit != 0 {
		s.blocksCount |= uint64(le.Uint32(b[0x150:])) << 32
		s.freeBlocks |= uint64(le.Uint32(b[0x158:])) << 32
	}
}

// readSuperblock reads and validates the superblock of r.
func readSuperblock(r block.Reader) (*superblock, error) {
	s, err := readSuper(r)
	if err != nil {
		return nil, err
	}
	if err := s.validate(r.Size()); err != nil {
		return nil, err
	}
	return s, nil
}

// readSuper reads what may be a superblock.
func readSuper(r block.Reader) (*superblock, error) {
	if r.Size() < superblockOff+superblockSize {
		return nil, block.Errorf("ext4", "superblock", superblockOff, block.ErrFormat, "")
	}
	b, err := block.ReadBytes(r, superblockOff, superblockSize, superblockSize)
	if err != nil {
		return nil, block.Locate("ext4", "superblock", superblockOff, err)
	}
	s := new(superblock)
	s.decode(b)
	return s, nil
}

func badSuper(field int64, detail string, args ...any) error {
	return block.Errorf("ext4", "superblock", superblockOff+field, block.ErrCorrupt, detail, args...)
}

// validate checks all that later arithmetic relies on, for a device of size
// bytes, and fills the derived fields.
func (s *superblock) validate(size int64) error {
	if s.magic != magic {
		return block.Errorf("ext4", "superblock", superblockOff, block.ErrFormat, "")
	}
	if unknown := s.featureIncompat &^ incompatKnown; unknown != 0 {
		return block.Errorf("ext4", "superblock", superblockOff+0x60, block.ErrUnsupported, "incompatible feature %s",
			strings.Join(featureNames(unknown, &incompatNames, 'I'), ", "))
	}
	if s.revLevel == 0 {
		s.inodeSize, s.firstIno = oldInodeSize, oldFirstIno
	}
	switch {
	case s.revLevel > 1:
		return block.Errorf("ext4", "superblock", superblockOff+0x4C, block.ErrUnsupported, "revision %d", s.revLevel)
	case s.logBlockSize > 6:
		return badSuper(0x18, "block size of 2^(10+%d) bytes", s.logBlockSize)
	}
	s.blockSize = 1024 << s.logBlockSize
	bs := uint32(s.blockSize)
	switch {
	case s.inodeSize < oldInodeSize || s.inodeSize&(s.inodeSize-1) != 0 || uint32(s.inodeSize) > bs:
		return badSuper(0x58, "inode size %d", s.inodeSize)
	case s.firstIno < oldFirstIno:
		return badSuper(0x54, "first inode %d", s.firstIno)
	case s.blocksPerGroup == 0:
		return badSuper(0x20, "0 blocks per group")
	case s.inodesPerGroup < bs/uint32(s.inodeSize) || s.inodesPerGroup > 8*bs:
		return badSuper(0x28, "%d inodes per group", s.inodesPerGroup)
	case uint64(s.firstDataBlock) >= s.blocksCount:
		return badSuper(0x14, "first data block %d of %d", s.firstDataBlock, s.blocksCount)
	case s.has(roMetadataCsum) && s.checksumType != 1:
		return block.Errorf("ext4", "superblock", superblockOff+0x175, block.ErrUnsupported, "checksum type %d", s.checksumType)
	}
	if err := s.validateGroups(); err != nil {
		return err
	}
	if s.blocksCount > uint64(size)/uint64(s.blockSize) {
		return &block.Error{Format: "ext4", What: "superblock", Off: superblockOff + 4,
			Err: &tooShort{blocks: s.blocksCount, blockSize: s.blockSize, size: size}}
	}
	switch {
	case s.featureIncompat&incompatCsumSeed != 0:
		s.csumSeed = s.checksumSeed
	default:
		s.csumSeed = crc32c(^uint32(0), s.uuid[:])
	}
	return nil
}

// validateGroups checks the sizes of clusters, groups and group descriptors.
func (s *superblock) validateGroups() error {
	bs := uint32(s.blockSize)
	if s.has(roBigalloc) {
		if s.logClusterSize < s.logBlockSize || s.logClusterSize > 20 {
			return badSuper(0x1C, "cluster size of 2^(10+%d) bytes", s.logClusterSize)
		}
		if s.clustersPerGrp > 8*bs || uint64(s.clustersPerGrp)<<(s.logClusterSize-s.logBlockSize) != uint64(s.blocksPerGroup) {
			return badSuper(0x24, "%d clusters but %d blocks per group", s.clustersPerGrp, s.blocksPerGroup)
		}
	} else if s.blocksPerGroup > 8*bs {
		return badSuper(0x20, "%d blocks per group", s.blocksPerGroup)
	}
	if s.featureIncompat&incompat64bit == 0 {
		s.descSize = 32
	} else if s.descSize < 64 || s.descSize > 1024 || s.descSize&(s.descSize-1) != 0 {
		return badSuper(0xFE, "group descriptor size %d", s.descSize)
	}
	s.descPerBlk = bs / uint32(s.descSize)
	groups := (s.blocksCount - uint64(s.firstDataBlock) + uint64(s.blocksPerGroup) - 1) / uint64(s.blocksPerGroup)
	if groups*uint64(s.inodesPerGroup) != uint64(s.inodesCount) || groups > 1<<32-1 {
		return badSuper(0x00, "%d inodes in %d groups of %d", s.inodesCount, groups, s.inodesPerGroup)
	}
	s.groups = uint32(groups)
	return nil
}

// has reports a feature of s_feature_ro_compat.
func (s *superblock) has(ro uint32) bool { return s.featureRoCompat&ro != 0 }

// checkSum verifies the superblock's own checksum.
func (s *superblock) checkSum() error {
	if s.has(roMetadataCsum) && s.sum != s.checksum {
		return badSuper(0x3FC, "checksum %#08x, computed %#08x", s.checksum, s.sum)
	}
	return nil
}

func (s *superblock) label() string {
	name, _, _ := bytes.Cut(s.volumeName[:], []byte{0})
	return string(name)
}

// hasSuper reports whether a group starts with a copy of the superblock.
func (s *superblock) hasSuper(group uint32) bool {
	switch {
	case group == 0:
		return true
	case s.featureCompat&compatSparseSuper2 != 0:
		return group == s.backupBGs[0] || group == s.backupBGs[1]
	case group == 1 || !s.has(roSparseSuper):
		return true
	}
	return powerOf(group, 3) || powerOf(group, 5) || powerOf(group, 7)
}

func powerOf(n, base uint32) bool {
	for n > 1 && n%base == 0 {
		n /= base
	}
	return n == 1
}

// groupFirst returns the first block of a group.
func (s *superblock) groupFirst(group uint32) uint64 {
	return uint64(s.firstDataBlock) + uint64(group)*uint64(s.blocksPerGroup)
}
