package squashfs

import (
	"encoding/binary"
	"math/bits"

	"github.com/guestkit/guestkit/block"
)

const (
	format        = "squashfs"
	magic         = "hsqs"
	superblockLen = 96
	metaLen       = 8192 // of what a metadata block holds
	noTable       = 1<<64 - 1
)

// Bits of the flags.
const (
	flagNoFragments = 1 << 4
	flagDuplicates  = 1 << 6
	flagExport      = 1 << 7
	flagNoXattrs    = 1 << 9
	flagOptions     = 1 << 10
)

// superblock is struct squashfs_super_block.
type superblock struct {
	inodes        uint32 // 0x04
	mkfsTime      uint32 // 0x08
	blockSize     uint32 // 0x0C
	fragments     uint32 // 0x10
	compression   uint16 // 0x14
	blockLog      uint16 // 0x16
	flags         uint16 // 0x18
	noIDs         uint16 // 0x1A
	major         uint16 // 0x1C
	minor         uint16 // 0x1E
	rootInode     uint64 // 0x20
	bytesUsed     uint64 // 0x28
	idTable       uint64 // 0x30
	xattrTable    uint64 // 0x38
	inodeTable    uint64 // 0x40
	dirTable      uint64 // 0x48
	fragmentTable uint64 // 0x50
	exportTable   uint64 // 0x58
}

func (s *superblock) decode(b []byte) {
	le := binary.LittleEndian
	s.inodes = le.Uint32(b[0x04:])
	s.mkfsTime = le.Uint32(b[0x08:])
	s.blockSize = le.Uint32(b[0x0C:])
	s.fragments = le.Uint32(b[0x10:])
	s.compression = le.Uint16(b[0x14:])
	s.blockLog = le.Uint16(b[0x16:])
	s.flags = le.Uint16(b[0x18:])
	s.noIDs = le.Uint16(b[0x1A:])
	s.major = le.Uint16(b[0x1C:])
	s.minor = le.Uint16(b[0x1E:])
	s.rootInode = le.Uint64(b[0x20:])
	s.bytesUsed = le.Uint64(b[0x28:])
	s.idTable = le.Uint64(b[0x30:])
	s.xattrTable = le.Uint64(b[0x38:])
	s.inodeTable = le.Uint64(b[0x40:])
	s.dirTable = le.Uint64(b[0x48:])
	s.fragmentTable = le.Uint64(b[0x50:])
	s.exportTable = le.Uint64(b[0x58:])
}

func badSuper(off int64, class error, detail string, args ...any) error {
	return block.Errorf(format, "superblock", off, class, detail, args...)
}

// validate holds what the kernel demands of a superblock.
func (s *superblock) validate() error {
	switch {
	case s.major != 4 || s.minor != 0:
		return badSuper(0x1C, block.ErrUnsupported, "version %d.%d, only 4.0 is read", s.major, s.minor)
	case s.blockSize < 4096 || s.blockSize > 1<<20 || bits.OnesCount32(s.blockSize) != 1 || s.blockLog != uint16(bits.TrailingZeros32(s.blockSize)):
		return badSuper(0x0C, block.ErrCorrupt, "blocks of %d bytes, whose logarithm is to be %d", s.blockSize, s.blockLog)
	case s.bytesUsed < superblockLen || s.bytesUsed > 1<<62:
		return badSuper(0x28, block.ErrCorrupt, "%d bytes are in use", s.bytesUsed)
	case s.inodes == 0:
		return badSuper(0x04, block.ErrCorrupt, "no inodes")
	case s.noIDs == 0:
		return badSuper(0x1A, block.ErrCorrupt, "no owners")
	case s.rootInode&0xFFFF >= metaLen:
		return badSuper(0x20, block.ErrCorrupt, "root inode %#x", s.rootInode)
	}
	// The tables lie in this order.
	tables := []struct {
		at       int64
		off      uint64
		optional bool
	}{{0x40, s.inodeTable, false}, {0x48, s.dirTable, false}, {0x50, s.fragmentTable, s.fragments == 0}, {0x58, s.exportTable, true}, {0x30, s.idTable, false}, {0x38, s.xattrTable, true}}
	last := uint64(superblockLen)
	for _, t := range tables {
		if t.off == noTable && t.optional {
			continue
		}
		if t.off < last || t.off > s.bytesUsed {
			return badSuper(t.at, block.ErrCorrupt, "a table at %#x, behind one at %#x, of %d bytes", t.off, last, s.bytesUsed)
		}
		last = t.off
	}
	return nil
}

func readSuperblock(r block.Reader) (*superblock, error) {
	if r.Size() < superblockLen {
		return nil, badSuper(0, block.ErrFormat, "%d bytes", r.Size())
	}
	b, err := block.ReadBytes(r, 0, superblockLen, superblockLen)
	if err != nil {
		return nil, block.Locate(format, "superblock", 0, err)
	}
	if string(b[:4]) == "sqsh" { // big-endian, as no version 4 is
		return nil, badSuper(0, block.ErrUnsupported, "version %d.%d, only 4.0 is read", binary.BigEndian.Uint16(b[0x1C:]), binary.BigEndian.Uint16(b[0x1E:]))
	}
	if string(b[:4]) != magic {
		return nil, badSuper(0, block.ErrFormat, "")
	}
	s := new(superblock)
	s.decode(b)
	return s, s.validate()
}
