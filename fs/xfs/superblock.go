package xfs

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"github.com/guestkit/guestkit/block"
)

const (
	format = "xfs"

	sbMagic = 0x58465342 // "XFSB"
	sbSize  = 0x130      // bytes that are decoded; the smallest sector has room

	minBlockLog, maxBlockLog   = 9, 16
	minSectorLog, maxSectorLog = 9, 15
	minInodeLog, maxInodeLog   = 8, 11
	maxDirBlockLog             = 16
	minAGBytes                 = 1 << 24 // of all groups but the last
	basicBlock                 = 512     // what disk addresses and the log count
)

// superblock is the first sector of allocation group 0.
type superblock struct {
	magicnum    uint32   // 0x00
	blocksize   uint32   // 0x04
	dblocks     uint64   // 0x08
	rblocks     uint64   // 0x10
	rextents    uint64   // 0x18
	uuid        [16]byte // 0x20
	logstart    uint64   // 0x30 filesystem block, 0 if the log is another device
	rootino     uint64   // 0x38
	rbmino      uint64   // 0x40
	rsumino     uint64   // 0x48
	rextsize    uint32   // 0x50
	agblocks    uint32   // 0x54
	agcount     uint32   // 0x58
	rbmblocks   uint32   // 0x5c
	logblocks   uint32   // 0x60
	versionnum  uint16   // 0x64
	sectsize    uint16   // 0x66
	inodesize   uint16   // 0x68
	inopblock   uint16   // 0x6a
	fname       [12]byte // 0x6c
	blocklog    uint8    // 0x78
	sectlog     uint8    // 0x79
	inodelog    uint8    // 0x7a
	inopblog    uint8    // 0x7b
	agblklog    uint8    // 0x7c
	rextslog    uint8    // 0x7d
	inprogress  uint8    // 0x7e
	imaxPct     uint8    // 0x7f
	icount      uint64   // 0x80
	ifree       uint64   // 0x88
	fdblocks    uint64   // 0x90
	frextents   uint64   // 0x98
	uquotino    uint64   // 0xa0
	gquotino    uint64   // 0xa8
	qflags      uint16   // 0xb0
	flags       uint8    // 0xb2
	sharedVn    uint8    // 0xb3
	inoalignmt  uint32   // 0xb4
	unit        uint32   // 0xb8
	width       uint32   // 0xbc
	dirblklog   uint8    // 0xc0
	logsectlog  uint8    // 0xc1
	logsectsize uint16   // 0xc2
	logsunit    uint32   // 0xc4
	features2   uint32   // 0xc8
	badFeature2 uint32   // 0xcc, where old kernels put features2
	compat      uint32   // 0xd0, from here on version 5 only
	roCompat    uint32   // 0xd4
	incompat    uint32   // 0xd8
	logIncompat uint32   // 0xdc
	crc         uint32   // 0xe0, little-endian
	spinoAlign  uint32   // 0xe4
	pquotino    uint64   // 0xe8
	lsn         uint64   // 0xf0
	metaUUID    [16]byte // 0xf8
	metadirino  uint64   // 0x108, from here on with a metadata directory only
	rgcount     uint32   // 0x110
	rgextents   uint32   // 0x114
	rgblklog    uint8    // 0x118
	rtstart     uint64   // 0x120 block of this device on which the realtime section begins, 0 if it is another one
}

const sbCRCOff = 0xe0

func (s *superblock) decode(b []byte) {
	be := binary.BigEndian
	s.magicnum = be.Uint32(b[0x00:])
	s.blocksize = be.Uint32(b[0x04:])
	s.dblocks = be.Uint64(b[0x08:])
	s.rblocks = be.Uint64(b[0x10:])
	s.rextents = be.Uint64(b[0x18:])
	copy(s.uuid[:], b[0x20:])
	s.logstart = be.Uint64(b[0x30:])
	s.rootino = be.Uint64(b[0x38:])
	s.rbmino = be.Uint64(b[0x40:])
	s.rsumino = be.Uint64(b[0x48:])
	s.rextsize = be.Uint32(b[0x50:])
	s.agblocks = be.Uint32(b[0x54:])
	s.agcount = be.Uint32(b[0x58:])
	s.rbmblocks = be.Uint32(b[0x5c:])
	s.logblocks = be.Uint32(b[0x60:])
	s.versionnum = be.Uint16(b[0x64:])
	s.sectsize = be.Uint16(b[0x66:])
	s.inodesize = be.Uint16(b[0x68:])
	s.inopblock = be.Uint16(b[0x6a:])
	copy(s.fname[:], b[0x6c:])
	s.blocklog, s.sectlog, s.inodelog, s.inopblog = b[0x78], b[0x79], b[0x7a], b[0x7b]
	s.agblklog, s.rextslog, s.inprogress, s.imaxPct = b[0x7c], b[0x7d], b[0x7e], b[0x7f]
	s.icount = be.Uint64(b[0x80:])
	s.ifree = be.Uint64(b[0x88:])
	s.fdblocks = be.Uint64(b[0x90:])
	s.frextents = be.Uint64(b[0x98:])
	s.uquotino = be.Uint64(b[0xa0:])
	s.gquotino = be.Uint64(b[0xa8:])
	s.qflags = be.Uint16(b[0xb0:])
	s.flags, s.sharedVn = b[0xb2], b[0xb3]
	s.inoalignmt = be.Uint32(b[0xb4:])
	s.unit = be.Uint32(b[0xb8:])
	s.width = be.Uint32(b[0xbc:])
	s.dirblklog, s.logsectlog = b[0xc0], b[0xc1]
	s.logsectsize = be.Uint16(b[0xc2:])
	s.logsunit = be.Uint32(b[0xc4:])
	s.features2 = be.Uint32(b[0xc8:])
	s.badFeature2 = be.Uint32(b[0xcc:])
	s.compat = be.Uint32(b[0xd0:])
	s.roCompat = be.Uint32(b[0xd4:])
	s.incompat = be.Uint32(b[0xd8:])
	s.logIncompat = be.Uint32(b[0xdc:])
	s.crc = binary.LittleEndian.Uint32(b[0xe0:])
	s.spinoAlign = be.Uint32(b[0xe4:])
	s.pquotino = be.Uint64(b[0xe8:])
	s.lsn = be.Uint64(b[0xf0:])
	copy(s.metaUUID[:], b[0xf8:])
	if s.metadir() {
		s.metadirino = be.Uint64(b[0x108:])
		s.rgcount, s.rgextents, s.rgblklog = be.Uint32(b[0x110:]), be.Uint32(b[0x114:]), b[0x118]
		s.rtstart = be.Uint64(b[0x120:])
	}
}

// validate checks the versions, features and geometry that everything else
// computes with.
func (s *superblock) validate() error {
	if err := s.checkFeatures(); err != nil {
		return err
	}
	bad := func(detail string, args ...any) error {
		return block.Errorf(format, "superblock", 0, block.ErrCorrupt, detail, args...)
	}
	power := func(what string, size uint32, log uint8, lo, hi uint8) error {
		if log < lo || log > hi || size != 1<<log {
			return bad("%s is %d, its logarithm %d", what, size, log)
		}
		return nil
	}
	for _, err := range []error{
		power("block size", s.blocksize, s.blocklog, minBlockLog, maxBlockLog),
		power("sector size", uint32(s.sectsize), s.sectlog, minSectorLog, maxSectorLog),
		power("inode size", uint32(s.inodesize), s.inodelog, minInodeLog, maxInodeLog),
	} {
		if err != nil {
			return err
		}
	}
	switch {
	case s.sectlog > s.blocklog:
		return bad("sectors of %d bytes are larger than blocks of %d", s.sectsize, s.blocksize)
	case s.inodelog >= s.blocklog || uint32(s.inopblock) != s.blocksize>>s.inodelog || s.inopblog != s.blocklog-s.inodelog:
		return bad("%d inodes of %d bytes in a block of %d", s.inopblock, s.inodesize, s.blocksize)
	case s.dirblklog > maxDirBlockLog || s.dirblklog+s.blocklog > maxDirBlockLog:
		return bad("directory blocks of 2^%d filesystem blocks", s.dirblklog)
	case s.agblocks == 0 || s.agblklog > 31 || int(s.agblklog) != bits.Len32(s.agblocks-1):
		return bad("allocation groups of %d blocks, logarithm %d", s.agblocks, s.agblklog)
	case s.agcount == 0:
		return bad("no allocation group")
	case s.dblocks > 1<<(63-uint(s.blocklog)):
		return bad("%d blocks", s.dblocks)
	case s.agcount > 1 && uint64(s.agblocks)<<s.blocklog < minAGBytes:
		return bad("allocation groups of %d blocks are too small", s.agblocks)
	}
	// The last group may be short, but must exist.
	all := uint64(s.agcount) * uint64(s.agblocks)
	if s.dblocks > all || all-s.dblocks >= uint64(s.agblocks) {
		class := block.ErrCorrupt
		if all > s.dblocks { // more groups than the filesystem can hold
			class = block.ErrLimit
		}
		return block.Errorf(format, "superblock", 0x58, class, "%d groups of %d blocks for a filesystem of %d", s.agcount, s.agblocks, s.dblocks)
	}
	if s.inprogress != 0 {
		return bad("mkfs did not finish")
	}
	if s.logstart != 0 {
		if off, ok := s.blockOff(s.logstart); !ok || uint64(s.logblocks) > s.dblocks-uint64(off)>>s.blocklog {
			return block.Errorf(format, "superblock", 0x30, block.ErrCorrupt, "the log, %d blocks at %d, lies outside", s.logblocks, s.logstart)
		}
	}
	if err := s.validateRealtime(); err != nil {
		return err
	}
	if _, ok := s.inodeOff(s.rootino); !ok {
		return block.Errorf(format, "superblock", 0x38, block.ErrCorrupt, "root inode %d lies outside", s.rootino)
	}
	return nil
}

// agBlocks returns how many blocks allocation group agno has.
func (s *superblock) agBlocks(agno uint64) uint64 {
	if agno == uint64(s.agcount)-1 {
		return s.dblocks - agno*uint64(s.agblocks)
	}
	return uint64(s.agblocks)
}

// blockOff turns a filesystem block number, which has the group in its upper
// bits, into an offset in bytes.
func (s *superblock) blockOff(fsb uint64) (int64, bool) {
	agno, agbno := fsb>>s.agblklog, fsb&(1<<s.agblklog-1)
	if agno >= uint64(s.agcount) || agbno >= s.agBlocks(agno) {
		return 0, false
	}
	return int64((agno*uint64(s.agblocks) + agbno) << s.blocklog), true
}

// validateRealtime checks the geometry of the realtime section.
func (s *superblock) validateRealtime() error {
	bad := func(off int64, detail string, args ...any) error {
		return block.Errorf(format, "superblock", off, block.ErrCorrupt, detail, args...)
	}
	switch {
	case s.rblocks > 1<<(62-uint(s.blocklog)):
		return bad(0x10, "%d realtime blocks", s.rblocks)
	case !s.metadir() && s.incompat&(incompatZoned|incompatZoneGaps) != 0 && s.v5():
		return bad(0xd8, "zoned without a metadata directory")
	case !s.metadir() || s.rblocks == 0:
		return nil
	}
	group := s.rgBlocks()
	switch {
	case group == 0 || s.rgblklog > 31 || group > 1<<s.rgblklog:
		return bad(0x114, "realtime groups of %d blocks, logarithm %d", group, s.rgblklog)
	case (s.rblocks+group-1)/group != uint64(s.rgcount):
		return bad(0x110, "%d realtime groups of %d blocks for %d", s.rgcount, group, s.rblocks)
	case s.rtstart != 0 && (s.rtstart < s.dblocks || s.rtstart > 1<<(62-uint(s.blocklog))):
		return bad(0x120, "the realtime section begins at block %d", s.rtstart)
	}
	return nil
}

// rgBlocks is the size of all realtime groups but the last.
func (s *superblock) rgBlocks() uint64 { return uint64(s.rgextents) * uint64(s.rextsize) }

// realtimeOff turns a block number of the realtime section into an offset in bytes on
// its device, and tells how many blocks of its group there are from there on. With a
// metadata directory the number has the group in its upper bits.
func (s *superblock) realtimeOff(rtb uint64) (off int64, left uint64, ok bool) {
	if !s.metadir() {
		return int64(rtb << s.blocklog), s.rblocks - min(rtb, s.rblocks), rtb < s.rblocks
	}
	group := s.rgBlocks()
	rgno, rgbno := rtb>>s.rgblklog, rtb&(1<<s.rgblklog-1)
	if rgno >= uint64(s.rgcount) {
		return 0, 0, false
	}
	has := min(group, s.rblocks-rgno*group)
	if rgbno >= has {
		return 0, 0, false
	}
	at := rgno*group + rgbno
	if s.incompat&incompatZoneGaps != 0 { // zones are as far apart as their numbers
		at = rtb
	}
	return int64((s.rtstart + at) << s.blocklog), has - rgbno, true
}

// inodeOff turns an inode number into an offset in bytes.
func (s *superblock) inodeOff(ino uint64) (int64, bool) {
	off, ok := s.blockOff(ino >> s.inopblog)
	if !ok || ino == 0 {
		return 0, false
	}
	return off + int64(ino&(1<<s.inopblog-1))<<s.inodelog, true
}

// inodeAt is the reverse of inodeOff.
func (s *superblock) inodeAt(off int64) uint64 {
	blk := uint64(off) >> s.blocklog
	agno := blk / uint64(s.agblocks)
	fsb := agno<<s.agblklog | blk%uint64(s.agblocks)
	return fsb<<s.inopblog | uint64(off)&uint64(s.blocksize-1)>>s.inodelog
}

// dirBlockSize is the size of a directory block in bytes.
func (s *superblock) dirBlockSize() int { return int(s.blocksize) << s.dirblklog }

// size is the size of the data section in bytes.
func (s *superblock) size() int64 { return int64(s.dblocks << s.blocklog) }

// freeBlocks are those that files may get: a few of each group are kept for its own
// trees (xfs_alloc_set_aside of the kernel).
func (s *superblock) freeBlocks() uint64 {
	n, aside := min(s.fdblocks, s.dblocks), 8*uint64(s.agcount)
	return n - min(n, aside)
}

// maxInodes is how many inodes there may be (xfs_fs_statfs): there is room for them,
// and imaxPct bounds what they take, in chunks.
func (s *superblock) maxInodes() uint64 {
	made := min(s.icount, s.dblocks<<s.inopblog)
	n := made + s.freeBlocks()<<s.inopblog
	if s.imaxPct > 0 {
		chunk := max(inodesPerChunk, uint64(s.inopblock)) >> s.inopblog // blocks
		n = min(n, s.dblocks*uint64(s.imaxPct)/100/chunk*chunk<<s.inopblog)
	}
	return max(n, made)
}

// label is the volume's name.
func (s *superblock) label() string {
	name, _, _ := strings.Cut(string(s.fname[:]), "\x00")
	return name
}

// metadataUUID is the one that metadata blocks of version 5 carry.
func (s *superblock) metadataUUID() [16]byte {
	if s.v5() && s.incompat&incompatMetaUUID != 0 {
		return s.metaUUID
	}
	return s.uuid
}

func formatUUID(u [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
