package qcow2

import (
	"bytes"
	"context"
	"errors"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/overlays"
	"github.com/guestkit/guestkit/internal/problem"
)

// CommitInto writes into an image what a disk that lies upon it has of its own:
// that of less than depth (block.Extent.Depth). base is the disk of the image,
// which must not be smaller; see Resize. If it is interrupted, the image is as before or holds
// all of it, and the disk reads the same either way. Bitmaps of the image that
// track writes say from then on that everything may have changed.
//
// An image with an external data file is refused unless f gives that, by a method
// DataFile(name string) (block.Storage, error) that takes the name in the image. It is
// written to where it lies: if that is interrupted, it may hold a part.
func CommitInto(ctx context.Context, f Storage, disk, base block.Device, depth int) error {
	w, err := change(ctx, f, "commit")
	if err != nil {
		return err
	}
	switch {
	case w.h.cryptMethod != cryptNone:
		return block.Errorf(format, "commit", -1, block.ErrEncrypted, "")
	case disk.Size() > int64(w.h.size):
		return &block.Error{Format: format, What: "commit", Off: -1, Err: problem.Class(block.ErrRefused, "the disk has %d bytes, and that of the backing file %d; grow the backing file first", disk.Size(), w.h.size)}
	}
	if err := w.openData("commit"); err != nil {
		return err
	}
	t := w.tables()
	cs := w.h.clusterSize()
	next := int64(0)
	for e, err := range block.Extents(disk, 0, disk.Size()) {
		if err != nil {
			return err
		}
		if !overlays.Above(e, depth) {
			continue
		}
		for off := max(e.Off/cs*cs, next); off < e.Off+e.Len; off += cs {
			if err := t.store(off, joined{disk, base}); err != nil {
				return err
			}
			next = off + cs
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	if err := w.syncData(); err != nil {
		return err
	}
	if len(w.bitmaps) > 0 {
		if err := w.soilBitmaps(int64(w.h.size)); err != nil {
			return err
		}
	}
	return w.commit()
}

// joined is a disk, and past its end another one.
type joined struct{ first, rest block.Reader }

func (j joined) Size() int64 { return max(j.first.Size(), j.rest.Size()) }

func (j joined) ReadAt(p []byte, off int64) (int, error) {
	n := int(max(min(int64(len(p)), j.first.Size()-off), 0))
	if err := block.ReadFull(j.first, p[:n], off); err != nil {
		return 0, err
	}
	if n == len(p) {
		return n, nil
	}
	m, err := j.rest.ReadAt(p[n:], off+int64(n))
	return n + m, err
}

// Empty takes all from an image that lies over its backing file, but for what its
// snapshots hold, and gives the room back. If it is interrupted, the image is as
// before or empty. Room in an external data file is given back where f gives that, as
// for CommitInto, and it can punch holes, as for Compact.
func Empty(ctx context.Context, f Storage) error {
	w, err := change(ctx, f, "commit")
	if err != nil {
		return err
	}
	if w.h.autoclearFeatures&autoclearDataFileRaw != 0 {
		return block.Errorf(format, "commit", -1, block.ErrUnsupported, "the image has an external data file that is a raw image of the disk")
	}
	if err := w.openData("commit"); err != nil {
		return err
	}
	if err := w.dropAll(w.l1); err != nil {
		return err
	}
	clear(w.l1)
	w.dirt = true
	if err := w.commit(); err != nil {
		return err
	}
	if p, ok := w.external.(interface{ Punch(off, n int64) error }); ok {
		if err := p.Punch(0, w.external.Size()); err != nil && !errors.Is(err, block.ErrUnsupported) {
			return err
		}
		if err := w.external.Sync(); err != nil {
			return err
		}
	}
	return Compact(ctx, f)
}

// Compact moves the tables of an image down into the room that is free before
// them, and cuts the file behind what is in use. Data stays where it is. What is free
// between takes no room on the host any more, if f can punch holes (by a method
// Punch(off, n int64) error, as convert.Storage has it).
func Compact(ctx context.Context, f Storage) error {
	w, err := change(ctx, f, "image")
	if err != nil {
		return err
	}
	w.l1 = bytes.Clone(w.l1)
	w.dirt = true
	if err := w.commit(); err != nil {
		return err
	}
	end := int64(0)
	for page := range w.counts.pages {
		for i := (page+1)*countPage - 1; i >= page*countPage && i >= end; i-- {
			if w.counts.of(i) > 0 {
				end = i + 1
			}
		}
	}
	if off := end << w.h.clusterBits; off < f.Size() {
		if err := f.Truncate(off); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return w.punch(end)
}

// punch gives the room back of clusters before the end that nothing refers to.
func (w *rewrite) punch(end int64) error {
	p, ok := w.f.(interface{ Punch(off, n int64) error })
	if !ok {
		return nil
	}
	for i := int64(0); i < end; i++ {
		first := i
		for i < end && w.counts.of(i) == 0 {
			i++
		}
		if first == i {
			continue
		}
		if err := w.tick(); err != nil {
			return err
		}
		if err := p.Punch(first<<w.h.clusterBits, (i-first)<<w.h.clusterBits); errors.Is(err, block.ErrUnsupported) {
			return nil // the image is right all the same
		} else if err != nil {
			return err
		}
	}
	return w.f.Sync()
}
