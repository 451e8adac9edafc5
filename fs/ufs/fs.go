package ufs

import (
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/onetree"
	"github.com/guestkit/guestkit/internal/problem"
)

// Options say how a filesystem is read. Nil and zero values mean the defaults,
// which suit hostile input.
type Options struct {
	// CacheBytes bounds the caches of inodes, directories and blocks of addresses;
	// 0 means 16 MiB, and the least is 1 MiB.
	CacheBytes int64
}

const (
	defaultCache = 16 << 20
	minCache     = 1 << 20
)

// Open reads the filesystem on r. What is none wraps [block.ErrFormat].
func Open(r block.Reader, opts *Options) (vfs.FS, error) {
	f, err := open(r, opts)
	if err != nil {
		return nil, err
	}
	return vfs.New(f)
}

// filesystem implements vfs.Driver.
type filesystem struct {
	dev      block.Device
	sb       *superblock
	inodes   *lru.Cache[uint32, *inode]
	listings *lru.Cache[uint32, *listing]
	blocks   *lru.Cache[int64, []byte]
	dirs     onetree.Dirs
	problems problem.List
}

func open(r block.Reader, opts *Options) (*filesystem, error) {
	cache := int64(defaultCache)
	if opts != nil && opts.CacheBytes > 0 {
		cache = max(opts.CacheBytes, minCache)
	}
	sb, err := readSuperblock(r)
	if err != nil {
		return nil, err
	}
	f := &filesystem{dev: block.Plain(r), sb: sb, inodes: lru.New[uint32, *inode](cache / 4),
		listings: lru.New[uint32, *listing](cache / 2), blocks: lru.New[int64, []byte](cache / 4)}
	if err := sb.verify(r); err != nil {
		f.problems.Add(err)
	}
	if sb.clean == 0 {
		f.problems.Add(&block.Error{Format: format, What: "superblock", Off: sb.off + 0xD1,
			Err: fmt.Errorf("%w; it was in use: what changed last may be missing or stale, and fsck would mend it", block.ErrDirty)})
	}
	return f, nil
}

// Root implements vfs.Driver.
func (f *filesystem) Root() (vfs.Inode, error) {
	n, err := f.inode(rootIno)
	if err != nil {
		return nil, err
	}
	if !n.stat.Mode.IsDir() {
		return nil, n.errorf(block.ErrCorrupt, "the root is no directory")
	}
	f.dirs.Claim(rootIno, onetree.Place{})
	return n, nil
}

// Info implements vfs.Driver.
func (f *filesystem) Info() vfs.Info {
	s := f.sb
	i := vfs.Info{Type: format, Version: "1", Label: s.label(), UUID: s.uuid(), BlockSize: int(s.bsize), Size: s.size * int64(s.fsize), Free: -1,
		Inodes: int64(s.ipg) * int64(s.groups), Features: s.features(), Dirty: s.clean == 0}
	if s.ufs2() {
		i.Version = "2"
	}
	blocks, inodes, fragments := s.free[1], s.free[2], s.free[3]
	if blocks >= 0 && blocks <= s.size && fragments >= 0 && fragments <= s.size && inodes >= 0 {
		i.Free, i.InodesFree = min(blocks*int64(s.bsize)+fragments*int64(s.fsize), i.Size), min(inodes, i.Inodes)
	}
	return i
}

// Problems implements vfs.Driver.
func (f *filesystem) Problems() []error { return f.problems.All() }
