package vhd

import (
	"context"
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
)

// Sparsify gives back the blocks of a dynamic image that lie in the given parts of
// the disk as a whole, in rising order; they read as zeros from then on. The blocks
// behind them move down, and the file is cut. opts say how the disk was opened. If
// it is interrupted, each block is as before or reads as zeros, and the image is
// whole: an entry of the BAT is changed by one write, when what it leads to is on
// the disk, and the footer at the end goes last. It returns how many bytes of the
// disk were given back.
//
// The unique ID stays, as the format has none for the content: an image that lies
// upon this one cannot tell but by the time of the file.
func Sparsify(ctx context.Context, f block.Storage, parts []block.Range, opts *Options) (int64, error) {
	im, err := edit(ctx, f, opts, "sparsify")
	if err != nil {
		return 0, err
	}
	if im.f.diskType != typeDynamic {
		return 0, block.Errorf(format, "sparsify", -1, block.ErrUnsupported, "a %s image is not made smaller in place", im.Info().Subformat)
	}
	freed, err := im.discard(f, parts)
	if err != nil {
		return 0, err
	}
	if freed > 0 { // what the table says has changed
		if im, err = open(f, opts); err != nil {
			return freed, err
		}
	}
	return freed, im.pack(ctx, f)
}

// discard takes the blocks out of the BAT that lie in parts as a whole.
func (im *Image) discard(f block.Storage, parts []block.Range) (freed int64, err error) {
	bs := int64(im.h.blockSize)
	size := im.shown()
	in := blocks.NewWithin(parts)
	var changes []blocks.Change
	for i := range im.h.listed {
		n := bs
		if rest := size - i*bs; rest > 0 {
			n = min(bs, rest)
		}
		if !in.Has(i*bs, n) {
			continue
		}
		bitmap, err := im.listed(i)
		if err != nil {
			return 0, err
		}
		if bitmap >= 0 {
			changes = append(changes, blocks.Change{I: i, V: unused})
			freed += n
		}
	}
	return freed, im.patch(f, changes)
}

// patch changes entries of the BAT, a sector at a time.
func (im *Image) patch(f block.Storage, changes []blocks.Change) error {
	if len(changes) == 0 {
		return nil
	}
	err := blocks.Patch(f, int64(im.h.tableOffset), 4, sectorSize, changes, func(b []byte, v uint64) { binary.BigEndian.PutUint32(b, uint32(v)) }, func(b []byte, off int64) error {
		_, err := f.WriteAt(b, off)
		return err
	})
	if err != nil {
		return err
	}
	return f.Sync()
}

// packing lists what lies in the file, by whichever rule of size.
func (im *Image) packing() (*blocks.Packing, error) {
	p := &blocks.Packing{Format: format, What: "BAT", Size: im.h.bitmapSize() + int64(im.h.blockSize)}
	for i := range im.h.listed {
		bitmap, err := im.listed(i)
		if err != nil {
			return nil, err
		}
		if bitmap < 0 {
			continue
		}
		if err := p.Add(i, bitmap); err != nil {
			return nil, err
		}
	}
	p.AlignAs(sectorSize, granularity)
	for _, u := range im.used() {
		p.Fixed = append(p.Fixed, block.Range{Off: u[0], Len: u[1]})
	}
	return p, nil
}

// pack moves blocks down and cuts the file behind them.
func (im *Image) pack(ctx context.Context, f block.Storage) error {
	p, err := im.packing()
	if err != nil {
		return err
	}
	moves, end, err := p.Plan()
	if err != nil {
		return err
	}
	if err := blocks.Copy(ctx, f, moves, p.Size); err != nil {
		return err
	}
	if err := im.patch(f, blocks.Changes(moves, func(m blocks.Move) blocks.Change {
		return blocks.Change{I: m.I, V: uint64(m.To / sectorSize)}
	})); err != nil {
		return err
	}
	return im.cut(f, end)
}
