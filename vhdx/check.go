package vhdx

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
)

// Check follows every entry of the BAT, as it is with the log replayed: each
// must have a state that it may have, and lead to a block in the file, that lies
// over no other one and over no region. Both copies of the region table must be
// good, and no header may have a wrong checksum. Room that nothing uses is no fault: the format leaves it to be used
// again. It reads no data and opens no parent. An error means that the check
// could not be finished. Memory is bounded: 24 bytes for each block, at most 4
// million.
func Check(ctx context.Context, r block.Reader, opts *Options, report func(block.Fault)) (*block.CheckResult, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := open(r, opts)
	if err != nil {
		return nil, err
	}
	c := blocks.NewChecker(ctx, format, report)
	for _, err := range im.Problems() {
		if errors.Is(err, block.ErrDirty) {
			c.Result.Dirty = true
			continue
		}
		c.Broken(err)
	}
	if err := checkSecondTable(im.dev); err != nil {
		if err := c.Failed(err); err != nil {
			return nil, err
		}
	}
	bs := im.m.blockSize
	c.Result.Total = (im.m.size + bs - 1) / bs
	for i := range c.Result.Total {
		if err := c.Step(); err != nil {
			return nil, err
		}
		at := im.bat.off + 8*(i+i/im.chunk)
		state, hostOff, err := im.blockEntry(i)
		switch {
		case err != nil:
			if err := c.Failed(err); err != nil {
				return nil, err
			}
			continue
		case state == blockPartiallyPresent:
			present, _, err := im.bitmapEntry(i / im.chunk)
			if err == nil && !present {
				c.Broken(block.Errorf(format, "BAT", at, block.ErrCorrupt, "block %d is partially present and its sector bitmap is not there", i))
			}
		case state != blockFullyPresent:
			continue
		}
		if err := c.Block(hostOff, min(bs, im.dev.Size()-hostOff), at); err != nil {
			return nil, err
		}
	}
	if im.m.hasParent {
		for chunk := range (c.Result.Total + im.chunk - 1) / im.chunk {
			present, hostOff, err := im.bitmapEntry(chunk)
			switch {
			case err != nil:
				if err := c.Failed(err); err != nil {
					return nil, err
				}
			case present:
				if err := c.Use(hostOff, bitmapSize, im.bat.off+8*im.bitmapIndex(chunk)); err != nil {
					return nil, err
				}
			}
		}
	}
	c.Overlaps("BAT", 0, func(int64, int64) {})
	return c.Finish(), nil
}

// checkSecondTable checks the copy of the region table that Open does not look
// at where the first one is good.
func checkSecondTable(r block.Reader) error {
	b, err := block.ReadBytes(r, regionAt2, regionTableSize, regionTableSize)
	if err == nil && (string(b[:4]) != "regi" || checksum(b) != binary.LittleEndian.Uint32(b[4:])) {
		err = block.Errorf(format, "region table", regionAt2, block.ErrCorrupt, "the second copy has no signature or a bad checksum")
	}
	return err
}
