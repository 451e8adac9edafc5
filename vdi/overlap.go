package vdi

import (
	"context"

	"github.com/guestkit/guestkit/internal/blocks"
)

// Overlap returns an error that wraps block.ErrCorrupt if two blocks lie over
// each other in the file. Such an image opens, and what it reads there is what
// its table says; whoever takes all of the disk asks first. It walks the whole
// table, with memory for a part of it, and looks at no parent.
func (im *Image) Overlap(ctx context.Context) error {
	bs := int64(im.h.cbBlock)
	return blocks.Overlap(ctx, format, "block map", func(use func(off, n, at int64) error) error {
		for i := range int64(im.h.blocks) {
			hostOff, e, err := im.entry(i, min(bs, max(im.Size()-i*bs, 0)))
			switch {
			case err != nil && !blocks.OfImage(err):
				return err
			case err != nil || e >= blockZero:
				continue
			}
			if err := use(hostOff, bs, int64(im.h.offBlocks)+4*i); err != nil {
				return err
			}
		}
		return nil
	})
}
