package ext4

import (
	"encoding/binary"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// Bits of i_flags.
const (
	flagEncrypt    = 0x800
	flagIndex      = 0x1000
	flagHugeFile   = 0x40000
	flagExtents    = 0x80000
	flagEAInode    = 0x200000
	flagInlineData = 0x10000000
	flagCasefold   = 0x40000000
)

// Types in i_mode.
const (
	modeType = 0xF000
	modeDir  = 0x4000
)

// diskInode is struct ext4_inode.
type diskInode struct {
	mode         uint16   // 0x00
	uid          uint32   // 0x02, 0x78
	sizeLo       uint32   // 0x04
	atime        uint32   // 0x08
	ctime        uint32   // 0x0C
	mtime        uint32   // 0x10
	gid          uint32   // 0x18, 0x7A
	linksCount   uint16   // 0x1A
	blocks       uint64   // 0x1C, 0x74
	flags        uint32   // 0x20
	version      uint32   // 0x24
	block        [60]byte // 0x28
	generation   uint32   // 0x64
	fileACL      uint64   // 0x68, 0x76
	sizeHigh     uint32   // 0x6C
	checksum     uint32   // 0x7C, 0x82
	extraIsize   uint16   // 0x80
	ctimeExtra   uint32   // 0x84
	mtimeExtra   uint32   // 0x88
	atimeExtra   uint32   // 0x8C
	crtime       uint32   // 0x90
	crtimeExtra  uint32   // 0x94
	projid       uint32   // 0x9C
	hasCrtime    bool
	wideChecksum bool // all 32 bits of the checksum are there
}

func (d *diskInode) decode(b []byte) {
	le := binary.LittleEndian
	d.mode = le.Uint16(b[0x00:])
	d.uid = uint32(le.Uint16(b[0x02:])) | uint32(le.Uint16(b[0x78:]))<<16
	d.sizeLo = le.Uint32(b[0x04:])
	d.atime = le.Uint32(b[0x08:])
	d.ctime = le.Uint32(b[0x0C:])
	d.mtime = le.Uint32(b[0x10:])
	d.gid = uint32(le.Uint16(b[0x18:])) | uint32(le.Uint16(b[0x7A:]))<<16
	d.linksCount = le.Uint16(b[0x1A:])
	d.blocks = uint64(le.Uint32(b[0x1C:])) | uint64(le.Uint16(b[0x74:]))<<32
	d.flags = le.Uint32(b[0x20:])
	d.version = le.Uint32(b[0x24:])
	copy(d.block[:], b[0x28:0x64])
	d.generation = le.Uint32(b[0x64:])
	d.fileACL = uint64(le.Uint32(b[0x68:])) | uint64(le.Uint16(b[0x76:]))<<32
	d.sizeHigh = le.Uint32(b[0x6C:])
	d.checksum = uint32(le.Uint16(b[0x7C:]))
	if len(b) <= oldInodeSize {
		return
	}
	d.extraIsize = le.Uint16(b[0x80:])
	// field returns the 4 bytes at off if i_extra_isize reaches over them.
	field := func(off int) uint32 {
		if oldInodeSize+int(d.extraIsize) < off+4 || off+4 > len(b) {
			return 0
		}
		return le.Uint32(b[off:])
	}
	if d.extraIsize >= 4 {
		d.checksum |= uint32(le.Uint16(b[0x82:])) << 16
		d.wideChecksum = true
	}
	d.ctimeExtra = field(0x84)
	d.mtimeExtra = field(0x88)
	d.atimeExtra = field(0x8C)
	d.crtime = field(0x90)
	d.crtimeExtra = field(0x94)
	d.projid = field(0x9C)
	d.hasCrtime = d.extraIsize >= 0x94-oldInodeSize
}

// sum computes the checksum of the inode in b, where that itself counts as zeros.
func (d *diskInode) sum(seed uint32, b []byte) uint32 {
	crc := crc32cHole(seed, b[:oldInodeSize], 0x7C, 2)
	if !d.wideChecksum {
		return crc32c(crc, b[oldInodeSize:]) & 0xFFFF
	}
	return crc32cHole(crc, b[oldInodeSize:], 0x82-oldInodeSize, 2)
}

// timestamp joins the seconds of a time with its extra field: two more bits of
// seconds and thirty of nanoseconds.
func timestamp(sec, extra uint32) time.Time {
	return time.Unix(int64(int32(sec))+int64(extra&3)<<32, int64(extra>>2))
}

// Native is what else an inode of ext4 tells: the Native field of [vfs.Stat]
// holds a *Native.
type Native struct {
	Flags      uint32 // i_flags: 0x10 immutable, 0x20 append only, 0x800 encrypted, 0x100000 verity …
	Generation uint32
	Project    uint32
}

// inode implements vfs.Inode.
type inode struct {
	fs      *filesystem
	ino     uint32
	flags   uint32
	block   [60]byte
	fileACL uint64
	extra   uint16 // i_extra_isize
	blocks  uint64 // i_blocks
	seed    uint32 // of the checksums of blocks that belong to it
	stat    vfs.Stat
	native  Native
	ranges  []run // of fast commits, over the extents

	parent  atomic.Uint32 // what ".." names, 0 until it was read
	checked atomic.Bool   // the root of the extent tree is sound
}

// inodeCost is about what an inode costs in the cache.
const inodeCost = 768

// inode reads an inode that is in use.
func (f *filesystem) inode(ino uint32) (*inode, error) {
	return f.inodes.Get(ino, func() (*inode, int64, error) {
		n, err := f.loadInode(ino)
		return n, inodeCost, err
	})
}

// rawInode returns the bytes of an inode and their offset. They are shared.
func (f *filesystem) rawInode(ino uint32) ([]byte, int64, error) {
	s := f.sb
	if ino == 0 || ino > s.inodesCount {
		return nil, 0, block.Errorf("ext4", "inode", -1, block.ErrCorrupt, "number %d of %d", ino, s.inodesCount)
	}
	g, err := f.group((ino - 1) / s.inodesPerGroup)
	if err != nil {
		return nil, 0, err
	}
	at := int64((ino-1)%s.inodesPerGroup) * int64(s.inodeSize)
	n := g.inodeTable + uint64(at/s.blockSize)
	if g.inodeTable >= s.blocksCount {
		n = g.inodeTable
	}
	b, err := f.tableBlock(n)
	if err != nil {
		return nil, 0, block.Locate("ext4", "inode table", f.blockOff(n), err)
	}
	at %= s.blockSize
	if f.fast != nil && f.fast.inodes[ino] != nil {
		return f.fast.inodes[ino], f.blockOff(n) + at, nil
	}
	return b[at : at+int64(s.inodeSize)], f.blockOff(n) + at, nil
}

// loadInode reads and validates an inode. A wrong checksum is a problem, not
// an error: the fields are validated where they are used.
func (f *filesystem) loadInode(ino uint32) (*inode, error) {
	b, off, err := f.rawInode(ino)
	if err != nil {
		return nil, err
	}
	var d diskInode
	d.decode(b)
	n := &inode{fs: f, ino: ino, flags: d.flags, block: d.block, fileACL: d.fileACL, extra: d.extraIsize, blocks: d.blocks}
	if f.fast != nil {
		n.ranges = f.fast.ranges[ino]
	}
	n.seed = crc32cLE(crc32cLE(f.sb.csumSeed, ino), d.generation)
	if f.sb.has(roMetadataCsum) {
		if sum := d.sum(n.seed, b); sum != d.checksum {
			f.problems.Add(block.Errorf("ext4", "inode", off, block.ErrCorrupt, "checksum %#x of inode %d, computed %#x", d.checksum, ino, sum))
		}
	}
	if f.sb.featureIncompat&incompat64bit == 0 {
		n.fileACL &= 0xFFFFFFFF
	}
	mode, ok := vfs.UnixMode(uint32(d.mode))
	switch {
	case d.linksCount == 0:
		return nil, n.corrupt("it is not in use")
	case !ok:
		return nil, n.corrupt("mode %#o", d.mode)
	case len(b) > oldInodeSize && (int(d.extraIsize) > len(b)-oldInodeSize || d.extraIsize%4 != 0):
		return nil, n.corrupt("i_extra_isize %d", d.extraIsize)
	}
	n.native = Native{Flags: d.flags, Generation: d.generation, Project: d.projid}
	n.stat = vfs.Stat{
		Ino: uint64(ino), Nlink: uint64(d.linksCount), Mode: mode, UID: d.uid, GID: d.gid,
		Size:      int64(d.sizeLo),
		Allocated: n.allocated(),
		Atime:     timestamp(d.atime, d.atimeExtra),
		Mtime:     timestamp(d.mtime, d.mtimeExtra),
		Ctime:     timestamp(d.ctime, d.ctimeExtra),
		Native:    &n.native,
	}
	if d.hasCrtime {
		n.stat.Btime = timestamp(d.crtime, d.crtimeExtra)
	}
	switch mode.Type() {
	case 0, fs.ModeDir:
		if mode.IsDir() && f.sb.featureIncompat&incompatLargeDir == 0 {
			break
		}
		n.stat.Size |= int64(d.sizeHigh) << 32
		if n.stat.Size < 0 {
			return nil, n.corrupt("size %#x", uint64(n.stat.Size))
		}
		if mode.IsRegular() && n.flags&flagInlineData != 0 {
			// i_blocks leaves it out, and a program would take the file for a hole.
			n.stat.Allocated += (min(n.stat.Size, f.sb.blockSize) + 511) &^ 511
		}
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		n.stat.Major, n.stat.Minor = n.device()
	}
	return n, nil
}

// allocated returns the bytes that i_blocks stands for.
func (n *inode) allocated() int64 {
	unit := int64(512)
	if n.fs.sb.has(roHugeFile) {
		if n.flags&flagHugeFile != 0 {
			unit = n.fs.sb.blockSize
		}
	} else {
		n.blocks &= 0xFFFFFFFF
	}
	return int64(n.blocks) * unit
}

// device decodes a device number: the old form in the first word, or the new
// one in the second.
func (n *inode) device() (major, minor uint32) {
	if v := binary.LittleEndian.Uint32(n.block[0:]); v != 0 {
		return v >> 8 & 0xFF, v & 0xFF
	}
	v := binary.LittleEndian.Uint32(n.block[4:])
	return v >> 8 & 0xFFF, v&0xFF | v>>12&0xFFF00
}

// off returns where the inode lies, -1 if nowhere.
func (n *inode) off() int64 {
	_, off, err := n.fs.rawInode(n.ino)
	if err != nil {
		return -1
	}
	return off
}

// fault is an error about this inode.
func (n *inode) fault(class error, detail string, args ...any) error {
	return block.Errorf("ext4", inodeName(n.ino), n.off(), class, detail, args...)
}

func (n *inode) corrupt(detail string, args ...any) error {
	return n.fault(block.ErrCorrupt, detail, args...)
}

// Stat implements vfs.Inode.
func (n *inode) Stat() *vfs.Stat { return &n.stat }
