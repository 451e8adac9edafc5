package xfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

const (
	inodeMagic  = 0x494e // "IN"
	coreSize    = 0x64   // of versions 1 and 2
	coreSizeV3  = 0xb0
	inodeCRCOff = 0x64

	flagRealtime   = 1 << 0 // di_flags
	flag2Bigtime   = 1 << 3 // di_flags2
	flag2Nrext64   = 1 << 4
	flag2Metadata  = 1 << 5
	maxInlineDepth = 8 // levels of a bmbt below its root
)

// Formats of a fork.
const (
	forkDev     = 0
	forkLocal   = 1
	forkExtents = 2
	forkBtree   = 3
)

// dinode is the core of an inode.
type dinode struct {
	magic      uint16   // 0x00
	mode       uint16   // 0x02
	version    uint8    // 0x04
	format     uint8    // 0x05
	onlink     uint16   // 0x06 links, in version 1
	uid        uint32   // 0x08
	gid        uint32   // 0x0c
	nlink      uint32   // 0x10
	nextents64 uint64   // 0x18 with nrext64; else padding and di_flushiter
	atime      [8]byte  // 0x20
	mtime      [8]byte  // 0x28
	ctime      [8]byte  // 0x30
	size       uint64   // 0x38
	nblocks    uint64   // 0x40
	extsize    uint32   // 0x48
	nextents   uint32   // 0x4c; with nrext64 of the attribute fork
	anextents  uint16   // 0x50
	forkoff    uint8    // 0x52 in units of 8 bytes, 0 for no attribute fork
	aformat    uint8    // 0x53
	flags      uint16   // 0x5a
	gen        uint32   // 0x5c
	unlinked   uint32   // 0x60
	crc        uint32   // 0x64 little-endian; from here on version 3 only
	lsn        uint64   // 0x70
	flags2     uint64   // 0x78
	crtime     [8]byte  // 0x90
	ino        uint64   // 0x98
	uuid       [16]byte // 0xa0
}

func (d *dinode) decode(b []byte) {
	be := binary.BigEndian
	d.magic = be.Uint16(b[0x00:])
	d.mode = be.Uint16(b[0x02:])
	d.version, d.format = b[0x04], b[0x05]
	d.onlink = be.Uint16(b[0x06:])
	d.uid = be.Uint32(b[0x08:])
	d.gid = be.Uint32(b[0x0c:])
	d.nlink = be.Uint32(b[0x10:])
	d.nextents64 = be.Uint64(b[0x18:])
	copy(d.atime[:], b[0x20:])
	copy(d.mtime[:], b[0x28:])
	copy(d.ctime[:], b[0x30:])
	d.size = be.Uint64(b[0x38:])
	d.nblocks = be.Uint64(b[0x40:])
	d.extsize = be.Uint32(b[0x48:])
	d.nextents = be.Uint32(b[0x4c:])
	d.anextents = be.Uint16(b[0x50:])
	d.forkoff, d.aformat = b[0x52], b[0x53]
	d.flags = be.Uint16(b[0x5a:])
	d.gen = be.Uint32(b[0x5c:])
	d.unlinked = be.Uint32(b[0x60:])
	if d.version < 3 {
		return
	}
	d.crc = binary.LittleEndian.Uint32(b[0x64:])
	d.lsn = be.Uint64(b[0x70:])
	d.flags2 = be.Uint64(b[0x78:])
	copy(d.crtime[:], b[0x90:])
	d.ino = be.Uint64(b[0x98:])
	copy(d.uuid[:], b[0xa0:])
}

func (d *dinode) coreSize() int {
	if d.version == 3 {
		return coreSizeV3
	}
	return coreSize
}

// extents returns how many extents the data and the attribute fork have.
func (d *dinode) extents() (data, attr uint64) {
	if d.version == 3 && d.flags2&flag2Nrext64 != 0 {
		return d.nextents64, uint64(d.nextents)
	}
	return uint64(d.nextents), uint64(d.anextents)
}

// Limits of an inode's fields.
const (
	maxFileSize = 1<<63 - 1
	maxSymlink  = 1024
)

// validate checks the fields that the rest trusts.
func (d *dinode) validate(sb *superblock, off int64, ino uint64) error {
	bad := func(detail string, args ...any) error {
		return block.Errorf(format, inodeName(ino), off, block.ErrCorrupt, detail, args...)
	}
	room := int(sb.inodesize) - d.coreSize()
	fork := int(d.forkoff) * 8
	data, attr := d.extents()
	switch {
	case d.magic != inodeMagic:
		return bad("magic is %#x", d.magic)
	case d.version < 1 || d.version > 3 || (d.version == 3) != sb.v5():
		return bad("version %d in a filesystem of version %d", d.version, sb.version())
	case d.version == 3 && d.ino != ino:
		return bad("it says that it is inode %d", d.ino)
	case d.version == 3 && d.uuid != sb.metadataUUID():
		return bad("it belongs to filesystem %s", formatUUID(d.uuid))
	case d.mode == 0:
		return bad("it is free")
	case d.size > maxFileSize:
		return bad("size is %d", d.size)
	case fork >= room && d.forkoff != 0:
		return bad("attribute fork at %d of %d bytes", fork, room)
	case d.nblocks > sb.dblocks+sb.rblocks:
		return bad("%d blocks in a filesystem of %d", d.nblocks, sb.dblocks)
	case data > d.nblocks || attr > d.nblocks:
		return bad("%d and %d extents in %d blocks", data, attr, d.nblocks)
	}
	return nil
}

func inodeName(ino uint64) string { return fmt.Sprintf("inode %d", ino) }

// inode is an inode, decoded and checked. It does not change.
type inode struct {
	ino  uint64
	off  int64
	core dinode
	stat vfs.Stat
	data fork
	attr fork // its format is forkDev if there is none
}

func (n *inode) corrupt(detail string, args ...any) error {
	return block.Errorf(format, inodeName(n.ino), n.off, block.ErrCorrupt, detail, args...)
}

// inode reads inode ino.
func (f *filesystem) inode(ino uint64) (*inode, error) {
	return cached(f, cacheKey{kind: kindParsed, ino: ino}, func() (*inode, int64, error) {
		n, err := f.readInode(ino)
		if err == nil {
			n.keep()
		}
		return n, int64(f.sb.inodesize) + 400, err
	})
}

// keep makes the forks the inode's own, lest it keep the whole cluster that it came in.
func (n *inode) keep() { n.data.b, n.attr.b = bytes.Clone(n.data.b), bytes.Clone(n.attr.b) }

func (f *filesystem) readInode(ino uint64) (*inode, error) {
	off, ok := f.sb.inodeOff(ino)
	if !ok {
		return nil, block.Errorf(format, inodeName(ino), -1, block.ErrCorrupt, "it lies outside the filesystem")
	}
	b, patched, err := f.rawInode(ino, off)
	if err != nil {
		return nil, block.Locate(format, inodeName(ino), off, err)
	}
	n := &inode{ino: ino, off: off}
	n.core.decode(b)
	if n.core.version == 3 && !patched && n.core.magic == inodeMagic {
		if got := checksum(b, inodeCRCOff); got != n.core.crc {
			err := n.corrupt("checksum is %#x, not %#x", n.core.crc, got)
			f.problems.Add(err)
			return nil, err
		}
	}
	if err := n.core.validate(&f.sb, off, ino); err != nil {
		return nil, err
	}
	n.setForks(b, f.sb.inodesize)
	if err := n.setStat(&f.sb); err != nil {
		return nil, err
	}
	return n, nil
}

// clusterSize is how many bytes around an inode are read at once: the 64 inodes
// of a chunk are neighbours.
const clusterSize = 32 << 10

// rawInode returns the bytes of an inode, with what the log says of it, and
// whether that changed them.
func (f *filesystem) rawInode(ino uint64, off int64) ([]byte, bool, error) {
	agBytes := int64(f.sb.agblocks) << f.sb.blocklog
	ag := off / agBytes * agBytes
	start := ag + (off-ag)/clusterSize*clusterSize
	size := min(clusterSize, ag+agBytes-start, f.sb.size()-start)
	// A truncated image may still have the inode itself.
	if end := f.dev.Size(); start+size > end && off+int64(f.sb.inodesize) <= end {
		size = end - start
	}
	cluster, err := f.clusters.Get(start, func() ([]byte, int64, error) {
		b, err := f.read(kindInodes, start, int(size))
		return b, size, err
	})
	if err != nil {
		return nil, false, err
	}
	b := cluster[off-start:][:f.sb.inodesize]
	if f.log == nil {
		return b, false, nil
	}
	return f.log.patchInode(ino, off, b)
}

// setForks finds the two forks in the bytes of the inode.
func (n *inode) setForks(b []byte, size uint16) {
	d := &n.core
	area := b[d.coreSize():size]
	data, attr := d.extents()
	n.data = fork{ino: n.ino, format: d.format, nextents: data, b: area, realtime: d.flags&flagRealtime != 0 && d.mode&modeType == modeRegular}
	if d.forkoff == 0 {
		return
	}
	n.data.b = area[:int(d.forkoff)*8]
	n.attr = fork{ino: n.ino, format: d.aformat, nextents: attr, b: area[int(d.forkoff)*8:], attr: true}
}

// Types in di_mode.
const (
	modeType    = 0xf000
	modeRegular = 0x8000
)

func (n *inode) setStat(sb *superblock) error {
	d := &n.core
	mode, ok := vfs.UnixMode(uint32(d.mode))
	if !ok {
		return n.corrupt("mode is %#o", d.mode)
	}
	big := d.flags2&flag2Bigtime != 0
	n.stat = vfs.Stat{
		Ino:       n.ino,
		Nlink:     uint64(d.nlink),
		Mode:      mode,
		UID:       d.uid,
		GID:       d.gid,
		Size:      int64(d.size),
		Allocated: int64(min(d.nblocks, 1<<(62-uint(sb.blocklog))) << sb.blocklog),
		Atime:     timestamp(d.atime, big),
		Mtime:     timestamp(d.mtime, big),
		Ctime:     timestamp(d.ctime, big),
	}
	if d.version == 1 {
		n.stat.Nlink = uint64(d.onlink)
	}
	if d.version == 3 {
		n.stat.Btime = timestamp(d.crtime, big)
	}
	if mode&fs.ModeDevice != 0 {
		if d.format != forkDev || len(n.data.b) < 4 {
			return n.corrupt("a device in format %d", d.format)
		}
		dev := binary.BigEndian.Uint32(n.data.b) // 14 bits of major, 18 of minor
		n.stat.Major, n.stat.Minor = dev>>18&0x1ff, dev&0x3ffff
	}
	return nil
}

// bigtimeEpoch is the second, counted from 1970, at which bigtime starts.
const bigtimeEpoch = -1 << 31

// timestamp decodes seconds and nanoseconds of 32 bits each or, with bigtime, a
// count of nanoseconds.
func timestamp(b [8]byte, big bool) time.Time {
	if big {
		ns := binary.BigEndian.Uint64(b[:])
		return time.Unix(int64(ns/1e9)+bigtimeEpoch, int64(ns%1e9))
	}
	return time.Unix(int64(int32(binary.BigEndian.Uint32(b[:]))), int64(int32(binary.BigEndian.Uint32(b[4:]))))
}
