package btrfs

import (
	"encoding/binary"
	"io/fs"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

const inodeItemSize = 0xA0

// Bits of the flags of an inode.
const (
	flagNodatasum = 0x1
)

// Types in the mode that the replay of a log tells apart.
const (
	modeType    = 0xF000
	modeDir     = 0x4000
	modeRegular = 0x8000
)

// inodeItem is struct btrfs_inode_item.
type inodeItem struct {
	generation uint64    // 0x00
	transid    uint64    // 0x08
	size       uint64    // 0x10
	nbytes     uint64    // 0x18
	nlink      uint32    // 0x28
	uid        uint32    // 0x2C
	gid        uint32    // 0x30
	mode       uint32    // 0x34
	rdev       uint64    // 0x38
	flags      uint64    // 0x40
	atime      time.Time // 0x70
	ctime      time.Time // 0x7C
	mtime      time.Time // 0x88
	otime      time.Time // 0x94
}

func (d *inodeItem) decode(b []byte) {
	le := binary.LittleEndian
	stamp := func(b []byte) time.Time { return time.Unix(int64(le.Uint64(b)), int64(le.Uint32(b[8:]))) }
	d.generation = le.Uint64(b[0x00:])
	d.transid = le.Uint64(b[0x08:])
	d.size = le.Uint64(b[0x10:])
	d.nbytes = le.Uint64(b[0x18:])
	d.nlink = le.Uint32(b[0x28:])
	d.uid = le.Uint32(b[0x2C:])
	d.gid = le.Uint32(b[0x30:])
	d.mode = le.Uint32(b[0x34:])
	d.rdev = le.Uint64(b[0x38:])
	d.flags = le.Uint64(b[0x40:])
	d.atime = stamp(b[0x70:])
	d.ctime = stamp(b[0x7C:])
	d.mtime = stamp(b[0x88:])
	d.otime = stamp(b[0x94:])
}

// Native is what else an inode of Btrfs tells: the Native field of [vfs.Stat]
// holds a *Native.
type Native struct {
	Subvolume  uint64 // the id of the subvolume that it is in
	Flags      uint64 // bit 0x1 no checksums, 0x2 no copies on write, 0x40 immutable …
	Generation uint64 // the transaction that made it
	Transid    uint64 // the one that changed it last
}

// inode implements vfs.Inode.
type inode struct {
	fs     *filesystem
	tree   *tree // nil for an empty subvolume
	ino    uint64
	flags  uint64
	stat   vfs.Stat
	native Native
}

type inodeKey struct{ tree, ino uint64 }

// inodeCost is about what an inode costs in the cache.
const inodeCost = 640

// inode reads an inode of a subvolume.
func (f *filesystem) inode(t *tree, ino uint64) (*inode, error) {
	return f.inodes.Get(inodeKey{t.id, ino}, func() (*inode, int64, error) {
		n, err := f.loadInode(t, ino)
		return n, inodeCost, err
	})
}

func (f *filesystem) loadInode(t *tree, ino uint64) (*inode, error) {
	n := &inode{fs: f, tree: t, ino: ino}
	data, err := t.get(key{ino, typeInodeItem, 0})
	if err != nil {
		return nil, err
	}
	if data == nil {
		return nil, n.corrupt("there is none")
	}
	if len(data) < inodeItemSize {
		return nil, n.corrupt("an item of %d bytes", len(data))
	}
	var d inodeItem
	d.decode(data)
	mode, ok := vfs.UnixMode(d.mode)
	switch {
	case !ok:
		return nil, n.corrupt("mode %#o", d.mode)
	case d.nlink == 0:
		return nil, n.corrupt("it is not in use")
	case d.size > 1<<63-1:
		return nil, n.corrupt("size %#x", d.size)
	}
	n.flags = d.flags
	n.native = Native{Subvolume: t.id, Flags: d.flags, Generation: d.generation, Transid: d.transid}
	bs := uint64(f.sb.sectorSize)
	n.stat = vfs.Stat{Dev: uint64(uint32(t.id)), Ino: ino, Nlink: uint64(d.nlink), Mode: mode, UID: d.uid, GID: d.gid, Size: int64(d.size), Allocated: -1,
		Atime: d.atime, Mtime: d.mtime, Ctime: d.ctime, Btime: d.otime, Native: &n.native}
	if d.nbytes < 1<<62 {
		n.stat.Allocated = int64((d.nbytes + bs - 1) / bs * bs)
	}
	if mode&fs.ModeDevice != 0 {
		n.stat.Major, n.stat.Minor = uint32(d.rdev>>20), uint32(d.rdev&0xFFFFF)
	}
	return n, nil
}

// fault is an error about this inode.
func (n *inode) fault(class error, detail string, args ...any) error {
	return block.Errorf(format, n.name(), -1, class, detail, args...)
}

func (n *inode) corrupt(detail string, args ...any) error {
	return n.fault(block.ErrCorrupt, detail, args...)
}

// Stat implements vfs.Inode.
func (n *inode) Stat() *vfs.Stat { return &n.stat }

// maxLink is the longest target of a symbolic link that Linux makes.
const maxLink = 4096

// ReadLink implements vfs.Inode.
func (n *inode) ReadLink() (string, error) {
	switch {
	case n.stat.Mode&fs.ModeSymlink == 0:
		return "", fs.ErrInvalid
	case n.stat.Size > maxLink:
		return "", n.corrupt("a symbolic link of %d bytes", n.stat.Size)
	}
	b, err := block.ReadBytes(&content{n: n, size: n.stat.Size}, 0, n.stat.Size, maxLink)
	return string(b), err
}

// Content implements vfs.Inode.
func (n *inode) Content() (block.Device, error) {
	return &content{n: n, size: n.stat.Size}, nil
}
