package vhd

import (
	"context"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/overlays"
)

// CommitInto writes into the image in base what a disk that lies upon it has of its
// own: that of less than depth (block.Extent.Depth). child is the image that has it
// for its parent, and notes when that was written to, if base can tell (by a method
// Modified). If it is interrupted, the disk reads the same, and base may hold a part:
// commit again then.
func CommitInto(ctx context.Context, base, child block.Storage, disk block.Device, depth int, opts *Options) error {
	im, err := edit(ctx, base, opts, "commit")
	if err != nil {
		return err
	}
	upon, err := open(child, opts)
	if err != nil {
		return err
	}
	refuse := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "commit", -1, class, detail, args...)
	}
	switch {
	case upon.f.diskType != typeDifferencing:
		return refuse(block.ErrUnsupported, "a %s image has no parent", upon.Info().Subformat)
	case disk.Size() != im.size:
		return refuse(block.ErrRefused, "the disk has %d bytes, and that of the parent %d", disk.Size(), im.size)
	case upon.h.parentID != im.f.uniqueID:
		return refuse(block.ErrRefused, "the unique ID of the parent is %s, not %s", im.f.uniqueID, upon.h.parentID)
	}
	parts, err := overlays.Held(ctx, disk, depth, granularity)
	if err != nil {
		return err
	}
	if im.table == nil {
		err = overlays.Copy(ctx, base, parts, disk)
	} else {
		err = im.store(ctx, base, parts, disk)
	}
	if err != nil {
		return err
	}
	if m, ok := base.(interface{ Modified() time.Time }); ok {
		return stamp(child, timestamp(m.Modified()))
	}
	return nil
}

// Empty takes all from a differencing image, which its parent holds too, and gives
// the room back. If it is interrupted, each block is as before or gone.
func Empty(ctx context.Context, f block.Storage, opts *Options) error {
	im, err := edit(ctx, f, opts, "commit")
	if err != nil {
		return err
	}
	if im.f.diskType != typeDifferencing {
		return block.Errorf(format, "commit", -1, block.ErrUnsupported, "a %s image has no parent", im.Info().Subformat)
	}
	if _, err := im.discard(f, []block.Range{{Len: im.h.listed * int64(im.h.blockSize)}}); err != nil {
		return err
	}
	return settle(f, opts)
}
