package vhd

import (
	"context"

	"github.com/guestkit/guestkit/internal/blocks"
)

// Overlap returns an error that wraps block.ErrCorrupt if two blocks lie over
// each other in the file. Such an image opens, and what it reads there is what
// its table says; whoever takes all of the disk asks first. It walks the whole
// table, with memory for a part of it, and looks at no parent.
func (im *Image) Overlap(ctx context.Context) error {
	if im.table == nil {
		return nil
	}
	bs := int64(im.h.blockSize)
	return blocks.Overlap(ctx, format, "BAT", func(use func(off, n, at int64) error) error {
		for i := range im.h.entries {
			bitmap, err := im.entry(i)
			switch {
			case err != nil && !blocks.OfImage(err):
				return err
			case err != nil || bitmap < 0:
				continue
			}
			if err := use(bitmap, min(im.h.bitmapSize()+bs, im.dataEnd-bitmap), int64(im.h.tableOffset)+4*i); err != nil {
				return err
			}
		}
		return nil
	})
}
