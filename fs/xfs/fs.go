package xfs

import (
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/problem"
)

// What Options bound by themselves.
const (
	DefaultLogBytes      = 64 << 20
	DefaultMaxDirEntries = 4 << 20
)

// Options say how a filesystem is read. The zero value, and nil, suit hostile
// input.
type Options struct {
	// CacheBytes bounds the memory that is kept of metadata; 0 means 16 MiB.
	CacheBytes int64
	// LogBytes bounds the memory that the index into a dirty log takes; 0
	// means DefaultLogBytes. A log that needs more is not replayed.
	LogBytes int64
	// IgnoreLog leaves a dirty log alone: the filesystem is read as it is on
	// disk.
	IgnoreLog bool
	// MaxDirEntries bounds the names that one ReadDir returns; 0 means
	// DefaultMaxDirEntries.
	MaxDirEntries int
	// Log is the device of an external log, nil if it is not at hand.
	Log block.Reader
	// Realtime is the realtime device, nil if it is not at hand, or is a part of
	// the same device: without it files on it cannot be opened.
	Realtime block.Reader
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.CacheBytes <= 0 {
		out.CacheBytes = 16 << 20
	}
	if out.LogBytes <= 0 {
		out.LogBytes = DefaultLogBytes
	}
	if out.MaxDirEntries <= 0 {
		out.MaxDirEntries = DefaultMaxDirEntries
	}
	return out
}

// filesystem is an open XFS. It is immutable but for its caches and the list
// of problems.
type filesystem struct {
	sb       superblock
	uuid     [16]byte     // that metadata of version 5 carries
	dev      block.Device // the disk, under what the log changes
	log      *replay      // nil if the log is clean or not replayed
	opts     Options
	dirty    bool
	cache    *lru.Cache[cacheKey, any]
	clusters *lru.Cache[int64, []byte] // of inodes, by their offset
	problems problem.List
	root     *inode
}

// Open reads the XFS in r. It writes nothing; changes that are still in the log
// are laid over the disk in memory.
func Open(r block.Reader, opts *Options) (vfs.FS, error) {
	fsys, err := open(r, opts)
	if err != nil {
		return nil, err
	}
	return vfs.New(driver{fsys})
}

func open(r block.Reader, opts *Options) (*filesystem, error) {
	f := &filesystem{dev: block.Plain(r), opts: opts.withDefaults()}
	if err := f.readSuperblock(r); err != nil {
		return nil, err
	}
	f.uuid = f.sb.metadataUUID()
	f.cache = lru.New[cacheKey, any](f.opts.CacheBytes - f.opts.CacheBytes/4)
	f.clusters = lru.New[int64, []byte](f.opts.CacheBytes / 4)
	if r.Size() < f.sb.size() {
		f.problems.Add(block.Errorf(format, "filesystem", r.Size(), block.ErrTruncated, "the device ends before its %d bytes", f.sb.size()))
	}
	if f.sb.incompat&incompatNeedsRepair != 0 && f.sb.v5() {
		f.problems.Add(block.Errorf(format, "superblock", 0xd8, block.ErrCorrupt, "marked as needing repair"))
	}
	if f.sb.rblocks > 0 && f.sb.rtstart == 0 {
		f.checkRealtime(r)
	}
	f.recover(r)
	root, err := f.inode(f.sb.rootino)
	if err != nil {
		return nil, err
	}
	if !root.stat.Mode.IsDir() {
		return nil, root.corrupt("the root is not a directory")
	}
	f.root = root
	return f, nil
}

// readSuperblock reads and checks the first sector.
func (f *filesystem) readSuperblock(r block.Reader) error {
	b, err := block.ReadBytes(r, 0, sbSize, sbSize)
	if err != nil {
		if r.Size() < sbSize {
			err = block.ErrFormat
		}
		return block.Locate(format, "superblock", 0, err)
	}
	sb := &f.sb
	sb.decode(b)
	if sb.magicnum != sbMagic {
		return block.Errorf(format, "superblock", 0, block.ErrFormat, "")
	}
	if err := sb.validate(); err != nil {
		return err
	}
	if !sb.v5() {
		return nil
	}
	sector, err := block.ReadBytes(r, 0, int64(sb.sectsize), 1<<maxSectorLog)
	if err != nil {
		return block.Locate(format, "superblock", 0, err)
	}
	if checksum(sector, sbCRCOff) != sb.crc {
		f.problems.Add(block.Errorf(format, "superblock", 0, block.ErrCorrupt, "checksum is %#x, not %#x", sb.crc, checksum(sector, sbCRCOff)))
	}
	return nil
}

// driver is what vfs sees.
type driver struct{ *filesystem }

func (d driver) Root() (vfs.Inode, error) { return &node{d.filesystem, d.root}, nil }
func (d driver) Problems() []error        { return d.problems.All() }

func (d driver) Info() vfs.Info {
	sb := &d.sb
	info := vfs.Info{
		Type:            format,
		Version:         string(rune('0' + sb.version())),
		Label:           sb.label(),
		UUID:            formatUUID(sb.uuid),
		BlockSize:       int(sb.blocksize),
		Size:            sb.size(),
		Free:            int64(sb.freeBlocks() << sb.blocklog),
		Features:        sb.featureList(),
		Dirty:           d.dirty,
		Replayed:        d.log != nil,
		CaseInsensitive: sb.asciiCI(),
	}
	if log := d.opts.Log; log != nil && sb.logstart == 0 {
		info.Devices = append(info.Devices, log)
	}
	if rt := d.opts.Realtime; rt != nil && sb.rblocks > 0 && sb.rtstart == 0 {
		info.Devices = append(info.Devices, rt)
	}
	if sb.logstart != 0 {
		info.Overhead = int64(sb.logblocks) << sb.blocklog
	}
	if d.dirty { // the counters are not in the log; the kernel counts again
		info.Free = -1
		return info
	}
	info.Inodes = int64(sb.maxInodes())
	info.InodesFree = max(0, info.Inodes-int64(sb.icount-min(sb.ifree, sb.icount)))
	return info
}
