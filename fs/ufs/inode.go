package ufs

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

const (
	direct       = 12
	inodeCost    = 700
	maxTarget    = 1 << 16 // bytes of a link
	flagSnapshot = 0x200000
)

// diskInode is struct ufs1_dinode or ufs2_dinode.
type diskInode struct {
	mode      uint16
	nlink     int16
	uid, gid  uint32
	size      uint64
	blocks    uint64 // of 512 bytes
	times     [4]time.Time
	gen       uint32
	flags     uint32
	extSize   uint32
	extBlocks [2]int64
	addresses [direct + 3]int64
	short     []byte // the bytes of the addresses: a short target
}

// decode1 reads an inode of UFS1; old ones are those of 4.2BSD.
func (d *diskInode) decode1(s *superblock, b []byte) {
	o := s.order
	d.mode, d.nlink = o.Uint16(b[0x00:]), int16(o.Uint16(b[0x02:]))
	d.size = o.Uint64(b[0x08:])
	for i := range 3 { // access, modification, change
		d.times[i] = time.Unix(int64(int32(o.Uint32(b[0x10+8*i:]))), int64(o.Uint32(b[0x14+8*i:])%1e9))
	}
	d.short = b[0x28:0x64]
	for i := range d.addresses {
		d.addresses[i] = int64(o.Uint32(b[0x28+4*i:]))
	}
	d.flags = o.Uint32(b[0x64:])
	d.blocks = uint64(o.Uint32(b[0x68:]))
	d.gen = o.Uint32(b[0x6C:])
	d.uid, d.gid = o.Uint32(b[0x70:]), o.Uint32(b[0x74:])
	if s.inodeFmt != new4BSD {
		d.uid, d.gid = uint32(o.Uint16(b[0x04:])), uint32(o.Uint16(b[0x06:]))
	}
}

func (d *diskInode) decode2(s *superblock, b []byte) {
	o := s.order
	d.mode, d.nlink = o.Uint16(b[0x00:]), int16(o.Uint16(b[0x02:]))
	d.uid, d.gid = o.Uint32(b[0x04:]), o.Uint32(b[0x08:])
	d.size, d.blocks = o.Uint64(b[0x10:]), o.Uint64(b[0x18:])
	nanos := [4]int{1, 0, 2, 3} // the fraction of the modification is first
	for i := range d.times {
		d.times[i] = time.Unix(int64(o.Uint64(b[0x20+8*i:])), int64(o.Uint32(b[0x40+4*nanos[i]:])%1e9))
	}
	d.gen, d.flags = o.Uint32(b[0x50:]), o.Uint32(b[0x58:])
	d.extSize = o.Uint32(b[0x5C:])
	for i := range d.extBlocks {
		d.extBlocks[i] = int64(o.Uint64(b[0x60+8*i:]))
	}
	d.short = b[0x70:0xE8]
	for i := range d.addresses {
		d.addresses[i] = int64(o.Uint64(b[0x70+8*i:]))
	}
}

// Native is what else an inode of UFS tells: the Native field of [vfs.Stat] holds
// a *Native.
type Native struct {
	Flags      uint32 // of chflags: 0x2 immutable by its owner, 0x20000 by the system …
	Generation uint32
}

// inode implements vfs.Inode.
type inode struct {
	f    *filesystem
	ino  uint32
	off  int64
	d    diskInode
	stat vfs.Stat
}

func (n *inode) errorf(class error, detail string, args ...any) error {
	return block.Errorf(format, fmt.Sprintf("inode %d", n.ino), n.off, class, detail, args...)
}

// inode reads an inode that is in use.
func (f *filesystem) inode(ino uint32) (*inode, error) {
	return f.inodes.Get(ino, func() (*inode, int64, error) {
		n, err := f.loadInode(ino)
		return n, inodeCost, err
	})
}

func (f *filesystem) loadInode(ino uint32) (*inode, error) {
	s := f.sb
	if ino < rootIno || uint64(ino) >= uint64(s.ipg)*uint64(s.groups) {
		return nil, block.Errorf(format, "inode", -1, block.ErrCorrupt, "number %d of %d", ino, uint64(s.ipg)*uint64(s.groups))
	}
	group, i := int64(ino/s.ipg), int64(ino%s.ipg)
	fragment := s.groupStart(group) + int64(s.iblkno) + i/s.perBlock*int64(s.frag)
	n := &inode{f: f, ino: ino, off: fragment*int64(s.fsize) + i%s.perBlock*s.inodeSize}
	if fragment >= s.size {
		return nil, n.errorf(block.ErrCorrupt, "it lies outside")
	}
	b, err := block.ReadBytes(f.dev, n.off, s.inodeSize, s.inodeSize)
	if err != nil {
		return nil, block.Locate(format, "inode", n.off, err)
	}
	if s.ufs2() {
		n.d.decode2(s, b)
	} else {
		n.d.decode1(s, b)
	}
	d := &n.d
	if s.ufs2() && s.hashed&hashedInode != 0 && d.mode != 0 {
		const hashAt = 0xF4
		if stored, got := s.order.Uint32(b[hashAt:]), checkHash(b, hashAt); stored != got {
			f.problems.Add(n.errorf(block.ErrCorrupt, "its check-hash is %#08x, computed %#08x", stored, got))
		}
	}
	mode, ok := vfs.UnixMode(uint32(d.mode))
	switch {
	case d.mode == 0 || d.nlink <= 0:
		return nil, n.errorf(block.ErrCorrupt, "it is not in use")
	case !ok:
		return nil, n.errorf(block.ErrCorrupt, "mode %#o", d.mode)
	case d.size > 1<<62:
		return nil, n.errorf(block.ErrCorrupt, "size %#x", d.size)
	}
	n.stat = vfs.Stat{Ino: uint64(ino), Nlink: uint64(d.nlink), Mode: mode, UID: d.uid, GID: d.gid, Size: int64(d.size),
		Allocated: int64(min(d.blocks, 1<<50)) * 512, Atime: d.times[0], Mtime: d.times[1], Ctime: d.times[2], Btime: d.times[3],
		Native: &Native{Flags: d.flags, Generation: d.gen}}
	if mode&fs.ModeDevice != 0 {
		n.stat.Major, n.stat.Minor = f.device(uint64(d.addresses[0]))
		n.stat.Size = 0
	}
	return n, nil
}

// device splits a number as FreeBSD does.
func (f *filesystem) device(v uint64) (major, minor uint32) {
	return uint32(v>>32)&0xFFFFFF00 | uint32(v>>8)&0xFF, uint32(v>>24)&0xFF00 | uint32(v)&0xFFFF00FF
}

// Stat implements vfs.Inode.
func (n *inode) Stat() *vfs.Stat { return &n.stat }

// Content implements vfs.Inode.
func (n *inode) Content() (block.Device, error) {
	c, err := n.content()
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (n *inode) content() (*content, error) {
	s := n.f.sb
	most := direct + s.nindir*(1+s.nindir*(1+s.nindir))
	switch {
	case n.d.flags&flagSnapshot != 0:
		return nil, n.errorf(block.ErrUnsupported, "it is a snapshot of the filesystem")
	case n.stat.Size > most*int64(s.bsize):
		return nil, n.errorf(block.ErrCorrupt, "size %d is larger than the format allows", n.stat.Size)
	}
	return &content{n: n}, nil
}

// ReadLink implements vfs.Inode. A short target lies in place of the addresses.
func (n *inode) ReadLink() (string, error) {
	switch {
	case n.stat.Mode&fs.ModeSymlink == 0:
		return "", fs.ErrInvalid
	case n.stat.Size > maxTarget:
		return "", n.errorf(block.ErrLimit, "a target of %d bytes", n.stat.Size)
	case n.stat.Size < int64(n.f.sb.maxLink) && n.stat.Size <= int64(len(n.d.short)):
		return string(n.d.short[:n.stat.Size]), nil
	}
	c, err := n.content()
	if err != nil {
		return "", err
	}
	b, err := block.ReadBytes(c, 0, n.stat.Size, maxTarget)
	return string(b), err
}
