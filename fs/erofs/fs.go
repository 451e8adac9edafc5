package erofs

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/onetree"
	"github.com/guestkit/guestkit/internal/paged"
	"github.com/guestkit/guestkit/internal/problem"
)

// Options bound what reading a filesystem may cost. Nil and zero values mean
// the defaults, which suit hostile input.
type Options struct {
	// CacheBytes bounds the caches of metadata and of unpacked pieces of
	// files; 0 means 32 MiB, and the least is 4 MiB.
	CacheBytes int64
	// Devices are the further devices that files may lie on, in the order of
	// the device table. Without them, such files cannot be read, and a problem
	// says so.
	Devices []block.Reader
	// Among are further volumes of the same guest. A device that Devices lacks, and that
	// the table calls by a UUID, as it does images that were merged, is the one of them
	// that is an EROFS of that UUID. Others have nothing by which they could be told.
	Among []block.Reader
}

const (
	defaultCache = 32 << 20
	minCache     = 4 << 20
)

// Open reads the filesystem in r. What is none wraps [block.ErrFormat], an
// unknown incompatible feature [block.ErrUnsupported].
func Open(r block.Reader, opts *Options) (vfs.FS, error) {
	f, err := open(r, opts)
	if err != nil {
		return nil, err
	}
	return vfs.New(f)
}

// filesystem implements vfs.Driver.
type filesystem struct {
	sb       *superblock
	devices  []device // the first is the primary one
	main     *area
	box      func() (*area, error) // the metabox
	packed   func() (block.Device, error)
	codecs   codecs
	pieces   *lru.Cache[pieceKey, []byte]
	prefixes []string // of attributes
	dirs     onetree.Dirs
	given    []block.Reader // those of Options.Devices that the table has
	problems problem.List
}

// An area is bytes in which metadata lies.
type area struct {
	r     block.Reader
	pages *paged.Cache
	base  int64 // what inode numbers count from
}

func newArea(r block.Reader, base, cache int64) *area {
	return &area{r, paged.New(r, 4096, cache), base}
}

// view returns n bytes at off, which are not to be changed.
func (a *area) view(what string, off int64, n int) ([]byte, error) {
	b, err := a.pages.View(off, n)
	return b, block.Locate(format, what, off, err)
}

// A device is one that files lie on.
type device struct {
	dev     block.Device // nil if it was not given
	start   uint64       // where it lies among the blocks of all, 0 if nowhere
	nblocks uint64
}

func open(r block.Reader, opts *Options) (*filesystem, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = defaultCache
	}
	o.CacheBytes = max(o.CacheBytes, minCache)
	sb, err := readSuperblock(r)
	if err != nil {
		return nil, err
	}
	f := &filesystem{
		sb:      sb,
		devices: []device{{dev: block.Plain(r)}},
		main:    newArea(r, int64(sb.metaBlock)<<sb.blockBits, o.CacheBytes/8),
		pieces:  lru.New[pieceKey, []byte](o.CacheBytes / 2),
	}
	f.problems.Add(sb.sum(r))
	f.box = sync.OnceValues(func() (*area, error) {
		d, err := f.special("metabox", sb.metaboxNid, sb.has(incompatMetabox))
		if err != nil {
			return nil, err
		}
		return newArea(d, 0, o.CacheBytes/8), nil
	})
	f.packed = sync.OnceValues(func() (block.Device, error) {
		return f.special("file of fragments", sb.packedNid, sb.has(incompatFragments) && sb.packedNid != 0)
	})
	if size := int64(min(sb.blocks(), 1<<46)) << sb.blockBits; size > r.Size() {
		f.problems.Add(badSuper(0x24, block.ErrTruncated, "%d bytes of blocks, and %d are there", size, r.Size()))
	}
	if err := f.openDevices(o.Devices, o.Among); err != nil {
		return nil, err
	}
	f.problems.Add(f.readPrefixes())
	return f, nil
}

// special opens the content of an inode that is part of the filesystem.
func (f *filesystem) special(what string, nid uint64, have bool) (block.Device, error) {
	if !have {
		return nil, badSuper(-1, block.ErrCorrupt, "it has no %s", what)
	}
	n, err := f.inodeIn(f.main, nid)
	if err != nil {
		return nil, err
	}
	if !n.stat.Mode.IsRegular() {
		return nil, n.corrupt("the %s is no file", what)
	}
	n.special = true
	return n.Content()
}

// openDevices reads the device table.
func (f *filesystem) openDevices(given, among []block.Reader) error {
	s := f.sb
	if !s.has(incompatDevices) || s.extraDevices == 0 {
		return nil
	}
	const slotLen = 128
	for i := range int(s.extraDevices) {
		off := (int64(s.deviceSlot) + int64(i)) * slotLen
		b, err := f.main.view("device table", off, slotLen)
		if err != nil {
			return err
		}
		le := binary.LittleEndian
		d := device{nblocks: uint64(le.Uint32(b[0x40:])), start: uint64(le.Uint32(b[0x44:]))}
		if s.has(incompat48Bit) {
			d.nblocks |= uint64(le.Uint16(b[0x48:])) << 32
			d.start |= uint64(le.Uint16(b[0x4A:])) << 32
		}
		tag, _, _ := bytes.Cut(b[:64], []byte{0})
		if i < len(given) && given[i] != nil {
			d.dev = block.Plain(given[i])
			f.given = append(f.given, given[i])
		} else if r := tagged(tag, among); r != nil {
			d.dev = block.Plain(r)
		} else {
			f.problems.Add(block.Errorf(format, "device table", off, block.ErrMissing, "device %d (%q), which files lie on, is not given", i+1, tag))
		}
		f.devices = append(f.devices, d)
	}
	return nil
}

// tagged returns the one EROFS whose UUID the tag is, nil if there is none, or several.
func tagged(tag []byte, among []block.Reader) (found block.Reader) {
	uuid, err := hex.DecodeString(string(tag))
	if err != nil || len(uuid) != 16 {
		return nil
	}
	for _, r := range among {
		s, err := readSuperblock(r)
		switch {
		case err != nil || !bytes.Equal(s.uuid[:], uuid):
		case found != nil:
			return nil
		default:
			found = r
		}
	}
	return found
}

// device finds the device of n bytes at off: of the one that is named, or of
// the one that lies there among the blocks of all.
func (f *filesystem) device(id int, off int64) (block.Device, int64, error) {
	if id == 0 {
		at := uint64(off) >> f.sb.blockBits
		for i, d := range f.devices {
			if i > 0 && d.start != 0 && at >= d.start && at-d.start < d.nblocks {
				id, off = i, off-int64(d.start)<<f.sb.blockBits
				break
			}
		}
	} else {
		id &= 1<<bits.Len(uint(len(f.devices)-1)) - 1
	}
	switch {
	case id >= len(f.devices):
		return nil, 0, block.Errorf(format, "chunk", -1, block.ErrCorrupt, "device %d of %d", id, len(f.devices)-1)
	case f.devices[id].dev == nil:
		return nil, 0, block.Errorf(format, "chunk", -1, block.ErrMissing, "it lies on device %d, which is not given", id)
	}
	return f.devices[id].dev, off, nil
}

// readAt reads from a device.
func (f *filesystem) readAt(what string, p []byte, id int, off int64) error {
	d, off, err := f.device(id, off)
	if err != nil {
		return err
	}
	return block.Locate(format, what, off, block.ReadFull(d, p, off))
}

// Root implements vfs.Driver.
func (f *filesystem) Root() (vfs.Inode, error) {
	n, err := f.inode(f.sb.rootNid())
	if err != nil {
		return nil, err
	}
	if !n.stat.Mode.IsDir() {
		return nil, n.corrupt("the root is no directory")
	}
	f.dirs.Claim(n.nid, onetree.Place{})
	return n, nil
}

// Info implements vfs.Driver.
func (f *filesystem) Info() vfs.Info {
	s := f.sb
	label, _, _ := bytes.Cut(s.volumeName[:], []byte{0})
	i := vfs.Info{Type: format, Label: string(label), BlockSize: int(s.blockSize()), Size: int64(min(s.blocks(), 1<<46)) << s.blockBits, Devices: f.given}
	if u := s.uuid; u != [16]byte{} {
		i.UUID = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	}
	if s.featureCompat&compatChecksum != 0 {
		i.Features = append(i.Features, "sb_csum")
	}
	for bit, name := range featureNames {
		if s.has(1 << bit) {
			i.Features = append(i.Features, name)
		}
	}
	if s.has(incompatComprCfgs) {
		for bit, name := range algorithmNames {
			if s.algorithms>>bit&1 != 0 {
				i.Features = append(i.Features, name)
			}
		}
	}
	return i
}

// Problems implements vfs.Driver.
func (f *filesystem) Problems() []error { return f.problems.All() }
