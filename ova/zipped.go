package ova

import (
	"context"
	"hash/crc32"

	"github.com/guestkit/guestkit/block"
)

// zipped is a member of a zip archive.
type zipped struct {
	block.Device
	crc uint32
}

// Verify reads it all and compares its checksum.
func (z *zipped) Verify(ctx context.Context, fault func(error)) error {
	h := crc32.NewIEEE()
	if err := digest(ctx, h, z); err != nil {
		return err
	}
	if h.Sum32() != z.crc {
		fault(block.Errorf("zip", "member", -1, block.ErrCorrupt, "its checksum is %#08x, and the archive says %#08x", h.Sum32(), z.crc))
	}
	return nil
}
