package ntfs

import (
	"encoding/binary"
	"io/fs"
	"sync"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// An inode is a file or directory: a base record with what extends it. It
// implements vfs.Inode.
type inode struct {
	v    *volume
	rec  *record
	list []listEntry // nil if the record holds all attributes
	std  standardInformation
	link reparsePoint
	mode fs.FileMode

	statOnce sync.Once
	stat     *vfs.Stat

	size, allocated int64
	major, minor    uint32
	links           uint64
}

// standardInformation is the $STANDARD_INFORMATION attribute.
type standardInformation struct {
	created, modified int64  // 0x00, 0x08: 100 ns since 1601
	changed, accessed int64  // 0x10, 0x18: changed is the record
	attributes        uint32 // 0x20
	securityID        uint32 // 0x34 since NTFS 3.0
}

const standardInformationSize = 0x30

func (s *standardInformation) decode(b []byte) {
	s.created = int64(binary.LittleEndian.Uint64(b))
	s.modified = int64(binary.LittleEndian.Uint64(b[0x08:]))
	s.changed = int64(binary.LittleEndian.Uint64(b[0x10:]))
	s.accessed = int64(binary.LittleEndian.Uint64(b[0x18:]))
	s.attributes = binary.LittleEndian.Uint32(b[0x20:])
	if len(b) >= 0x38 {
		s.securityID = binary.LittleEndian.Uint32(b[0x34:])
	}
}

// timeOf converts a time in units of 100 ns since 1601.
func timeOf(t int64) time.Time {
	const second, epoch = 10_000_000, 11_644_473_600
	return time.Unix(t/second-epoch, t%second*100)
}

// located is an attribute and the record that holds it.
type located struct {
	*attribute
	rec *record
}

// attributes returns the attributes of a type; of one whose clusters several
// records map, the first part.
func (n *inode) attributes(typ uint32) ([]located, error) {
	var out []located
	if n.list == nil {
		for i := range n.rec.attrs {
			if a := &n.rec.attrs[i]; a.typ == typ && (!a.nonRes || a.lowest == 0) {
				out = append(out, located{a, n.rec})
			}
		}
		return out, nil
	}
	for i := range n.list {
		e := &n.list[i]
		if e.typ != typ || e.lowest != 0 {
			continue
		}
		rec := n.rec
		if e.rec.num() != n.rec.num {
			var err error
			if rec, err = n.v.extension(e.rec, n.rec.num); err != nil {
				return nil, err
			}
		}
		a := rec.byInstance(typ, e.instance)
		if a == nil || string(a.name) != string(e.name) || a.nonRes && a.lowest != 0 {
			return nil, n.corrupt("the attribute list names an attribute %#x that record %d does not hold", typ, rec.num)
		}
		out = append(out, located{a, rec})
	}
	return out, nil
}

// named returns the attribute of a type and an ASCII name, or nil.
func (n *inode) named(typ uint32, name string) (*attribute, error) {
	if n.list == nil {
		for i := range n.rec.attrs {
			if a := &n.rec.attrs[i]; a.typ == typ && nameEqual(a.name, name) && (!a.nonRes || a.lowest == 0) {
				return a, nil
			}
		}
		return nil, nil
	}
	all, err := n.attributes(typ)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if nameEqual(a.name, name) {
			return a.attribute, nil
		}
	}
	return nil, nil
}

func (n *inode) corrupt(detail string, args ...any) error {
	return corrupt(recordName(n.rec.num), n.v.recordOffset(n.rec.num), detail, args...)
}

// value returns the bytes of a small attribute, nil if there is none. The
// caller does not change them.
func (n *inode) value(typ uint32, name string, max int64) ([]byte, error) {
	a, err := n.named(typ, name)
	if a == nil || err != nil {
		return nil, err
	}
	if !a.nonRes && int64(len(a.value)) <= max {
		return a.value, nil
	}
	d, err := n.open(a)
	if err != nil {
		return nil, err
	}
	b, err := block.ReadBytes(d, 0, d.Size(), max)
	if err != nil {
		err = block.Locate("ntfs", recordName(n.rec.num), n.v.recordOffset(n.rec.num), err)
	}
	return b, err
}

func (n *inode) open(a *attribute) (block.Device, error) {
	return n.v.open(a, n.list, n.rec.num)
}

func (v *volume) loadInode(num uint64) (*inode, error) {
	rec, err := v.record(num)
	if err != nil {
		return nil, err
	}
	n := &inode{v: v, rec: rec}
	if rec.flags&flagInUse == 0 {
		return nil, n.corrupt("it is not in use")
	}
	if rec.base != 0 {
		return nil, n.corrupt("it extends record %d and is no file", rec.base.num())
	}
	if rec.usaOffset >= recordHeaderSize && rec.number != uint32(num) {
		v.problems.Add(n.corrupt("it says that it is record %d", rec.number))
	}
	if n.list, err = v.readList(rec); err != nil {
		return nil, err
	}
	std, err := n.value(attrStandardInformation, "", 1<<10)
	if err != nil {
		return nil, err
	}
	if len(std) < standardInformationSize {
		return nil, n.corrupt("it has no $STANDARD_INFORMATION")
	}
	n.std.decode(std)
	if n.links, err = n.countLinks(); err != nil {
		return nil, err
	}
	if err = n.readReparse(); err != nil {
		return nil, err
	}
	return n, n.classify()
}

// countLinks counts the names of a file; a DOS name is part of the Win32 name
// beside it.
func (n *inode) countLinks() (uint64, error) {
	names, err := n.attributes(attrFileName)
	if err != nil {
		return 0, err
	}
	count := uint64(0)
	for _, a := range names {
		var f fileName
		if f.decode(a.value) && f.namespace != namespaceDOS {
			count++
		}
	}
	return count, nil
}

// childOf reports whether the file has a name in the directory parent. All
// names of a directory lie in one parent, so that the directories that can be
// reached from the root form a tree.
func (n *inode) childOf(parent *inode) error {
	if n.rec.num == recRoot {
		return block.Errorf("ntfs", recordName(parent.rec.num), n.v.recordOffset(parent.rec.num), block.ErrLoop, "the root directory is an entry of directory %d", parent.rec.num)
	}
	names, err := n.attributes(attrFileName)
	if err != nil {
		return err
	}
	found := false
	for _, a := range names {
		var f fileName
		if !f.decode(a.value) {
			return n.corrupt("its $FILE_NAME is cut off")
		}
		if f.parent.num() == parent.rec.num && f.parent.seq() == parent.rec.sequence {
			found = true
		} else if n.isDir() {
			return block.Errorf("ntfs", recordName(n.rec.num), n.v.recordOffset(n.rec.num), block.ErrLoop, "directory %d is an entry of directory %d but lies in %d", n.rec.num, parent.rec.num, f.parent.num())
		}
	}
	if !found {
		return n.corrupt("it is an entry of directory %d, of which it knows nothing", parent.rec.num)
	}
	return nil
}

// isDir reports whether the file is stored as a directory; a junction is.
func (n *inode) isDir() bool { return n.rec.flags&flagDirectory != 0 }

// classify finds out what the file is to a reader: mode, size, space.
func (n *inode) classify() error {
	a, err := n.named(attrData, "")
	if err != nil {
		return err
	}
	if n.isDir() {
		if a, err = n.named(attrIndexAllocation, indexName); err != nil {
			return err
		}
	}
	if a != nil {
		n.size, n.allocated = a.size, (int64(a.valueLength)+7)&^7
		if a.nonRes {
			n.allocated = a.stored
		}
	}
	n.mode = fs.ModePerm
	if n.link.tag != 0 {
		handled, err := n.classifyReparse()
		if handled || err != nil {
			return err
		}
	}
	if n.isDir() {
		n.mode |= fs.ModeDir
		return nil
	}
	if n.std.attributes&(AttrSystem|AttrHidden) == AttrSystem && a != nil {
		return n.classifyInterix(a)
	}
	return nil
}

// Stat implements vfs.Inode. The length of a link's target is found when it is
// asked for, since that may look at other files.
func (n *inode) Stat() *vfs.Stat {
	n.statOnce.Do(func() {
		n.stat = &vfs.Stat{
			Ino: n.rec.num, Nlink: n.links, Mode: n.mode, Size: n.size, Allocated: n.allocated,
			Atime: timeOf(n.std.accessed), Mtime: timeOf(n.std.modified), Ctime: timeOf(n.std.changed), Btime: timeOf(n.std.created),
			Major: n.major, Minor: n.minor,
			Native: &Native{Attributes: n.std.attributes, ReparseTag: n.link.tag, SecurityID: n.std.securityID, Sequence: n.rec.sequence, v: n.v},
		}
		if n.mode&fs.ModeSymlink != 0 {
			target, _ := n.ReadLink() // ReadLink says what is wrong
			n.stat.Size = int64(len(target))
		}
		n.stat.Native.(*Native).num = n.rec.num
	})
	return n.stat
}

// Content implements vfs.Inode.
func (n *inode) Content() (block.Device, error) {
	if n.link.tag == tagWOF {
		return n.openWOF()
	}
	if err := n.contentHere(); err != nil {
		return nil, err
	}
	a, err := n.named(attrData, "")
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, n.corrupt("it has no $DATA")
	}
	return n.open(a)
}
