package registry

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	baseSize     = 4096 // of the base block; offsets of cells count from its end
	logBaseSize  = 512  // as much of it as checksums cover and logs repeat
	maxBins      = 1 << 31
	binAlign     = 4096
	nowhere      = 0xffffffff // the offset of a cell that there is not
	typePrimary  = 0
	typeLogOld   = 1
	typeLogNT    = 2 // the same form, up to Windows 2000
	typeLogNew   = 6
	formatMemory = 1
)

// baseBlock is the head of a hive and, in its first 512 bytes, of a log.
type baseBlock struct {
	signature  [4]byte // 0x00 "regf"
	seq1       uint32  // 0x04 primary sequence number, raised before a write
	seq2       uint32  // 0x08 secondary, raised after it
	modified   uint64  // 0x0c FILETIME
	major      uint32  // 0x14
	minor      uint32  // 0x18
	fileType   uint32  // 0x1c
	fileFormat uint32  // 0x20
	root       uint32  // 0x24 offset of the root's cell
	bins       uint32  // 0x28 size of all hive bins
	clustering uint32  // 0x2c sector size / 512
	// 0x30 file name, 0x70 GUIDs and flags of the transaction manager
	checksum uint32 // 0x1fc of all before

	sum uint32 // what the checksum should be
}

func (b *baseBlock) decode(p []byte) {
	le := binary.LittleEndian
	copy(b.signature[:], p)
	b.seq1 = le.Uint32(p[0x04:])
	b.seq2 = le.Uint32(p[0x08:])
	b.modified = le.Uint64(p[0x0c:])
	b.major = le.Uint32(p[0x14:])
	b.minor = le.Uint32(p[0x18:])
	b.fileType = le.Uint32(p[0x1c:])
	b.fileFormat = le.Uint32(p[0x20:])
	b.root = le.Uint32(p[0x24:])
	b.bins = le.Uint32(p[0x28:])
	b.clustering = le.Uint32(p[0x2c:])
	b.checksum = le.Uint32(p[0x1fc:])
	b.sum = checksum(p)
}

// checksum is the XOR of the 127 words before the checksum itself, which is
// never 0 or all ones.
func checksum(p []byte) uint32 {
	var x uint32
	for i := 0; i < 0x1fc; i += 4 {
		x ^= binary.LittleEndian.Uint32(p[i:])
	}
	switch x {
	case 0:
		return 1
	case 0xffffffff:
		return 0xfffffffe
	}
	return x
}

func (b *baseBlock) intact() bool { return b.checksum == b.sum }

// dirty reports whether the last write to the hive did not reach its end.
func (b *baseBlock) dirty() bool { return !b.intact() || b.seq1 != b.seq2 }

// readBase reads the base block of a hive or a log. ErrFormat means that it
// is neither.
func readBase(r block.Reader) (*baseBlock, error) {
	if r.Size() < logBaseSize {
		return nil, block.Errorf(format, "base block", 0, block.ErrFormat, "")
	}
	p, err := block.ReadBytes(r, 0, logBaseSize, logBaseSize)
	if err != nil {
		return nil, block.Locate(format, "base block", 0, err)
	}
	var b baseBlock
	b.decode(p)
	if string(b.signature[:]) != "regf" {
		return nil, block.Errorf(format, "base block", 0, block.ErrFormat, "")
	}
	return &b, nil
}

// validate checks what the base block of a hive says, which the checksum may
// not vouch for.
func (b *baseBlock) validate() error {
	fail := func(off int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "base block", off, class, detail, args...)
	}
	switch {
	case b.fileType == typeLogOld, b.fileType == typeLogNT, b.fileType == typeLogNew:
		return fail(0x1c, block.ErrUnsupported, "it is that of a transaction log, not of a hive")
	case b.fileType != typePrimary:
		return fail(0x1c, block.ErrUnsupported, "file type %d", b.fileType)
	case b.major != 1 || b.minor < 3 || b.minor > 6:
		return fail(0x14, block.ErrUnsupported, "version %d.%d", b.major, b.minor)
	case b.fileFormat != formatMemory:
		return fail(0x20, block.ErrUnsupported, "file format %d", b.fileFormat)
	case b.bins%binAlign != 0 || b.bins == 0:
		return fail(0x28, block.ErrCorrupt, "the hive bins have a size of %d bytes, no multiple of %d", b.bins, binAlign)
	case b.bins > maxBins:
		return fail(0x28, block.ErrLimit, "the hive bins have a size of %d bytes", b.bins)
	}
	return nil
}
