package ext4

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// All numbers of a journal are big-endian.
const (
	jbdMagic      = 0xC03B3998
	jbdHeaderSize = 12

	jbdDescriptor   = 1
	jbdCommit       = 2
	jbdSuperblockV1 = 3
	jbdSuperblockV2 = 4
	jbdRevoke       = 5
)

// Feature bits of a journal.
const (
	jbdCompatChecksum = 0x1

	jbdIncompatRevoke      = 0x1
	jbdIncompat64bit       = 0x2
	jbdIncompatAsyncCommit = 0x4
	jbdIncompatCsumV2      = 0x8
	jbdIncompatCsumV3      = 0x10
	jbdIncompatFastCommit  = 0x20

	jbdIncompatKnown = 0x3F
)

// Names as dumpe2fs prints them.
var jbdIncompatNames = [32]string{"journal_incompat_revoke", "journal_64bit", "journal_async_commit", "journal_checksum_v2",
	"journal_checksum_v3", "fast_commit"}

// jbdHeader starts every block of a journal that is not data.
type jbdHeader struct {
	magic     uint32 // 0x0
	blockType uint32 // 0x4
	sequence  uint32 // 0x8
}

func (h *jbdHeader) decode(b []byte) {
	be := binary.BigEndian
	h.magic = be.Uint32(b[0:])
	h.blockType = be.Uint32(b[4:])
	h.sequence = be.Uint32(b[8:])
}

const jbdSuperblockSize = 1024

// jbdSuperblock is struct journal_superblock_s.
type jbdSuperblock struct {
	header          jbdHeader // 0x00
	blockSize       uint32    // 0x0C
	maxLen          uint32    // 0x10 blocks in all
	first           uint32    // 0x14 first block of the log
	sequence        uint32    // 0x18 of the first transaction in the log
	start           uint32    // 0x1C its block, 0 if the log is empty
	featureCompat   uint32    // 0x24
	featureIncompat uint32    // 0x28
	uuid            [16]byte  // 0x30
	checksumType    uint8     // 0x50
	fastBlocks      uint32    // 0x54 at the end, for fast commits
	checksum        uint32    // 0xFC

	sum  uint32 // the checksum as computed
	seed uint32 // what other checksums start from
}

func (s *jbdSuperblock) decode(b []byte) {
	be := binary.BigEndian
	s.header.decode(b)
	s.blockSize = be.Uint32(b[0x0C:])
	s.maxLen = be.Uint32(b[0x10:])
	s.first = be.Uint32(b[0x14:])
	s.sequence = be.Uint32(b[0x18:])
	s.start = be.Uint32(b[0x1C:])
	if s.header.blockType == jbdSuperblockV1 {
		return
	}
	s.featureCompat = be.Uint32(b[0x24:])
	s.featureIncompat = be.Uint32(b[0x28:])
	copy(s.uuid[:], b[0x30:])
	s.checksumType = b[0x50]
	s.fastBlocks = be.Uint32(b[0x54:])
	s.checksum = be.Uint32(b[0xFC:])
	s.sum = crc32cHole(^uint32(0), b[:jbdSuperblockSize], 0xFC, 4)
	s.seed = crc32c(^uint32(0), s.uuid[:])
}

// csum23 reports whether blocks carry checksums of version 2 or 3.
func (s *jbdSuperblock) csum23() bool {
	return s.featureIncompat&(jbdIncompatCsumV2|jbdIncompatCsumV3) != 0
}

// fastArea returns how many blocks at the end are for fast commits.
func (s *jbdSuperblock) fastArea() uint32 {
	switch {
	case s.featureIncompat&jbdIncompatFastCommit == 0:
		return 0
	case s.fastBlocks == 0:
		return 256
	}
	return s.fastBlocks
}

// logEnd returns the block past the last of the log, which is a ring.
func (s *jbdSuperblock) logEnd() uint32 { return s.maxLen - s.fastArea() }

// tagSize returns the size of a tag in a descriptor block.
func (s *jbdSuperblock) tagSize() int {
	if s.featureIncompat&jbdIncompatCsumV3 != 0 {
		return 16
	}
	n := 8
	if s.featureIncompat&jbdIncompatCsumV2 != 0 {
		n += 2
	}
	if s.featureIncompat&jbdIncompat64bit != 0 {
		n += 4
	}
	return n
}

// validate checks the superblock of a journal that has n blocks of the
// filesystem's size.
func (s *jbdSuperblock) validate(blockSize int64, n uint64) error {
	bad := func(class error, detail string, args ...any) error {
		return block.Errorf("ext4", "journal superblock", -1, class, detail, args...)
	}
	unknown := s.featureIncompat &^ jbdIncompatKnown
	switch {
	case s.header.magic != jbdMagic || s.header.blockType != jbdSuperblockV1 && s.header.blockType != jbdSuperblockV2:
		return bad(block.ErrCorrupt, "magic %#08x, type %d", s.header.magic, s.header.blockType)
	case unknown != 0:
		return bad(block.ErrUnsupported, "incompatible feature %s", strings.Join(featureNames(unknown, &jbdIncompatNames, 'I'), ", "))
	case s.featureIncompat&jbdIncompatCsumV2 != 0 && s.featureIncompat&jbdIncompatCsumV3 != 0:
		return bad(block.ErrCorrupt, "two kinds of checksums")
	case s.csum23() && s.checksumType != 4:
		return bad(block.ErrUnsupported, "checksum type %d", s.checksumType)
	case s.csum23() && s.sum != s.checksum:
		return bad(block.ErrCorrupt, "checksum %#08x, computed %#08x", s.checksum, s.sum)
	case int64(s.blockSize) != blockSize:
		return bad(block.ErrCorrupt, "blocks of %d bytes", s.blockSize)
	case uint64(s.maxLen) > n:
		return bad(block.ErrLimit, "%d blocks in a journal of %d", s.maxLen, n)
	case s.fastArea() >= s.maxLen || s.first == 0 || s.first >= s.logEnd():
		return bad(block.ErrCorrupt, "the log is from block %d of %d on, with %d for fast commits", s.first, s.maxLen, s.fastArea())
	case s.start != 0 && (s.start < s.first || s.start >= s.logEnd()):
		return bad(block.ErrCorrupt, "the log starts at block %d of %d", s.start, s.maxLen)
	}
	return nil
}

// A journal is the journal of a filesystem, to be read: a file of it, or a device
// of its own.
type journal struct {
	fs  *filesystem
	dev block.Device
	ino *inode // nil if it is a device
	sb  jbdSuperblock
}

// openJournal finds the journal.
func (f *filesystem) openJournal() (*journal, error) {
	s := f.sb
	switch {
	case s.featureCompat&compatHasJournal == 0:
		return nil, badSuper(0x60, "needs_recovery without a journal")
	case s.external():
		return f.openExternal()
	}
	n, err := f.inode(s.journalInum)
	if err != nil {
		return nil, err
	}
	if !n.stat.Mode.IsRegular() || n.flags&(flagEncrypt|flagInlineData) != 0 {
		return nil, n.corrupt("it is to be the journal")
	}
	j := &journal{fs: f, dev: f.dev, ino: n}
	b, err := j.read(0)
	if err != nil {
		return nil, err
	}
	j.sb.decode(b)
	return j, j.sb.validate(s.blockSize, uint64(n.stat.Size)>>(10+s.logBlockSize))
}

// place returns where a block of the journal lies on the disk.
func (j *journal) place(n uint32) (int64, error) {
	if j.ino == nil {
		return int64(n) * j.fs.sb.blockSize, nil
	}
	r, err := j.ino.mapBlock(uint64(n))
	if err != nil {
		return 0, err
	}
	if r.zero() {
		return 0, j.ino.corrupt("the journal has a hole at block %d", n)
	}
	return j.fs.blockOff(r.pblk), nil
}

func (j *journal) read(n uint32) ([]byte, error) {
	off, err := j.place(n)
	if err != nil {
		return nil, err
	}
	b, err := block.ReadBytes(j.dev, off, j.fs.sb.blockSize, j.fs.sb.blockSize)
	return b, block.Locate("ext4", fmt.Sprintf("journal block %d", n), off, err)
}

// corrupt is an error about a block of the journal.
func (j *journal) corrupt(what string, n uint32, detail string, args ...any) error {
	off, err := j.place(n)
	if err != nil {
		off = -1
	}
	return block.Errorf("ext4", what, off, block.ErrCorrupt, detail, args...)
}
