package udf

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/onetree"
	"github.com/guestkit/guestkit/internal/osta"
	"github.com/guestkit/guestkit/internal/paged"
	"github.com/guestkit/guestkit/internal/problem"
)

// Options say how a volume is read. Nil and zero values mean the defaults, which
// suit hostile input.
type Options struct {
	// CacheBytes bounds the caches of directories and entries; 0 means 16 MiB, and
	// the least is 1 MiB.
	CacheBytes int64
}

const (
	defaultCache = 16 << 20
	minCache     = 1 << 20
	nearBytes    = 32 << 10
)

// Open reads the volume on r. What is none wraps [block.ErrFormat].
func Open(r block.Reader, opts *Options) (vfs.FS, error) {
	f, err := open(r, opts)
	if err != nil {
		return nil, err
	}
	return vfs.New(f)
}

// filesystem implements vfs.Driver.
type filesystem struct {
	dev        block.Device
	near       *paged.Cache // of dev, for entries, of which each has a block and many lie together
	sector     int64        // bytes, of the volume descriptors
	bs         int64        // bytes of a block
	multi      bool         // the disc has several sessions
	s          *structure
	partitions []partition
	maps       [][]byte // of the partitions
	integrity  integrity
	root       place
	inodes     *lru.Cache[uint64, *inode]
	listings   *lru.Cache[uint64, *listing]
	dirs       onetree.Dirs
	streams    sync.Once
	problems   problem.List
}

func open(r block.Reader, opts *Options) (*filesystem, error) {
	cache := int64(defaultCache)
	if opts != nil && opts.CacheBytes > 0 {
		cache = max(opts.CacheBytes, minCache)
	}
	f := &filesystem{dev: block.Plain(r), near: paged.New(r, nearBytes, cache/8), inodes: lru.New[uint64, *inode](cache / 2), listings: lru.New[uint64, *listing](cache / 2)}
	var err error
	if f.s, err = f.findStructure(); err != nil {
		return nil, err
	}
	f.bs = int64(f.s.logical.blockSize)
	if err := f.readPartitions(f.s); err != nil {
		return nil, err
	}
	f.integrity = f.readIntegrity(f.s.logical)
	if slices.ContainsFunc(f.partitions, func(p partition) bool { return p.kind == isVirtual }) {
		f.integrity = integrity{free: -1} // it stays as it was when the disc was formatted
	}
	return f, f.readFileSet()
}

// readFileSet reads the file set descriptor, which has the root directory.
func (f *filesystem) readFileSet() error {
	x := f.s.logical.fileSet
	b, off, err := f.readBlock(x.at)
	if err != nil {
		return err
	}
	id, err := checkTag(b, off)
	if err != nil {
		return err
	}
	if id != tagFileSet {
		return block.Errorf(format, "file set descriptor", off, block.ErrCorrupt, "descriptor %d", id)
	}
	f.root = longAD(b[400:]).at
	return nil
}

// Root implements vfs.Driver.
func (f *filesystem) Root() (vfs.Inode, error) {
	n, err := f.inode(f.root)
	if err != nil {
		return nil, err
	}
	if !n.stat.Mode.IsDir() {
		return nil, n.e.errorf(block.ErrCorrupt, "the root is no directory")
	}
	f.dirs.Claim(f.root.key(), onetree.Place{})
	return n, nil
}

// Info implements vfs.Driver.
func (f *filesystem) Info() vfs.Info {
	l := f.s.logical
	text := func(b []byte) string { return strings.TrimRight(osta.Dstring(b), "\x00 ") }
	i := vfs.Info{Type: format, Label: text(l.identifier), BlockSize: int(f.bs), Free: -1, Dirty: f.integrity.open}
	if f.s.set != nil {
		i.UUID = osta.UUID(text(f.s.set))
	}
	if l.revision != 0 && strings.HasPrefix(l.domain, "*OSTA UDF Compliant") {
		i.Version = fmt.Sprintf("%x.%02x", l.revision>>8, l.revision&0xFF)
	}
	for _, p := range f.partitions {
		if p.kind == isPhysical || p.kind == isSparable {
			i.Size += p.length * f.bs
		}
		if p.kind != isPhysical {
			i.Features = append(i.Features, kindNames[p.kind])
		}
	}
	if f.multi {
		i.Features = append(i.Features, "multi_session")
	}
	if f.integrity.free >= 0 {
		i.Free = min(f.integrity.free*f.bs, i.Size)
	}
	return i
}

// Problems implements vfs.Driver.
func (f *filesystem) Problems() []error { return f.problems.All() }
