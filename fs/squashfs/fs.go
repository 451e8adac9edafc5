package squashfs

import (
	"fmt"
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
	// CacheBytes bounds the caches of metadata and of blocks of files; 0 means
	// 32 MiB, and the least is 4 MiB.
	CacheBytes int64
}

const (
	defaultCache = 32 << 20
	minCache     = 4 << 20
)

// Open reads the filesystem in r. What is none wraps [block.ErrFormat], other
// versions than 4.0 and unknown compressors [block.ErrUnsupported].
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
	decode   decoder
	packed   sync.Pool // of *[]byte
	meta     *lru.Cache[int64, *metaBlock]
	data     *lru.Cache[int64, []byte]
	raw      *paged.Cache
	dirs     onetree.Dirs
	xattrs   xattrTable
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
	f := &filesystem{
		dev: block.Plain(r), sb: sb,
		meta: lru.New[int64, *metaBlock](cache / 4),
		data: lru.New[int64, []byte](cache / 2),
		raw:  paged.New(r, 4096, cache/16),
	}
	if f.decode, err = sb.newDecoder(); err != nil {
		return nil, err
	}
	if r.Size() < int64(sb.bytesUsed) {
		f.problems.Add(badSuper(0x28, block.ErrTruncated, "%d bytes are in use, and %d are there", sb.bytesUsed, r.Size()))
	}
	if err := f.checkOptions(); err != nil {
		return nil, err
	}
	f.problems.Add(f.openXattrs())
	return f, nil
}

// Root implements vfs.Driver.
func (f *filesystem) Root() (vfs.Inode, error) {
	n, err := f.inode(f.sb.rootInode)
	if err != nil {
		return nil, err
	}
	if !n.stat.Mode.IsDir() {
		return nil, n.corrupt("the root is no directory")
	}
	f.dirs.Claim(n.ref, onetree.Place{})
	return n, nil
}

// Info implements vfs.Driver.
func (f *filesystem) Info() vfs.Info {
	s := f.sb
	features := []string{compressors[s.compression]}
	for _, x := range []struct {
		have bool
		name string
	}{{s.flags&flagDuplicates != 0, "duplicates"}, {s.exportTable != noTable, "export"}, {s.fragments > 0, "fragments"}, {s.xattrTable != noTable, "xattrs"}} {
		if x.have {
			features = append(features, x.name)
		}
	}
	return vfs.Info{Type: format, Version: fmt.Sprintf("%d.%d", s.major, s.minor), BlockSize: int(s.blockSize), Size: int64(s.bytesUsed), Features: features}
}

// Problems implements vfs.Driver.
func (f *filesystem) Problems() []error { return f.problems.All() }
