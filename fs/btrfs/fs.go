package btrfs

import (
	"fmt"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/problem"
)

// Options say what is opened and bound what reading it may cost. Nil and zero
// values mean the defaults, which suit hostile input.
type Options struct {
	// CacheBytes bounds the caches of tree blocks, inodes and decompressed
	// extents; 0 means 32 MiB.
	CacheBytes int64
	// NoReplay reads the filesystem as its last commit left it, without what
	// the log tree has of files that were synchronised since.
	NoReplay bool
	// Subvol is the path of the subvolume that becomes the root, from the top
	// level of the filesystem: "@/home". SubvolID names it by its id instead.
	// Without both it is the top level, in which all subvolumes are found.
	// The default subvolume is one of [vfs.Subvolumes].
	Subvol   string
	SubvolID uint64
}

const defaultCache = 32 << 20

// Open reads the filesystem that lies on devices: the first is one of it, and the
// others may be further ones or the seeds beneath it, in any order: the rest is
// left out. One that is missing is a problem that wraps [block.ErrMissing], and what has no copy on the
// others is an error of that class when it is read.
//
// Files that were synchronised after the last commit are part of what is read;
// the devices are never written to. Where their log cannot be replayed, the
// filesystem is as the last commit left it, with a problem that wraps
// [block.ErrDirty].
func Open(devices []block.Reader, opts *Options) (vfs.FS, error) {
	f, err := open(devices, opts)
	if err != nil {
		return nil, err
	}
	return vfs.New(f)
}

// filesystem implements vfs.Driver.
type filesystem struct {
	sb      *superblock
	devices []*device
	seeds   []uuid
	chunks  chunks
	opts    Options

	nodes    *lru.Cache[uint64, *node]
	inodes   *lru.Cache[inodeKey, *inode]
	extents  *lru.Cache[extentKey, []byte]
	checked  checked
	packers  unpackers
	packed   sync.Pool // of buffers for compressed extents
	problems problem.List

	usage    func() usage // reckoned once
	rootTree *tree
	csums    *tree
	top      *tree // what the root is of
	dirty    bool
	replayed bool

	mu    sync.Mutex
	trees map[uint64]*tree // those of subvolumes that were opened
	subs  []vfs.Subvolume
	paths map[uint64]string
}

func open(devices []block.Reader, opts *Options) (*filesystem, error) {
	f := &filesystem{trees: map[uint64]*tree{}}
	f.usage = sync.OnceValue(f.countUsage)
	if opts != nil {
		f.opts = *opts
	}
	if f.opts.CacheBytes <= 0 {
		f.opts.CacheBytes = defaultCache
	}
	if len(devices) == 0 {
		return nil, block.Errorf(format, "filesystem", -1, block.ErrMissing, "no device was given")
	}
	if err := f.attach(devices); err != nil {
		return nil, err
	}
	f.nodes = lru.New[uint64, *node](f.opts.CacheBytes / 2)
	f.checked = newChecked(f.sb.sectorSize)
	f.inodes = lru.New[inodeKey, *inode](f.opts.CacheBytes / 8)
	f.extents = lru.New[extentKey, []byte](max(f.opts.CacheBytes*3/8, maxUncompressed))
	if err := f.readChunks(); err != nil {
		return nil, err
	}
	if err := f.readTrees(); err != nil {
		return nil, err
	}
	f.replay()
	return f, f.choose()
}

// readChunks makes the map of logical addresses: of the system chunks in the
// superblock first, with which the chunk tree is read.
func (f *filesystem) readChunks() error {
	for b := f.sb.sysChunkArray; len(b) > 0; {
		if len(b) < keySize+chunkItemSize {
			return f.sb.bad(0x32B, "the system chunks are cut short")
		}
		k := decodeKey(b)
		size := chunkItemSize + stripeSize*(int(b[keySize+0x2C])|int(b[keySize+0x2D])<<8)
		if k.typ != typeChunkItem || size > len(b)-keySize {
			return f.sb.bad(0x32B, "the system chunks are cut short")
		}
		c, err := f.decodeChunk(k.offset, b[keySize:keySize+size])
		if err != nil {
			return err
		}
		c.attach(f)
		if f.chunks, err = f.chunks.add(c); err != nil {
			return err
		}
		b = b[keySize+size:]
	}
	t := &tree{f: f, id: chunkTree, bytenr: f.sb.chunkRoot, level: f.sb.chunkLevel, generation: f.sb.chunkGeneration}
	known := map[uuid]bool{}
	c, err := t.seek(key{})
	stripes := 0
	for ; err == nil && c.ok; err = c.next() {
		switch c.key.typ {
		case typeDevItem:
			if len(c.data) < devItemSize {
				return block.Errorf(format, "device item", -1, block.ErrCorrupt, "%d bytes", len(c.data))
			}
			var d devItem
			d.decode(c.data)
			if known[d.uuid] = true; len(known) > maxDevices {
				return block.Errorf(format, "chunk tree", -1, block.ErrLimit, "more than %d devices", maxDevices)
			}
			if f.device(d.devid, d.uuid) == nil {
				f.problems.Add(block.Errorf(format, fmt.Sprintf("device %d", d.devid), -1, block.ErrMissing, "%d bytes, UUID %v", d.totalBytes, d.uuid))
			}
		case typeChunkItem:
			if c.key.objectid != firstChunkTree {
				return block.Errorf(format, "chunk tree", -1, block.ErrCorrupt, "a chunk with the key %v", c.key)
			}
			ch, err := f.decodeChunk(c.key.offset, c.data)
			if err != nil {
				return err
			}
			if stripes += len(ch.stripes); len(f.chunks) >= maxChunks || stripes > maxStripes {
				return block.Errorf(format, "chunk tree", -1, block.ErrLimit, "more than %d chunks of %d stripes", maxChunks, maxStripes)
			}
			ch.attach(f)
			if f.chunks, err = f.chunks.add(ch); err != nil {
				return err
			}
		}
	}
	if err == nil {
		f.settleDevices(known)
	}
	return err
}

// readTrees finds the trees that all others are found by.
func (f *filesystem) readTrees() (err error) {
	f.rootTree = &tree{f: f, id: rootTree, bytenr: f.sb.root, level: f.sb.rootLevel, generation: f.sb.generation}
	if f.csums, err = f.loadTree(csumTree); err != nil {
		// Files whose data has no checksums can still be read.
		f.problems.Add(err)
		f.csums = nil
	}
	return nil
}

// Info implements vfs.Driver.
func (f *filesystem) Info() vfs.Info {
	s := f.sb
	var devices []block.Reader
	for _, d := range f.devices {
		if d.given != nil {
			devices = append(devices, d.given)
		}
	}
	usage := f.usage()
	return vfs.Info{
		Type:      format,
		Label:     s.label,
		UUID:      s.fsid.String(),
		BlockSize: int(s.sectorSize),
		Size:      int64(s.totalBytes),
		Free:      usage.free,
		Overhead:  usage.overhead,
		Features:  s.features(),
		Dirty:     f.dirty,
		Replayed:  f.replayed,
		Devices:   devices,
	}
}

// Problems implements vfs.Driver.
func (f *filesystem) Problems() []error { return f.problems.All() }
