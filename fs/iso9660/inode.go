package iso9660

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// Bits of the flags of a record.
const (
	flagDir        = 0x02
	flagAssociated = 0x04
	flagMore       = 0x80 // another record goes on with the file
)

const recordLen = 33

// record is a directory record (ECMA-119, 9.1).
type record struct {
	attrLen    uint8    // 0x01: blocks before the content
	block      uint32   // 0x02
	size       uint32   // 0x0A
	date       [7]byte  // 0x12
	flags      uint8    // 0x19
	interleave [2]uint8 // 0x1A, 0x1B: unit and gap
	name       []byte   // 0x21
	system     []byte   // behind the name, to the end
}

// decode reads a record of len(b) bytes and reports whether it can be one.
func (x *record) decode(b []byte) bool {
	if len(b) < recordLen || int(b[0x20]) > len(b)-recordLen {
		return false
	}
	le := binary.LittleEndian
	x.attrLen = b[0x01]
	x.block = le.Uint32(b[0x02:])
	x.size = le.Uint32(b[0x0A:])
	copy(x.date[:], b[0x12:])
	x.flags = b[0x19]
	x.interleave = [2]uint8{b[0x1A], b[0x1B]}
	n := int(b[0x20])
	x.name = b[recordLen : recordLen+n]
	x.system = b[min(recordLen+n+(n+1)%2, len(b)):]
	return true
}

// date decodes the seven bytes of a date; the last is the distance to UTC in
// quarters of an hour.
func date(b []byte) time.Time {
	if b[1] < 1 || b[1] > 12 || b[2] < 1 || b[2] > 31 || b[3] > 23 || b[4] > 59 || b[5] > 60 {
		return time.Time{}
	}
	t := time.Date(1900+int(b[0]), time.Month(b[1]), int(b[2]), int(b[3]), int(b[4]), int(b[5]), 0, time.UTC)
	return zone(t, int8(b[6]))
}

// zone turns local time into UTC.
func zone(t time.Time, quarters int8) time.Time {
	if quarters < -52 || quarters > 52 {
		return t
	}
	return t.Add(-time.Duration(quarters) * 15 * time.Minute)
}

// An extent is a stretch of a file: bytes on the volume.
type extent struct{ off, n int64 }

// inode implements vfs.Inode. It is immutable once its directory is read.
type inode struct {
	f       *filesystem
	parent  *inode
	depth   int
	off     int64 // of its record
	name    string
	extents []extent
	stat    vfs.Stat
	target  string
	z       *zisofs
	fault   error // that hinders reading the content
}

// newInode makes an inode of a record, as it is without Rock Ridge.
func (f *filesystem) newInode(x *record, off int64) *inode {
	n := &inode{f: f, off: off}
	bs := int64(f.d.primary.blockSize)
	n.extents = []extent{{(int64(x.block) + int64(x.attrLen)) * bs, int64(x.size)}}
	n.stat = vfs.Stat{Ino: uint64(off), Nlink: 1, Mode: 0o555, Size: int64(x.size), Allocated: (int64(x.size) + bs - 1) / bs * bs, Mtime: date(x.date[:])}
	if x.flags&flagDir != 0 {
		n.stat.Mode |= fs.ModeDir
	}
	if x.interleave != [2]uint8{} {
		n.fault = n.errorf(block.ErrUnsupported, "an interleaved file")
	}
	return n
}

// start is where the content starts, which is what tells directories apart.
func (n *inode) start() int64 { return n.extents[0].off }

func (n *inode) errorf(class error, detail string, args ...any) error {
	what := "directory record"
	if n.name != "" {
		what = fmt.Sprintf("record of %q", n.name)
	}
	return block.Errorf(format, what, n.off, class, detail, args...)
}

// Stat implements vfs.Inode.
func (n *inode) Stat() *vfs.Stat { return &n.stat }

// ReadLink implements vfs.Inode.
func (n *inode) ReadLink() (string, error) {
	if n.stat.Mode&fs.ModeSymlink == 0 {
		return "", fs.ErrInvalid
	}
	return n.target, nil
}

// Xattrs implements vfs.Inode.
func (n *inode) Xattrs() ([]vfs.Xattr, error) { return nil, nil }

// Content implements vfs.Inode.
func (n *inode) Content() (block.Device, error) {
	if n.fault != nil {
		return nil, n.fault
	}
	var parts []block.Device
	for _, e := range n.extents {
		if e.n == 0 {
			continue
		}
		if e.off > n.f.dev.Size() || e.n > n.f.dev.Size()-e.off {
			return nil, n.errorf(block.ErrTruncated, "%d bytes at %#x leave the volume", e.n, e.off)
		}
		parts = append(parts, block.Section(n.f.dev, e.off, e.n))
	}
	var d block.Device
	if len(parts) == 1 {
		d = parts[0]
	} else {
		d = block.Concat(parts...)
	}
	if n.z != nil {
		return n.z.open(n, d)
	}
	return d, nil
}
