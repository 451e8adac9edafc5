package vacant

import (
	"context"
	"errors"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/volume"
)

// errHibernated is why nothing of a guest that hibernates is vacant.
var errHibernated = errors.New("a system hibernates on this disk, and what it keeps in memory may need any volume")

// A watch is a volume that notices when something is read of it that is called
// free. Its extents lead to itself.
type watch struct {
	d    block.Device
	runs []Run // nil while they are not known

	mu  sync.Mutex
	err error
}

func (w *watch) Size() int64     { return w.d.Size() }
func (w *watch) SectorSize() int { return block.SectorSize(w.d) }

func (w *watch) Extent(off int64) (block.Extent, error) {
	e, err := w.d.Extent(off)
	if err == nil {
		e = block.Extent{Off: off, Len: min(e.Len, w.Size()-off), Host: w, HostOff: off}
	}
	return e, err
}

func (w *watch) ReadAt(p []byte, off int64) (int, error) {
	// Caches read around what is asked for, so that only what lies in a free run
	// as a whole tells anything.
	if i := find(w.runs, off); i < len(w.runs) && w.runs[i].Off <= off && off+int64(len(p)) <= w.runs[i].end() && len(p) > 0 {
		w.fault(block.Errorf("", "free blocks", off, block.ErrCorrupt, "the filesystem calls %d bytes free that its own structures lie in", len(p)))
	}
	return w.d.ReadAt(p, off)
}

func (w *watch) fault(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

func (w *watch) met() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// ofFilesystem lists what a filesystem calls free, after a look at everything that
// it holds.
func (f *finder) ofFilesystem(ctx context.Context, v *volume.Volume) ([]Run, error) {
	w := &watch{d: v.Device}
	c := newCollector()
	size := v.Device.Size()
	err := f.with(v, w, func(fsys vfs.FS) error {
		if fsys.Info().Hibernated {
			return errHibernated
		}
		return vfs.Free(fsys, func(off, n int64) error {
			if off < 0 || n < 0 || off > size || n > size-off {
				return block.Errorf(v.Found.Type, "free blocks", off, block.ErrCorrupt, "%d bytes of a volume of %d", n, size)
			}
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			return c.add(off, n)
		})
	})
	if err != nil {
		return nil, err
	}
	w.runs = c.sorted()
	if len(w.runs) == 0 {
		return nil, nil
	}
	return w.runs, f.with(v, w, func(fsys vfs.FS) error { return w.walk(ctx, fsys) })
}

// with opens the filesystem anew, so that nothing comes from a cache.
func (f *finder) with(v *volume.Volume, w *watch, do func(vfs.FS) error) error {
	o := fs.Options{NoProcesses: true}
	o.Devices = append(o.Devices, f.leaves...)
	fsys, err := fs.OpenFound(w, v.Found, &o)
	if err != nil {
		return err
	}
	return errors.Join(do(fsys), fsys.Close())
}

// maxSubvolumes is of how many subvolumes every file is met: in Btrfs, each block
// of the tree that tells what is in use has a checksum.
const maxSubvolumes = 64

// walk meets every file: none of what is read on the way, and no block of a file,
// may be free.
func (w *watch) walk(ctx context.Context, fsys vfs.FS) error {
	// Snapshots have all files again, and share what they lie in.
	if subs, err := vfs.Subvolumes(fsys); err != nil || len(subs) > maxSubvolumes {
		return err
	}
	root, err := vfs.Find(fsys, ".", false)
	if err != nil {
		return err
	}
	err = vfs.Walk(ctx, root, nil, func(n *vfs.Node, err error) error {
		if err == nil {
			err = w.visit(n)
		}
		if err == nil {
			err = w.met()
		}
		return err
	})
	if err == nil {
		err = w.met()
	}
	if err == nil {
		if p := fsys.Problems(); len(p) > 0 {
			err = p[0]
		}
	}
	return err
}

func (w *watch) visit(n *vfs.Node) error {
	if _, err := n.Xattrs(); err != nil {
		return err
	}
	if !n.Stat().Mode.IsRegular() {
		return nil
	}
	d, err := n.Open()
	if errors.Is(err, block.ErrEncrypted) || errors.Is(err, block.ErrUnsupported) {
		return nil // the content of one file; its blocks are looked at by the driver
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for e, err := range block.Extents(d, 0, d.Size()) {
		if err != nil {
			return err
		}
		if e.Host != w {
			continue
		}
		if i := find(w.runs, e.HostOff); i < len(w.runs) && w.runs[i].Off < e.HostOff+e.Len {
			return block.Errorf("", "free blocks", max(e.HostOff, w.runs[i].Off), block.ErrCorrupt, "the filesystem calls a block free that belongs to %q", n.Path())
		}
	}
	return nil
}

// swapPages are the sizes that a page may have.
var swapPages = [...]int64{4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10}

// ofSwap is what follows the header of a swap space.
func ofSwap(v *volume.Volume) ([]Run, error) {
	for _, page := range swapPages {
		if v.Found.Off != page-10 || v.Device.Size() < 2*page {
			continue
		}
		b, err := block.ReadBytes(v.Device, 0, page, page)
		if err != nil {
			return nil, err
		}
		if string(b[page-10:]) != "SWAPSPACE2" {
			return nil, block.Errorf("swap", "header", page-10, block.ErrUnsupported, "version 0")
		}
		last := int64(le32(b[1028:]))
		if le32(b[1024:]) != 1 {
			return nil, block.Errorf("swap", "header", 1024, block.ErrUnsupported, "of a machine of the other byte order")
		}
		if last < 1 || (last+1)*page > v.Device.Size() {
			return nil, block.Errorf("swap", "header", 1028, block.ErrCorrupt, "%d pages of %d bytes", last+1, page)
		}
		return []Run{{page, last * page}}, nil
	}
	return nil, block.Errorf("swap", "header", v.Found.Off, block.ErrUnsupported, "no page has this size")
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
