package ext4

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/problem"
)

// Options bound what reading a filesystem may cost. Nil and zero values mean
// the defaults, which suit hostile input.
type Options struct {
	// CacheBytes bounds the caches of metadata blocks and inodes; 0 means
	// 16 MiB.
	CacheBytes int64
	// NoReplay reads the filesystem as it lies on the disk, without the
	// changes that wait in its journal.
	NoReplay bool
	// Journal is the device of an external journal; see [FindJournal].
	Journal block.Reader
}

const defaultCache = 16 << 20

// Open reads the filesystem in r: ext2, ext3 or ext4. Changes that wait in the
// journal are part of what is read; r itself is never written to. Where the
// journal cannot be replayed, the filesystem is as the disk has it, with a
// problem that wraps [block.ErrDirty].
func Open(r block.Reader, opts *Options) (vfs.FS, error) {
	f, err := open(r, opts)
	if err != nil {
		return nil, err
	}
	return vfs.New(f)
}

func open(r block.Reader, opts *Options) (*filesystem, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = defaultCache
	}
	sb, err := readSuperblock(r)
	if err != nil {
		return nil, err
	}
	f := newFilesystem(block.Plain(r), sb, o)
	if sb.featureIncompat&incompatRecover == 0 {
		return f, nil
	}
	return f.recovered(o), nil
}

// recovered returns the filesystem as it is with the journal replayed over it.
func (f *filesystem) recovered(o Options) *filesystem {
	if o.NoReplay {
		f.dirty = true
		f.problems.Add(f.stale(fmt.Errorf("the options say so")))
		return f
	}
	dev, records, dirty, err := f.replay()
	f.dirty = dirty
	if dev == nil {
		if err != nil {
			f.problems.Add(f.stale(err))
		}
		return f
	}
	sb, sbErr := readSuperblock(dev)
	if sbErr != nil {
		f.problems.Add(f.stale(fmt.Errorf("the superblock would be bad after it: %w", sbErr)))
		return f
	}
	g := newFilesystem(dev, sb, o)
	g.dirty, g.replayed = true, true
	for _, p := range f.problems.All() {
		g.problems.Add(p)
	}
	g.problems.Add(err)
	if err := g.replayFast(records, o); err != nil {
		g.problems.Add(f.stale(fmt.Errorf("the fast commits are left out: %w", err)))
	}
	return g
}

// stale is the problem of a journal that was not replayed.
func (f *filesystem) stale(cause error) error {
	return &block.Error{Format: "ext4", What: "journal", Off: -1,
		Err: fmt.Errorf("%w; names, sizes and contents that changed last may be stale: %w", block.ErrDirty, cause)}
}

// filesystem implements vfs.Driver.
type filesystem struct {
	dev      block.Device
	sb       *superblock
	dirty    bool
	replayed bool
	problems problem.List
	blocks   *lru.Cache[blockKey, []byte]
	tables   *lru.Cache[uint64, []byte] // pieces of inode tables, by their first block
	inodes   *lru.Cache[uint32, *inode]
	zones    zones
	overhead func() uint64 // blocks, counted once
	fast     *fastChanges
	external block.Reader // Options.Journal

	lastGroup atomic.Pointer[numberedGroup]
}

func newFilesystem(dev block.Device, sb *superblock, o Options) *filesystem {
	f := &filesystem{
		dev: dev, sb: sb, external: o.Journal,
		blocks: lru.New[blockKey, []byte](o.CacheBytes - o.CacheBytes/4 - o.CacheBytes/8),
		tables: lru.New[uint64, []byte](o.CacheBytes / 8),
		inodes: lru.New[uint32, *inode](o.CacheBytes / 4),
	}
	f.overhead = sync.OnceValue(f.countOverhead)
	f.problems.Add(sb.checkSum())
	if sb.state&stateError != 0 {
		f.problems.Add(badSuper(0x3A, "the kernel has marked the filesystem as having errors"))
	}
	return f
}

// Root implements vfs.Driver.
func (f *filesystem) Root() (vfs.Inode, error) {
	n, err := f.inode(rootIno)
	if err != nil {
		return nil, err
	}
	if !n.stat.Mode.IsDir() {
		return nil, n.corrupt("the root is no directory")
	}
	return n, nil
}

// Info implements vfs.Driver.
func (f *filesystem) Info() vfs.Info {
	s := f.sb
	u := s.uuid
	i := vfs.Info{
		Type:      s.fsType(),
		Version:   fmt.Sprint(s.revLevel),
		Label:     s.label(),
		UUID:      fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]),
		BlockSize: int(s.blockSize),
		Size:      int64(s.blocksCount) * s.blockSize,
		Free:      int64(min(s.freeBlocks, s.blocksCount)) * s.blockSize,
		Overhead:  int64(min(f.overhead(), s.blocksCount)) * s.blockSize,
		Inodes:    int64(s.inodesCount), InodesFree: int64(min(s.freeInodes, s.inodesCount)),
		Features: s.features(),
		// Without a journal, an unset bit says that the filesystem was in use.
		Dirty:    f.dirty || s.featureCompat&compatHasJournal == 0 && s.state&stateValid == 0,
		Replayed: f.replayed,
	}
	if s.external() && f.external != nil {
		i.Devices = []block.Reader{f.external}
	}
	return i
}

// Problems implements vfs.Driver.
func (f *filesystem) Problems() []error {
	out := f.problems.All()
	if f.fast != nil {
		out = append(out, f.fast.base.problems.All()...)
	}
	return out
}
