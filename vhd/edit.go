package vhd

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
	"github.com/guestkit/guestkit/internal/overlays"
)

// edit opens an image for changes in place, without its parent. What an interrupted
// run has left is put right: the footer at the end is written again, and blocks that
// nothing leads to are cut off.
func edit(ctx context.Context, f block.Storage, opts *Options, what string) (*Image, error) {
	im, err := open(f, opts)
	if err != nil {
		return nil, err
	}
	if im.table != nil && im.h.bitmapSize() == 0 {
		return nil, block.Errorf(format, what, -1, block.ErrUnsupported, "blocks of %d bytes have no bitmap", im.h.blockSize)
	}
	res, err := Check(ctx, f, opts, nil)
	if err != nil {
		return nil, err
	}
	if im.headOnly && res.Corruptions == 1 {
		end := (f.Size() + sectorSize - 1) / sectorSize * sectorSize
		if err := write(f, im.f.encode(), end); err != nil {
			return nil, err
		}
		return edit(ctx, f, opts, what)
	}
	switch {
	case res.Corruptions > 0:
		return nil, block.Errorf(format, what, -1, block.ErrCorrupt, "the image has %d faults, see 'guestkit check'", res.Corruptions)
	case im.f.savedState != 0:
		return nil, block.Errorf(format, "footer", 0x54, block.ErrRefused, "a virtual machine has its state saved with it")
	case res.Leaks > 0:
		if err := im.cutBehind(f); err != nil {
			return nil, err
		}
		return open(f, opts)
	}
	return im, nil
}

// write writes b and waits until it is on the disk.
func write(f block.Storage, b []byte, off int64) error {
	if _, err := f.WriteAt(b, off); err != nil {
		return err
	}
	return f.Sync()
}

// cut ends the file at end, behind which a footer is. The footer that counts stays
// where it is until then.
func (im *Image) cut(f block.Storage, end int64) error {
	end = (end + sectorSize - 1) / sectorSize * sectorSize
	if end >= im.dataEnd {
		return nil
	}
	if err := write(f, im.f.encode(), end); err != nil {
		return err
	}
	if err := f.Truncate(end + footerSize); err != nil {
		return err
	}
	return f.Sync()
}

// A filling is a block that is to hold more.
type filling struct {
	i      int64
	bitmap int64 // where it lies, or will
	fresh  bool
	parts  []block.Range // of the disk
}

// store lets the given parts of the disk, which begin and end at multiples of
// granularity or with the disk, hold what from reads there. Blocks that are new get
// their place behind all others. If it is interrupted, each of the parts reads as
// before or as from, and of those that are in the image already any bytes.
func (im *Image) store(ctx context.Context, f block.Storage, parts []block.Range, from block.Device) error {
	all, end, err := im.fillings(parts, from)
	if err != nil || len(all) == 0 {
		return err
	}
	if end > im.dataEnd {
		if err := write(f, im.f.encode(), end); err != nil {
			return err
		}
	}
	buf := make([]byte, 1<<20)
	for _, x := range all {
		if err := im.fill(ctx, f, x, from, buf); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	var changes []blocks.Change
	for _, x := range all {
		if x.fresh {
			changes = append(changes, blocks.Change{I: x.i, V: uint64(x.bitmap / sectorSize)})
			continue
		}
		b, err := im.bitsOf(f, x)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(b, x.bitmap); err != nil {
			return err
		}
	}
	if len(changes) == 0 {
		return f.Sync()
	}
	return im.patch(f, changes)
}

// fillings finds the places of the blocks in which parts lie, and where the file
// ends behind them. Zeros need no block in an image without a parent.
func (im *Image) fillings(parts []block.Range, from block.Device) (all []filling, end int64, err error) {
	bs := int64(im.h.blockSize)
	lie, err := im.packing()
	if err != nil {
		return nil, 0, err
	}
	end = im.dataEnd
	free := max(end, lie.End()) // the last block may end with the disk, where the file is cut
	for _, p := range parts {
		for off := p.Off; off < min(p.Off+p.Len, im.size); {
			i := off / bs
			n := min(p.Off+p.Len, (i+1)*bs, im.size) - off
			part := block.Range{Off: off, Len: n}
			off += n
			if last := len(all) - 1; last >= 0 && all[last].i == i {
				all[last].parts = append(all[last].parts, part)
				continue
			}
			x := filling{i: i, parts: []block.Range{part}}
			if x.bitmap, err = im.entry(i); err != nil {
				return nil, 0, err
			}
			if x.fresh = x.bitmap < 0; x.fresh && im.f.diskType != typeDifferencing {
				zero, err := overlays.Zeros(from, part)
				if err != nil {
					return nil, 0, err
				}
				if zero {
					continue
				}
			}
			if x.fresh {
				x.bitmap = align(free+im.h.bitmapSize()) - im.h.bitmapSize()
				end = x.bitmap + im.h.bitmapSize() + bs
				if free = end; end/sectorSize >= unused {
					return nil, 0, block.Errorf(format, "BAT", -1, block.ErrLimit, "the file would be larger than 2 TiB")
				}
			}
			all = append(all, x)
		}
	}
	return all, end, nil
}

// fill writes what a block is to hold, and the bitmap of one that is new.
func (im *Image) fill(ctx context.Context, f block.Storage, x filling, from block.Reader, buf []byte) error {
	data := x.bitmap + im.h.bitmapSize()
	for _, p := range x.parts {
		for off := p.Off; off < p.Off+p.Len; off += int64(len(buf)) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			b := buf[:min(int64(len(buf)), p.Off+p.Len-off)]
			if err := block.ReadFull(from, b, off); err != nil {
				return err
			}
			if _, err := f.WriteAt(b, data+off-x.i*int64(im.h.blockSize)); err != nil {
				return err
			}
		}
	}
	if !x.fresh {
		return nil
	}
	b, err := im.bitsOf(nil, x)
	if err == nil {
		_, err = f.WriteAt(b, x.bitmap)
	}
	return err
}

// bitsOf returns the bitmap of a block with the sectors that it is to hold. In an
// image without a parent they are all there, as all programs have it.
func (im *Image) bitsOf(f block.Reader, x filling) ([]byte, error) {
	b := make([]byte, im.h.bitmapSize())
	if f != nil {
		if err := block.ReadFull(f, b, x.bitmap); err != nil {
			return nil, block.Locate(format, "block bitmap", x.bitmap, err)
		}
	}
	bs := int64(im.h.blockSize)
	if x.fresh && im.f.diskType != typeDifferencing {
		x.parts = []block.Range{{Off: x.i * bs, Len: bs}}
	}
	for _, p := range x.parts {
		first, end := (p.Off-x.i*bs)/sectorSize, (p.Off-x.i*bs+p.Len+sectorSize-1)/sectorSize
		for s := first; s < end; s++ {
			b[s/8] |= 0x80 >> (s % 8)
		}
	}
	return b, nil
}

// putHeader lets the image have another dynamic header, and another type. It goes to
// the first room that nothing uses, and so does the data of its locators; then both
// footers lead to it: first there is but the one at the beginning, which is switched
// by one write.
func (im *Image) putHeader(f block.Storage, h dynamicHeader, diskType uint32, locators [][]byte) error {
	busy, err := im.busy()
	if err != nil {
		return err
	}
	behind := (busy.end() + sectorSize - 1) / sectorSize * sectorSize
	end := behind
	place := func(n int64) int64 {
		n = (n + sectorSize - 1) / sectorSize * sectorSize
		at := busy.gap(n)
		if at < 0 {
			at = end
			end += n
		}
		busy = append(busy, block.Range{Off: at, Len: n})
		return at
	}
	at := place(dynamicSize)
	for i, b := range locators {
		l := &h.locators[i]
		l.dataLength, l.dataSpace = uint32(len(b)), uint32((len(b)+sectorSize-1)/sectorSize*sectorSize)
		l.dataOffset = uint64(place(int64(len(b))))
		if _, err := f.WriteAt(append(b[:len(b):len(b)], make([]byte, int(l.dataSpace)-len(b))...), int64(l.dataOffset)); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(h.encode(), at); err != nil {
		return err
	}
	// The last sector of the file is no footer from here on.
	if end == behind {
		end = im.dataEnd
		if _, err := f.WriteAt(make([]byte, footerSize), end); err != nil {
			return err
		}
	}
	foot := im.f
	foot.dataOffset, foot.diskType = uint64(at), diskType
	if err := f.Sync(); err != nil {
		return err
	}
	b := foot.encode()
	if err := write(f, b, 0); err != nil {
		return err
	}
	return write(f, b, end)
}

// settle brings the dynamic header and its locators down to the first room that
// there is, and cuts the file behind what is left.
func settle(f block.Storage, opts *Options) error {
	im, err := open(f, opts)
	if err != nil {
		return err
	}
	busy, err := im.busy()
	if err != nil {
		return err
	}
	least := int64(im.f.dataOffset)
	var locators [][]byte
	h := im.h
	h.locators = [8]locator{}
	for _, l := range im.h.locators {
		if l.dataLength == 0 {
			continue
		}
		if n := int64(l.dataLength); n > min(maxLocator, im.dataEnd) || l.dataOffset > uint64(im.dataEnd-n) {
			return im.cutBehind(f) // nobody reads it, nor can it be moved
		}
		b, err := block.ReadBytes(f, int64(l.dataOffset), int64(l.dataLength), maxLocator)
		if err != nil {
			return block.Locate(format, "parent locator", int64(l.dataOffset), err)
		}
		least = max(least, int64(l.dataOffset))
		h.locators[len(locators)] = l
		locators = append(locators, b)
	}
	if at := busy.gap(dynamicSize); at >= 0 && at < least {
		if err := im.putHeader(f, h, im.f.diskType, locators); err != nil {
			return err
		}
		if im, err = open(f, opts); err != nil {
			return err
		}
	}
	return im.cutBehind(f)
}

// cutBehind cuts the file behind all that something uses.
func (im *Image) cutBehind(f block.Storage) error {
	p, err := im.packing()
	if err != nil {
		return err
	}
	return im.cut(f, p.End())
}

// ranges are parts of the file that something uses.
type ranges []block.Range

// busy lists what uses the file, its last footer among it.
func (im *Image) busy() (ranges, error) {
	p, err := im.packing()
	if err != nil {
		return nil, err
	}
	all := append(ranges(p.Fixed), block.Range{Off: im.dataEnd, Len: footerSize})
	for _, b := range p.Blocks {
		all = append(all, block.Range{Off: b.Off, Len: p.Size})
	}
	return all, nil
}

func (all ranges) end() (end int64) {
	for _, r := range all {
		end = max(end, r.Off+r.Len)
	}
	return end
}

// gap finds the first n bytes in whole sectors that nothing uses and that something
// lies behind; -1 if there are none.
func (all ranges) gap(n int64) int64 {
	slices.SortFunc(all, func(a, b block.Range) int { return cmp.Compare(a.Off, b.Off) })
	at := int64(0)
	for _, r := range all {
		if r.Off >= at+n {
			return at
		}
		at = max(at, (r.Off+r.Len+sectorSize-1)/sectorSize*sectorSize)
	}
	return -1
}

// stamp notes in an image when its parent was written to. What changes lies in one
// sector.
func stamp(f block.Storage, seconds uint32) error {
	im, err := open(f, nil)
	if err != nil {
		return err
	}
	b, err := block.ReadBytes(f, int64(im.f.dataOffset), dynamicSize, dynamicSize)
	if err != nil {
		return block.Locate(format, "dynamic header", int64(im.f.dataOffset), err)
	}
	binary.BigEndian.PutUint32(b[0x38:], seconds)
	binary.BigEndian.PutUint32(b[0x24:], checksum(b, 0x24))
	return write(f, b[:sectorSize], int64(im.f.dataOffset))
}
