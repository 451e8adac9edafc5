package ufs

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"strings"

	"github.com/guestkit/guestkit/block"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	format  = "ufs"
	magic1  = 0x00011954
	magic2  = 0x19540119
	magicAt = 0x55C

	checkHashAt     = 0x518
	flagCheckHashes = 0x200
	maxSuper        = 8192
	sbSize          = 1376

	rootIno     = 2
	new4BSD     = 2 // fs_old_inodefmt: inodes of 4.4BSD
	flagsMoved  = 0x80
	maxGroups   = 1 << 24
	maxFragment = 8
)

// superblock is struct fs as far as a reader needs it.
type superblock struct {
	iblkno     int32    // 0x010
	cgOffset   int32    // 0x018
	cgMask     int32    // 0x01C
	oldSize    int32    // 0x024
	groups     uint32   // 0x02C
	bsize      int32    // 0x030
	fsize      int32    // 0x034
	frag       int32    // 0x038
	sbsize     int32    // 0x068
	id         [8]byte  // 0x090
	ipg        uint32   // 0x0B8
	fpg        int32    // 0x0BC
	oldFree    [4]int32 // 0x0C0, 0x0C4, 0x0C8, 0x0CC: directories, blocks, inodes, fragments
	clean      int8     // 0x0D1
	oldFlags   uint8    // 0x0D3
	volname    []byte   // 0x2A8
	location   int64    // 0x3E8
	free       [4]int64 // 0x3F0, 0x3F8, 0x400, 0x408
	size       int64    // 0x438
	checkHash  uint32   // 0x518
	hashed     uint32   // 0x51C which structures have a check-hash
	flags      uint32   // 0x520
	maxLink    int32    // 0x528
	inodeFmt   int32    // 0x52C
	magic      uint32   // 0x55C
	order      binary.ByteOrder
	off        int64
	inodeSize  int64
	perBlock   int64 // inodes
	nindir     int64
	pointerLen int64
}

func (s *superblock) decode(b []byte) {
	o := s.order
	word := func(off int) int32 { return int32(o.Uint32(b[off:])) }
	s.iblkno = word(0x010)
	s.cgOffset = word(0x018)
	s.cgMask = word(0x01C)
	s.oldSize = word(0x024)
	s.groups = uint32(word(0x02C))
	s.bsize = word(0x030)
	s.fsize = word(0x034)
	s.frag = word(0x038)
	s.sbsize = word(0x068)
	copy(s.id[:], b[0x090:])
	s.ipg = uint32(word(0x0B8))
	s.fpg = word(0x0BC)
	s.oldFree = [4]int32{word(0x0C0), word(0x0C4), word(0x0C8), word(0x0CC)}
	s.clean = int8(b[0x0D1])
	s.oldFlags = b[0x0D3]
	s.volname = b[0x2A8 : 0x2A8+32]
	s.location = int64(o.Uint64(b[0x3E8:]))
	s.free = [4]int64{int64(o.Uint64(b[0x3F0:])), int64(o.Uint64(b[0x3F8:])), int64(o.Uint64(b[0x400:])), int64(o.Uint64(b[0x408:]))}
	s.size = int64(o.Uint64(b[0x438:]))
	s.checkHash = uint32(word(0x518))
	s.flags = uint32(word(0x520))
	if s.flags&flagCheckHashes != 0 {
		s.hashed = uint32(word(0x51C))
	}
	s.maxLink = word(0x528)
	s.inodeFmt = word(0x52C)
	s.magic = uint32(word(0x55C))
}

// ufs2 reports whether addresses have 64 bits.
func (s *superblock) ufs2() bool { return s.magic == magic2 }

// readSuperblock looks for the superblock at its places. A copy of UFS2's states
// another place than its own.
func readSuperblock(r block.Reader) (*superblock, error) {
	var fault error
	for _, off := range []int64{64 << 10, 8 << 10, 0, 256 << 10} {
		if off > r.Size()-sbSize {
			continue
		}
		b, err := block.ReadBytes(r, off, sbSize, sbSize)
		if err != nil {
			return nil, block.Locate(format, "superblock", off, err)
		}
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			s := &superblock{order: order, off: off}
			if m := order.Uint32(b[magicAt:]); m != magic1 && m != magic2 {
				continue
			}
			s.decode(b)
			if s.ufs2() && s.location != off {
				continue
			}
			if err := s.validate(r.Size()); err != nil {
				fault = err
				continue
			}
			return s, nil
		}
	}
	if fault != nil {
		return nil, fault
	}
	return nil, block.Errorf(format, "superblock", -1, block.ErrFormat, "")
}

// validate checks all that later arithmetic relies on, and fills the derived
// fields.
func (s *superblock) validate(size int64) error {
	bad := func(field int64, detail string, args ...any) error {
		return block.Errorf(format, "superblock", s.off+field, block.ErrCorrupt, detail, args...)
	}
	s.inodeSize, s.pointerLen = 128, 4
	if s.ufs2() {
		s.inodeSize, s.pointerLen = 256, 8
	} else {
		s.size = int64(s.oldSize)
		for i, n := range s.oldFree {
			s.free[i] = int64(n)
		}
		if s.oldFlags&flagsMoved == 0 {
			s.flags = uint32(s.oldFlags)
		}
	}
	switch {
	case s.bsize < 4096 || s.bsize > 64<<10 || bits.OnesCount32(uint32(s.bsize)) != 1:
		return bad(0x30, "blocks of %d bytes", s.bsize)
	case s.fsize < 512 || s.fsize > s.bsize || bits.OnesCount32(uint32(s.fsize)) != 1 || s.frag != s.bsize/s.fsize || s.frag > maxFragment:
		return bad(0x34, "%d fragments of %d bytes in blocks of %d", s.frag, s.fsize, s.bsize)
	case s.groups == 0 || s.groups > maxGroups || s.fpg <= 0 || s.ipg == 0:
		return bad(0x2C, "%d cylinder groups of %d fragments and %d inodes", s.groups, s.fpg, s.ipg)
	case s.iblkno <= 0 || s.iblkno >= s.fpg:
		return bad(0x10, "inodes from fragment %d of %d on", s.iblkno, s.fpg)
	case s.size <= 0 || s.size > int64(s.groups)*int64(s.fpg) || s.size <= int64(s.groups-1)*int64(s.fpg):
		return bad(0x24, "%d fragments in %d groups of %d", s.size, s.groups, s.fpg)
	case int64(s.ipg) > int64(s.fpg-s.iblkno)*int64(s.fsize)/s.inodeSize || uint64(s.ipg)*uint64(s.groups) > 1<<32:
		return bad(0xB8, "%d groups of %d inodes in %d fragments", s.groups, s.ipg, s.fpg)
	case s.size > size/int64(s.fsize):
		return block.Errorf(format, "superblock", s.off+0x24, block.ErrTruncated, "the filesystem has %d bytes, and %d are there", s.size*int64(s.fsize), size)
	}
	s.perBlock, s.nindir = int64(s.bsize)/s.inodeSize, int64(s.bsize)/s.pointerLen
	return nil
}

// Bits of hashed: what has a check-hash, besides what no reader needs.
const (
	hashedSuper = 1
	hashedInode = 4
)

// checkHash is the CRC-32C of a structure whose field for it, at a place, counts as zero.
// It is not inverted at its end.
func checkHash(b []byte, at int) uint32 {
	c := crc32.Update(0, castagnoli, b[:at])
	c = crc32.Update(c, castagnoli, make([]byte, 4))
	return ^crc32.Update(c, castagnoli, b[at+4:])
}

// verify compares the check-hash of the superblock, where it has one.
func (s *superblock) verify(r block.Reader) error {
	if !s.ufs2() || s.hashed&hashedSuper == 0 {
		return nil
	}
	if s.sbsize < sbSize || s.sbsize > maxSuper {
		return block.Errorf(format, "superblock", s.off+0x68, block.ErrCorrupt, "it has %d bytes", s.sbsize)
	}
	b, err := block.ReadBytes(r, s.off, int64(s.sbsize), maxSuper)
	if err != nil {
		return block.Locate(format, "superblock", s.off, err)
	}
	if got := checkHash(b, checkHashAt); got != s.checkHash {
		return block.Errorf(format, "superblock", s.off+checkHashAt, block.ErrCorrupt, "its check-hash is %#08x, computed %#08x", s.checkHash, got)
	}
	return nil
}

// groupStart is the fragment at which the fixed parts of a cylinder group start:
// UFS1 staggered them over the tracks.
func (s *superblock) groupStart(group int64) int64 {
	start := group * int64(s.fpg)
	if !s.ufs2() {
		start += int64(s.cgOffset) * (group &^ int64(s.cgMask))
	}
	return start
}

// flagNames are the features that flags say.
var flagNames = [...]struct {
	bit  uint32
	name string
}{{0x2, "soft_updates"}, {0x8, "soft_updates_journal"}, {0x10, "acls"}, {0x20, "multilabel"}, {0x40, "gjournal"},
	{0x100, "nfs4_acls"}, {flagCheckHashes, "check_hashes"}, {0x400, "trim"}}

func (s *superblock) features() []string {
	var out []string
	for _, f := range flagNames {
		if s.flags&f.bit != 0 {
			out = append(out, f.name)
		}
	}
	if s.order == binary.ByteOrder(binary.BigEndian) {
		out = append(out, "big_endian")
	}
	return out
}

// uuid writes the identifier as blkid does.
func (s *superblock) uuid() string {
	a, b := s.order.Uint32(s.id[:]), s.order.Uint32(s.id[4:])
	if a == 0 && b == 0 {
		return ""
	}
	return fmt.Sprintf("%08x%08x", a, b)
}

func (s *superblock) label() string {
	if !s.ufs2() {
		return ""
	}
	name, _, _ := strings.Cut(string(s.volname), "\x00")
	return name
}
