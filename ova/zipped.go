package ova

import (
	"context"
	"errors"
	"hash/crc32"

	"github.com/guestkit/guestkit/block"
)

// zipped is a member of a zip archive.
type zipped struct {
	block.Device
	crc uint32
}

// Sound returns an error if the checksum is wrong. What is inflated knows that for
// what it has read.
func (z *zipped) Sound(ctx context.Context) error {
	if f, ok := z.Device.(*inflated); ok {
		return f.Sound(ctx)
	}
	var wrong error
	if err := z.Verify(ctx, func(err error) { wrong = err }); err != nil {
		return err
	}
	return wrong
}

// Verify reads it all and compares its checksum.
func (z *zipped) Verify(ctx context.Context, fault func(error)) error {
	h := crc32.NewIEEE()
	err := digest(ctx, h, z)
	if errors.Is(err, block.ErrCorrupt) { // inflating compares it too
		fault(err)
		return nil
	}
	if err != nil {
		return err
	}
	if h.Sum32() != z.crc {
		fault(block.Errorf("zip", "member", -1, block.ErrCorrupt, "its checksum is %#08x, and the archive says %#08x", h.Sum32(), z.crc))
	}
	return nil
}
