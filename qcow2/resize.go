package qcow2

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// ResizeOptions says how Resize may change an image.
type ResizeOptions struct {
	// Shrink lets the disk become smaller: what lies past its new end is lost.
	Shrink bool
	// Backing is the disk of the backing file. An overlay does not grow without
	// it: where it goes on past the old end of the disk it must not show.
	Backing block.Reader
}

// Resize changes the size of the disk, to whole sectors of 512 bytes. What is
// new reads as zeros. The image must be free of corruption. If it is
// interrupted, the image has its old size or the new one.
//
// Bitmaps say from then on that everything may have changed; snapshots stay as they
// are. Those of version 2 have no size of their own, so that such images are refused.
// A data file stays as it is: images with one are refused where it is a raw image of the
// disk, where the smaller disk does not end with a cluster, and where they are overlays.
// An overlay of version 2 does not grow over what its backing file holds there, since the
// version has no zero clusters.
func Resize(ctx context.Context, f Storage, size int64, opts *ResizeOptions) error {
	if opts == nil {
		opts = &ResizeOptions{}
	}
	c, err := check(ctx, f, nil, nil)
	if err != nil {
		return err
	}
	h := &c.hdr
	refuse := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "resize", -1, class, detail, args...)
	}
	old := int64(h.size)
	if size > 0 && size <= math.MaxInt64-511 && size != old {
		size = int64(sectors(size))
	}
	switch {
	case size < 0:
		return invalid("the size is negative")
	case c.res.Corruptions > 0 || c.res.Corrupt:
		return refuse(block.ErrCorrupt, "the image has %d faults; repair it first", c.res.Corruptions)
	case c.ext.bitmaps != nil && c.hdr.autoclearFeatures&autoclearBitmaps != 0 && int(binary.BigEndian.Uint32(c.ext.bitmaps.data)) != len(c.bitmaps):
		return refuse(block.ErrCorrupt, "some of its bitmaps cannot be read")
	case h.dataFile() && h.autoclearFeatures&autoclearDataFileRaw != 0:
		return refuse(block.ErrUnsupported, "the image has an external data file that is a raw image of the disk")
	case h.dataFile() && (c.backing != "" || min(size, old)%h.clusterSize() != 0):
		return refuse(block.ErrUnsupported, "the image has an external data file, in which a part of a cluster would change")
	case h.cryptMethod != cryptNone:
		return refuse(block.ErrEncrypted, "")
	case size < old && !opts.Shrink:
		return &block.Error{Format: format, What: "resize", Off: -1, Err: problem.Class(block.ErrRefused, "shrinking from %d to %d bytes discards data; ResizeOptions.Shrink allows it", old, size)}
	case size != old && len(c.snapshots) > 0 && h.version < 3:
		return refuse(block.ErrUnsupported, "the image has %d snapshots, which have no size of their own in version 2", len(c.snapshots))
	case size > old && c.backing != "" && opts.Backing == nil:
		return refuse(block.ErrParent, "what the backing file %q holds past the old end must not show", c.backing)
	case size > old && c.backing != "" && opts.Backing.Size() > old && h.version < 3:
		return refuse(block.ErrUnsupported, "the backing file goes on past the old end, and version 2 has no zeros to hide it")
	case h.l1Need(size)*8 > c.lim.L1Table:
		return refuse(block.ErrLimit, "a disk of %d bytes takes an L1 table of %d bytes", size, h.l1Need(size)*8)
	case size == old:
		return nil
	}
	for _, b := range c.bitmaps { // as for one that is added
		if n := h.bitmapEntries(size, uint8(log2(b.Granularity))); n*8 > c.lim.L1Table {
			return refuse(block.ErrLimit, "the table of the bitmap %q would have %d entries; remove it, and add one of a larger granularity", b.Name, n)
		}
	}
	w, err := newRewrite(c, f)
	if err != nil {
		return err
	}
	if err := w.clearPast(min(size, old)); err != nil {
		return err
	}
	if n := h.l1Need(size) * 8; int64(len(w.l1)) < n {
		w.l1 = append(w.l1, make([]byte, n-int64(len(w.l1)))...)
		w.dirt = true
	}
	if size > old && c.backing != "" {
		if err := w.hideBacking(opts.Backing, old, min(size, opts.Backing.Size())); err != nil {
			return err
		}
	}
	w.h.size = uint64(size)
	if len(w.bitmaps) > 0 {
		if err := w.soilBitmaps(size); err != nil {
			return err
		}
	}
	return w.commit()
}

// clearPast lets nothing lie past the end of a disk of that size: a disk that
// grows shows zeros there.
func (w *rewrite) clearPast(size int64) error {
	span, cs := w.h.l2Span(), w.h.clusterSize()
	buf := make([]byte, cs)
	for i := size / span; i < int64(len(w.l1)/8); i++ {
		l2 := int64(tableEntry(w.l1, i*8) & offsetMask)
		if l2 == 0 {
			continue
		}
		if err := block.ReadFull(w.f, buf, l2); err != nil {
			return block.Locate(format, "L2 table", l2, err)
		}
		base, left, changed := i*span, false, false
		for at := int64(0); at < cs; at += w.h.l2EntrySize() {
			if err := w.tick(); err != nil {
				return err
			}
			off := base + at/w.h.l2EntrySize()*cs
			entry := buf[at : at+w.h.l2EntrySize()]
			switch {
			case tableEntry(entry, 0) == 0 && (len(entry) == 8 || tableEntry(entry, 8) == 0):
			case off >= size:
				w.freeEntry(tableEntry(entry, 0))
				clear(entry)
				changed = true
			case off+cs > size:
				was := tableEntry(entry, 0)
				if err := w.cutCluster(entry, size-off); err != nil {
					return err
				}
				changed = changed || tableEntry(entry, 0) != was
				left = true
			default:
				left = true
			}
		}
		switch {
		case changed && left:
			if err := w.putL2(i, buf); err != nil {
				return err
			}
		case changed:
			w.free(l2, cs)
			w.setL1(i, 0)
		}
	}
	return nil
}

// freeEntry takes the references of an L2 entry away.
func (w *rewrite) freeEntry(e uint64) {
	w.free(w.entrySpan(e))
}

// cutCluster copies a cluster with zeros from byte keep on, if it has other
// bytes there.
func (w *rewrite) cutCluster(entry []byte, keep int64) error {
	e := tableEntry(entry, 0)
	cs := w.h.clusterSize()
	b := make([]byte, cs)
	if e&flagCompressed != 0 {
		im := &Image{metadata: w.metadata, inflate: newInflater(w.metadata, 8<<20)}
		r, err := im.compressed(e, -1)
		if err != nil {
			return err
		}
		if err := im.inflate.inflate(b, r); err != nil {
			return err
		}
	} else {
		host := int64(e & offsetMask)
		if host == 0 || e&flagZero != 0 {
			return nil
		}
		if err := block.ReadFull(w.f, b[:min(cs, w.r.Size()-host)], host); err != nil {
			return block.Locate(format, "data cluster", host, err)
		}
	}
	clean := true
	for _, x := range b[keep:] {
		clean = clean && x == 0
	}
	if clean {
		return nil
	}
	clear(b[keep:])
	w.freeEntry(e)
	off, err := w.alloc(1)
	if err != nil {
		return err
	}
	if _, err := w.f.WriteAt(b, off); err != nil {
		return err
	}
	binary.BigEndian.PutUint64(entry, uint64(off)|flagCopied)
	if len(entry) == 16 && e&flagCompressed != 0 {
		binary.BigEndian.PutUint64(entry[8:], 0xffffffff)
	}
	return nil
}

// hideBacking has the disk read as zeros from one place to another, where the
// backing file goes on and nothing lies over it.
func (w *rewrite) hideBacking(backing block.Reader, from, to int64) error {
	if from >= to {
		return nil
	}
	span, cs, size := w.h.l2Span(), w.h.clusterSize(), w.h.l2EntrySize()
	buf := make([]byte, cs)
	for i := from / span; i*span < to; i++ {
		clear(buf)
		if l2 := int64(tableEntry(w.l1, i*8) & offsetMask); l2 != 0 {
			if err := block.ReadFull(w.f, buf, l2); err != nil {
				return block.Locate(format, "L2 table", l2, err)
			}
		}
		for off := max(i*span, from/cs*cs); off < min((i+1)*span, to); off += cs {
			if err := w.tick(); err != nil {
				return err
			}
			entry := buf[(off-i*span)/cs*size:][:size]
			if off < from {
				if err := w.joinCluster(entry, backing, off, from); err != nil {
					return err
				}
				continue
			}
			if size == 16 {
				binary.BigEndian.PutUint64(entry[8:], 0xffffffff<<32)
			} else {
				binary.BigEndian.PutUint64(entry, flagZero)
			}
		}
		if err := w.putL2(i, buf); err != nil {
			return err
		}
	}
	return nil
}

// joinCluster gives the cluster at off, in which the disk ended, what it reads
// up to there, and zeros behind.
func (w *rewrite) joinCluster(entry []byte, backing block.Reader, off, end int64) error {
	im, err := Open(w.f, &Options{BackingFormat: "raw", Limits: w.lim, Opener: func(block.Ref) (block.Device, error) {
		return block.Plain(backing), nil
	}})
	if err != nil {
		return err
	}
	defer im.Close()
	b := make([]byte, w.h.clusterSize())
	if err := block.ReadFull(im, b[:end-off], off); err != nil {
		return err
	}
	w.freeEntry(tableEntry(entry, 0))
	host, err := w.alloc(1)
	if err != nil {
		return err
	}
	if _, err := w.f.WriteAt(b, host); err != nil {
		return err
	}
	binary.BigEndian.PutUint64(entry, uint64(host)|flagCopied)
	if len(entry) == 16 {
		binary.BigEndian.PutUint64(entry[8:], 0xffffffff)
	}
	return nil
}
