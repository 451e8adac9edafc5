package vmdk

import (
	"context"

	"github.com/guestkit/guestkit/internal/blocks"
)

// Overlap returns an error that wraps block.ErrCorrupt if two grains of an
// extent lie over each other in its file. Such an image opens, and what it reads
// there is what its tables say; whoever takes all of the disk asks first. It
// walks all tables, with memory for a part of them, and looks at no parent.
//
// Grains that are compressed say themselves where they belong, and reading them
// finds out.
func (im *Image) Overlap(ctx context.Context) error {
	for _, p := range im.parts {
		g, ok := p.dev.(*grains)
		if !ok || g.inf != nil {
			continue
		}
		if err := blocks.Overlap(ctx, format, "grain", g.walk); err != nil {
			return err
		}
	}
	return nil
}

// walk calls use for each grain that is stored.
func (g *grains) walk(use func(off, n, at int64) error) error {
	for i, total := int64(0), (g.size+g.grain-1)/g.grain; i < total; {
		p, err := g.table.find(i, g.need(i))
		switch {
		case err != nil && !blocks.OfImage(err):
			return err
		case err == nil && p.kind != placeStored:
			i += max(p.same, 1)
			continue
		case err == nil:
			if err := use(p.off, g.need(i), p.off); err != nil {
				return err
			}
		}
		i++
	}
	return nil
}
