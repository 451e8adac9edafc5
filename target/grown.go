package target

import (
	"context"
	"io"

	"github.com/guestkit/guestkit/block"
)

// grown is a disk with zeros behind it.
type grown struct {
	block.Device
	size int64
}

func (g *grown) Size() int64     { return g.size }
func (g *grown) SectorSize() int { return block.SectorSize(g.Device) }

func (g *grown) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, g.size)
	n := int(min(max(g.Device.Size()-off, 0), int64(len(q))))
	if err := block.ReadFull(g.Device, q[:n], off); err != nil {
		return 0, err
	}
	clear(q[n:])
	return len(q), eof
}

func (g *grown) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= g.size {
		return block.Extent{}, io.EOF
	}
	end := g.Device.Size()
	if off >= end {
		return block.Extent{Off: off, Len: g.size - off, Zero: true, Unset: true}, nil
	}
	e, err := g.Device.Extent(off)
	e.Len = min(e.Len, end-off)
	return e, err
}

// Changed tells whether the file of the disk has changed since it was opened.
func (g *grown) Changed() error {
	if c, ok := g.Device.(interface{ Changed() error }); ok {
		return c.Changed()
	}
	return nil
}

// Overlap tells whether blocks of the image lie over each other in its file.
func (g *grown) Overlap(ctx context.Context) error {
	if o, ok := g.Device.(interface{ Overlap(context.Context) error }); ok {
		return o.Overlap(ctx)
	}
	return nil
}

// Sound tells whether the checksums of what the image is packed in are right.
func (g *grown) Sound(ctx context.Context) error {
	if s, ok := g.Device.(interface{ Sound(context.Context) error }); ok {
		return s.Sound(ctx)
	}
	return nil
}
