package vhdx

import (
	"context"

	"github.com/guestkit/guestkit/internal/blocks"
)

// Overlap returns an error that wraps block.ErrCorrupt if two blocks lie over
// each other in the file. Such an image opens, and what it reads there is what
// its table says; whoever takes all of the disk asks first. It walks the whole
// table, with memory for a part of it, and looks at no parent.
func (im *Image) Overlap(ctx context.Context) error {
	return blocks.Overlap(ctx, format, "BAT", im.walk)
}

// walk calls use for each block and sector bitmap that is stored.
func (im *Image) walk(use func(off, n, at int64) error) error {
	bs := im.m.blockSize
	total := (im.m.size + bs - 1) / bs
	for i := range total {
		state, hostOff, err := im.blockEntry(i)
		switch {
		case err != nil && !blocks.OfImage(err):
			return err
		case err != nil || state != blockFullyPresent && state != blockPartiallyPresent:
			continue
		}
		if err := use(hostOff, min(bs, im.dev.Size()-hostOff), im.bat.off+8*(i+i/im.chunk)); err != nil {
			return err
		}
	}
	if !im.m.hasParent {
		return nil
	}
	for chunk := range (total + im.chunk - 1) / im.chunk {
		present, hostOff, err := im.bitmapEntry(chunk)
		switch {
		case err != nil && !blocks.OfImage(err):
			return err
		case err != nil || !present:
			continue
		}
		if err := use(hostOff, bitmapSize, im.bat.off+8*im.bitmapIndex(chunk)); err != nil {
			return err
		}
	}
	return nil
}
