package vhd

import (
	"context"
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
)

// Check follows every entry of the BAT that either size of the disk shows: each must
// lead to a block in the file, that lies over no other one and over no header. A
// footer or a copy of one that is bad is a fault too. Room for blocks that no entry
// leads to is a leak. It reads no data and opens no parent. An error means that the
// check could not be finished. Memory is bounded: 24 bytes for each block, at most 4
// million.
func Check(ctx context.Context, r block.Reader, opts *Options, report func(block.Fault)) (*block.CheckResult, error) {
	im, err := open(r, opts)
	if err != nil {
		return nil, err
	}
	c := blocks.NewChecker(ctx, format, report)
	c.Result.Notes = im.notes()
	for _, err := range im.Problems() {
		if !errors.Is(err, ErrSizes) && !errors.Is(err, block.ErrUnsupported) {
			c.Broken(err)
		}
	}
	if im.table == nil {
		c.Result.ImageEnd = im.size
		return c.Finish(), nil
	}
	size := im.h.bitmapSize() + int64(im.h.blockSize)
	c.Result.Total = im.h.need(im.shown())
	for i := range im.h.listed {
		if err := c.Step(); err != nil {
			return nil, err
		}
		bitmap, err := im.listed(i)
		if err != nil {
			if err := c.Failed(err); err != nil {
				return nil, err
			}
			continue
		}
		if bitmap < 0 {
			continue
		}
		if err := c.Block(bitmap, min(size, im.dataEnd-bitmap), int64(im.h.tableOffset)+4*i); err != nil {
			return nil, err
		}
	}
	for _, u := range im.used() {
		if err := c.Use(u[0], u[1], u[0]); err != nil {
			return nil, err
		}
	}
	c.Overlaps("BAT", im.dataEnd, func(off, n int64) {
		if n >= size {
			c.Leak(n/size, block.Errorf(format, "block", off, block.ErrCorrupt, "nothing refers to the %d bytes from here", n))
		}
	})
	return c.Finish(), nil
}

// used are the parts of the file that hold no block: where each begins, and its
// length.
func (im *Image) used() [][2]int64 {
	used := [][2]int64{{0, footerSize}, {int64(im.f.dataOffset), dynamicSize}, {int64(im.h.tableOffset), min(4*int64(im.h.maxTableEntries), im.dataEnd-int64(im.h.tableOffset))}}
	for _, l := range im.h.locators {
		if l.dataLength > 0 && l.dataOffset < uint64(im.dataEnd) {
			used = append(used, [2]int64{int64(l.dataOffset), int64(l.dataLength)})
		}
	}
	return used
}

// notes are what a check says of an image besides.
func (im *Image) notes() []string {
	i := im.Info()
	s := fmt.Sprintf("the footer says %d bytes, %d by its geometry, %d are presented; its creator is %q", i.CurrentSize, i.GeometrySize, i.Size, i.Creator)
	if err := im.f.doubt(0, im.size); err != nil {
		s += "; vhd.SizeRule chooses"
	}
	return []string{s}
}
