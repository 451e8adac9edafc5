package vhdx

import (
	"context"
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
)

// Sparsify gives back the blocks of a dynamic image that lie in the given parts of
// the disk as a whole, in rising order; they read as zeros from then on. The blocks
// behind them move down, and the file is cut. If it is interrupted, the image is
// whole, and each block is as before or reads as zeros; the BAT changes through the
// log of the image, when what it leads to is on the disk. It returns how many bytes
// of the disk were given back. The image gets a new identity of its data, by which
// an image that lies upon it tells that it has changed.
func Sparsify(ctx context.Context, f block.Storage, parts []block.Range, opts *Options) (int64, error) {
	res, err := Check(ctx, f, opts, nil)
	if err != nil {
		return 0, err
	}
	if res.Corruptions > 0 {
		return 0, block.Errorf(format, "sparsify", -1, block.ErrCorrupt, "the image has %d faults, see 'guestkit check'", res.Corruptions)
	}
	im, err := open(f, &Options{})
	if err != nil {
		return 0, err
	}
	if im.m.hasParent || im.m.fixed {
		return 0, block.Errorf(format, "sparsify", -1, block.ErrUnsupported, "a %s image is not made smaller in place", im.Info().Subformat)
	}
	changes, freed, err := im.discarded(parts)
	if err != nil {
		return 0, err
	}
	s, err := begin(f, freed > 0)
	if err != nil {
		return 0, err
	}
	if err := s.writeBAT(im.bat, changes); err != nil {
		return 0, err
	}
	if im, err = open(f, &Options{}); err != nil { // what it says has changed
		return freed, err
	}
	return freed, s.pack(ctx, im)
}

// discarded lists the blocks that lie in parts as a whole, which are not present
// from then on.
func (im *Image) discarded(parts []block.Range) (changes []blocks.Change, freed int64, err error) {
	bs := im.m.blockSize
	in := blocks.NewWithin(parts)
	for i := range (im.m.size + bs - 1) / bs {
		n := min(bs, im.m.size-i*bs)
		if !in.Has(i*bs, n) {
			continue
		}
		state, _, err := im.blockEntry(i)
		if err != nil {
			return nil, 0, err
		}
		if state == blockFullyPresent {
			changes = append(changes, blocks.Change{I: i + i/im.chunk, V: blockNotPresent})
			freed += n
		}
	}
	return changes, freed, nil
}

// writeBAT changes entries of the BAT through the log.
func (s *session) writeBAT(bat region, changes []blocks.Change) error {
	var pages []page
	err := blocks.Patch(s.f, bat.off, 8, logSector, changes, func(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }, func(b []byte, off int64) error {
		pages = append(pages, page{off, b})
		return nil
	})
	if err != nil {
		return err
	}
	return s.write(pages)
}

// pack moves blocks down and cuts the file behind them.
func (s *session) pack(ctx context.Context, im *Image) error {
	bs := im.m.blockSize
	p := blocks.Packing{Format: format, What: "BAT", Size: bs, Align: mib}
	total := (im.m.size + bs - 1) / bs
	for i := range total {
		state, off, err := im.blockEntry(i)
		if err != nil {
			return err
		}
		if state != blockFullyPresent {
			continue
		}
		if err := p.Add(i, off); err != nil {
			return err
		}
	}
	var err error
	if p.Fixed, err = im.fixed(total); err != nil {
		return err
	}
	moves, end, err := p.Plan()
	if err != nil {
		return err
	}
	if err := blocks.Copy(ctx, s.f, moves, bs); err != nil {
		return err
	}
	if err := s.writeBAT(im.bat, blocks.Changes(moves, func(m blocks.Move) blocks.Change {
		return blocks.Change{I: m.I + m.I/im.chunk, V: uint64(m.To) | blockFullyPresent}
	})); err != nil {
		return err
	}
	if end = (end + mib - 1) / mib * mib; end < s.f.Size() {
		if err := s.f.Truncate(end); err != nil {
			return err
		}
	}
	return s.f.Sync()
}

// fixed lists what of the file is no block: the headers, the log, all regions,
// known or not, and sector bitmaps that an image without a parent has no use for.
func (im *Image) fixed(total int64) ([]block.Range, error) {
	out := []block.Range{{Len: reservedEnd}, {Off: int64(im.h.logOffset), Len: int64(im.h.logLength)}}
	b, err := block.ReadBytes(im.dev, regionAt1, regionTableSize, regionTableSize)
	if err != nil {
		return nil, block.Locate(format, "region table", regionAt1, err)
	}
	for i := range binary.LittleEndian.Uint32(b[8:]) { // parseRegions has checked them
		var e regionEntry
		e.decode(b[16+32*i:])
		out = append(out, block.Range{Off: int64(e.offset), Len: int64(e.length)})
	}
	for chunk := range (total + im.chunk - 1) / im.chunk {
		if chunk == (total-1)/im.chunk && !im.m.hasParent {
			break // the last one has none in such an image
		}
		present, off, err := im.bitmapEntry(chunk)
		if err != nil {
			return nil, err
		}
		if present {
			out = append(out, block.Range{Off: off, Len: bitmapSize})
		}
	}
	return out, nil
}
