package qed

import (
	"context"

	"github.com/guestkit/guestkit/internal/blocks"
)

// Overlap returns an error that wraps block.ErrCorrupt if two clusters lie over
// each other in the file, tables or data. Such an image opens, and what it reads
// there is what its tables say; whoever takes all of the disk asks first. It
// walks all tables, with memory for a part of them, and looks at no backing file.
func (im *Image) Overlap(ctx context.Context) error {
	// The tables alone come first: where they share no bytes, walking each once
	// takes no longer than reading the file.
	if err := im.overlap(ctx, false); err != nil {
		return err
	}
	return im.overlap(ctx, true)
}

func (im *Image) overlap(ctx context.Context, all bool) error {
	size, entries := int64(im.h.clusterSize), im.h.entries()
	return blocks.Overlap(ctx, format, "table", func(use func(off, n, at int64) error) error {
		if err := use(int64(im.h.l1TableOffset), im.h.tableBytes(), 0x28); err != nil {
			return err
		}
		for i := range im.h.l2Tables() {
			if i%4096 == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			table, at, err := im.l2Table(i)
			switch {
			case err != nil && !blocks.OfImage(err):
				return err
			case err != nil || table == 0: // reading it says so
				continue
			}
			if err := use(table, im.h.tableBytes(), at); err != nil {
				return err
			}
			for j := int64(0); all && j < entries && (i*entries+j)*size < im.Size(); j++ {
				if j%4096 == 0 && ctx.Err() != nil { // entries of nothing are not told to use
					return context.Cause(ctx)
				}
				k, host, at, err := im.cluster(table, j, (i*entries+j)*size)
				switch {
				case err != nil && !blocks.OfImage(err):
					return err
				case err != nil || k != data:
					continue
				}
				if err := use(host, size, at); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
