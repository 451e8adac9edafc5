package vdi

import (
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
)

// Check follows every entry of the block map: each must lead to a block in the
// file, that no other entry leads to. Blocks of the file without an entry are
// leaks. It reads no data and opens no parent. An error means that the check
// could not be finished. Memory is a bit for each block of the file.
func Check(ctx context.Context, r block.Reader, opts *Options, report func(block.Fault)) (*block.CheckResult, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := open(r, opts)
	if err != nil {
		return nil, err
	}
	c := blocks.NewChecker(ctx, format, report)
	c.Result.Total = int64(im.h.blocks)
	bs := int64(im.h.cbBlock)
	inFile := min(max((r.Size()-int64(im.h.offData)+bs-1)/bs, 0), 1<<32)
	seen := make([]uint64, (min(inFile, MaxBlocks)+63)/64)
	last := int64(-1)
	for i := range int64(im.h.blocks) {
		if err := c.Step(); err != nil {
			return nil, err
		}
		at := int64(im.h.offBlocks) + 4*i
		hostOff, e, err := im.entry(i, min(bs, max(im.Size()-i*bs, 0)))
		switch {
		case err != nil:
			if err := c.Failed(err); err != nil {
				return nil, err
			}
			continue
		case e >= blockZero:
			continue
		case int64(e) >= min(inFile, MaxBlocks):
			c.Broken(block.Errorf(format, "block map", at, block.ErrCorrupt, "block %d has the number %d, at most %d are valid", i, e, MaxBlocks-1))
			continue
		case seen[e/64]>>(e%64)&1 != 0:
			c.Broken(block.Errorf(format, "block map", at, block.ErrCorrupt, "block %d lies at %#x, where another one does", i, hostOff))
		}
		seen[e/64] |= 1 << (e % 64)
		if last >= 0 && int64(e) != last+1 {
			c.Result.Fragmented++
		}
		last = int64(e)
		c.Result.Allocated++
		c.Result.ImageEnd = max(c.Result.ImageEnd, hostOff+bs)
	}
	if n := int64(im.h.blocksAllocated); n != c.Result.Allocated {
		c.Broken(block.Errorf(format, "header", 0x184, block.ErrCorrupt, "it counts %d blocks, the block map has %d", n, c.Result.Allocated))
	}
	for n := range min((r.Size()-int64(im.h.offData))/bs, MaxBlocks) { // whole ones only
		if err := c.Step(); err != nil {
			return nil, err
		}
		if seen[n/64]>>(n%64)&1 == 0 {
			c.Leak(1, block.Errorf(format, "block", int64(im.h.offData)+n*bs, block.ErrCorrupt, "nothing refers to it"))
		}
	}
	return c.Finish(), nil
}
