package ntfs

import (
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// Options say how a volume is read. The zero value is good.
type Options struct {
	// CacheBytes bounds the memory that is kept for one volume; 0 means
	// 32 MiB, and less than 1 MiB means that.
	CacheBytes int64
	// Drive is the letter that the system which uses the volume gives it,
	// 'C' for example. Links to other letters then have targets like "/D:/x",
	// which lead there if [vfs.Join] made a tree of the drives. 0: not known;
	// a link to any letter is taken as one into this volume if its target
	// exists here.
	Drive byte
}

const (
	defaultCache = 32 << 20
	minCache     = 1 << 20
)

// Open opens the NTFS volume that starts at byte 0 of r. An error wraps
// block.ErrFormat if it is none.
func Open(r block.Reader, opts *Options) (vfs.FS, error) {
	if opts == nil {
		opts = &Options{}
	}
	if r.Size() < bootSize {
		return nil, block.Errorf("ntfs", "boot sector", 0, block.ErrFormat, "")
	}
	b, err := block.ReadBytes(r, 0, bootSize, bootSize)
	if err != nil {
		return nil, err
	}
	var h bootSector
	h.decode(b)
	g, err := h.validate()
	if err != nil {
		return nil, err
	}
	v := &volume{r: r, size: g.size, cluster: g.cluster, recordSize: g.record, blockSize: g.block, clusters: g.clusters,
		mirrorLCN: g.mirror, serial: h.serial, drive: letter(opts.Drive)}
	budget := opts.CacheBytes
	if budget == 0 {
		budget = defaultCache
	}
	v.caches(max(budget, minCache))
	if r.Size() < g.size {
		v.problems.Add(block.Errorf("ntfs", "volume", r.Size(), block.ErrTruncated, "it has %d bytes, of which %d are there", g.size, r.Size()))
	}
	if err := v.openMFT(g.mft); err != nil {
		return nil, err
	}
	v.readUpCase()
	v.readStatus()
	return vfs.New(v)
}

// Root implements vfs.Driver.
func (v *volume) Root() (vfs.Inode, error) {
	n, err := v.inode(recRoot)
	if err != nil {
		return nil, err
	}
	if !n.isDir() || n.link.tag != 0 {
		return nil, n.corrupt("the root is no directory")
	}
	_, err = n.openIndex(indexName, collationFileName)
	return n, err
}

// Info implements vfs.Driver.
func (v *volume) Info() vfs.Info {
	i := vfs.Info{
		Type: "ntfs", Label: v.status.label, UUID: fmt.Sprintf("%016X", v.serial),
		BlockSize: int(v.cluster), Size: v.size, Free: v.freeBytes(),
		Dirty:      v.status.dirtyLog || v.status.flags&volumeDirty != 0,
		Hibernated: v.status.hibernated, CaseInsensitive: true,
	}
	if v.status.major != 0 {
		i.Version = fmt.Sprintf("%d.%d", v.status.major, v.status.minor)
	}
	for _, f := range volumeFlags {
		if v.status.flags&f.bit != 0 {
			i.Features = append(i.Features, f.name)
		}
	}
	return i
}

// Problems implements vfs.Driver.
func (v *volume) Problems() []error { return v.problems.All() }

// readUpCase reads the volume's table of upper case.
func (v *volume) readUpCase() {
	v.upcase = new(upcase)
	n, err := v.inode(recUpCase)
	var b []byte
	if err == nil {
		b, err = n.value(attrData, "", upcaseSize)
	}
	if err == nil && len(b) < 2*128 {
		err = n.corrupt("$UpCase has %d bytes", len(b))
	}
	if err != nil {
		v.problems.Add(fmt.Errorf("%w; names are compared by the upper case of Unicode", err))
		v.upcase.standard()
		return
	}
	v.upcase.decode(b)
}
