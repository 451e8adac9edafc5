package convert

import (
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/overlays"
)

// CommitRaw writes into a raw image what a disk that lies upon it has of its own:
// that of less than depth (block.Extent.Depth). Whatever interrupts it, the disk
// reads the same; a raw image has no tables to switch over with, so that it may
// hold a part.
func CommitRaw(ctx context.Context, s *Storage, disk block.Device, depth int) error {
	if disk.Size() > s.Size() {
		if err := s.Truncate(disk.Size()); err != nil {
			return err
		}
	}
	buf := make([]byte, plainPiece)
	for e, err := range block.Extents(disk, 0, disk.Size()) {
		if err != nil {
			return err
		}
		if !overlays.Above(e, depth) {
			continue
		}
		for off := e.Off; off < e.Off+e.Len; {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			p := buf[:min(plainPiece, e.Off+e.Len-off)]
			if e.Zero {
				clear(p)
			} else if err := block.ReadFull(disk, p, off); err != nil {
				return readError(off, err)
			}
			if _, err := s.WriteAt(p, off); err != nil {
				return err
			}
			off += int64(len(p))
		}
	}
	return s.Sync()
}
