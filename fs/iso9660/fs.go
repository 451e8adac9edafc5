package iso9660

import (
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/onetree"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/internal/sessions"
)

// Options say how a volume is read. Nil and zero values mean the defaults, which
// suit hostile input.
type Options struct {
	// CacheBytes bounds the caches of directories and of unpacked blocks; 0
	// means 16 MiB, and the least is 1 MiB.
	CacheBytes int64
}

const (
	defaultCache = 16 << 20
	minCache     = 1 << 20
)

// Open reads the volume on r. What is none wraps [block.ErrFormat].
func Open(r block.Reader, opts *Options) (vfs.FS, error) {
	f, err := open(r, opts)
	if err != nil {
		return nil, err
	}
	return vfs.New(f)
}

// The kinds of names that a tree can have.
type naming uint8

const (
	plainNames naming = iota
	jolietNames
	rockRidge
)

// filesystem implements vfs.Driver.
type filesystem struct {
	dev      block.Device
	d        *descriptors
	multi    bool // the disc has several sessions
	names    naming
	skip     int // bytes before the fields of SUSP
	root     *inode
	listings *lru.Cache[int64, *listing]
	blocks   *lru.Cache[int64, []byte] // of zisofs
	dirs     onetree.Dirs
	problems problem.List
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
	f := &filesystem{dev: block.Plain(r), listings: lru.New[int64, *listing](o.CacheBytes / 2), blocks: lru.New[int64, []byte](o.CacheBytes / 2)}
	starts, err := sessions.Find(r)
	f.problems.Add(block.Locate(format, "sessions", -1, err))
	if f.d, err = lastDescriptors(r, starts); err != nil {
		return nil, err
	}
	f.multi = len(starts) > 1
	d := f.d
	if size := int64(d.primary.blocks) * int64(d.primary.blockSize); size > r.Size() {
		f.problems.Add(block.Errorf(format, "volume descriptor", d.primary.off+0x50, block.ErrTruncated, "the volume has %d bytes, and %d are there", size, r.Size()))
	}
	return f, f.findRoot()
}

// findRoot decides which tree is shown: what the record of the root directory
// itself says tells whether there is Rock Ridge.
func (f *filesystem) findRoot() error {
	f.names = rockRidge
	root, err := f.rootOf(f.d.primary)
	if err == nil {
		var has bool
		if has, err = f.detectRockRidge(root); has {
			f.root = root
			return err
		}
	}
	if j := f.d.joliet; j != nil && j.validate() == nil {
		if f.names = jolietNames; j.blockSize == f.d.primary.blockSize {
			if f.root, err = f.rootOf(j); err == nil {
				return nil
			}
			f.problems.Add(err)
		}
	}
	f.names = plainNames
	f.root, err = f.rootOf(f.d.primary)
	return err
}

func (f *filesystem) rootOf(v *volumeDescriptor) (*inode, error) {
	var x record
	if !x.decode(v.root) || x.flags&flagDir == 0 {
		return nil, block.Errorf(format, "volume descriptor", v.off+0x9C, block.ErrCorrupt, "the root is no directory")
	}
	n := f.newInode(&x, v.off+0x9C)
	n.stat.Ino = 1
	return n, nil
}

// Root implements vfs.Driver.
func (f *filesystem) Root() (vfs.Inode, error) {
	f.dirs.Claim(uint64(f.root.start()), onetree.Place{})
	return f.root, nil
}

// Info implements vfs.Driver.
func (f *filesystem) Info() vfs.Info {
	p := f.d.primary
	i := vfs.Info{Type: format, Label: strings.TrimRight(p.id, " \x00"), UUID: uuid(p.modified), BlockSize: int(p.blockSize),
		Size: f.d.start + int64(p.blocks)*int64(p.blockSize)}
	if i.UUID == "" {
		i.UUID = uuid(p.created)
	}
	if f.names == rockRidge {
		i.Features = append(i.Features, "rock_ridge")
	}
	if f.d.joliet != nil {
		i.Features = append(i.Features, "joliet")
	}
	if f.multi {
		i.Features = append(i.Features, "multi_session")
	}
	if f.d.boot != 0 {
		i.Features = append(i.Features, "el_torito")
	}
	return i
}

// Problems implements vfs.Driver.
func (f *filesystem) Problems() []error { return f.problems.All() }
