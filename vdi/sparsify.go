package vdi

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
	"github.com/guestkit/guestkit/internal/guid"
)

// Sparsify gives back the blocks of a dynamic image that lie in the given parts of
// the disk as a whole, in rising order; they read as zeros from then on. The blocks
// behind them move down, and the file is cut. If it is interrupted, the image is
// whole, and the blocks are as before or all of them read as zeros: the header,
// which counts the blocks, is switched by one write to a block map that is on the
// disk. What is moved changes one entry when the copy is there. It returns how many
// bytes of the disk were given back. The image gets a new UUID of its content, by
// which an image that lies upon it tells that it has changed.
func Sparsify(ctx context.Context, f block.Storage, parts []block.Range, opts *Options) (int64, error) {
	s, err := edit(ctx, f, opts, "sparsify")
	if err != nil {
		return 0, err
	}
	if s.h.differencing() || s.h.imageType != typeDynamic {
		return 0, block.Errorf(format, "sparsify", -1, block.ErrUnsupported, "a %s image is not made smaller in place", s.im.Info().Subformat)
	}
	freed := s.discard(parts)
	if freed > 0 {
		s.h.uuidModify = guid.New()
		if err := s.switchOver(ctx); err != nil {
			return 0, err
		}
	}
	return freed, s.pack(ctx)
}

// A session changes an image in place. It holds the block map: four bytes for each
// block of the disk, 4 MiB for 1 TiB.
type session struct {
	f       block.Storage
	im      *Image // as it was, without its parent
	h       header
	entries []uint32
	changes []blocks.Change // entries that switchOver puts into the map, by rising blocks
}

// edit opens an image for changes in place.
func edit(ctx context.Context, f block.Storage, opts *Options, what string) (*session, error) {
	if opts == nil {
		opts = &Options{}
	}
	res, err := Check(ctx, f, opts, nil)
	if err != nil {
		return nil, err
	}
	if res.Corruptions > 0 {
		return nil, block.Errorf(format, what, -1, block.ErrCorrupt, "the image has %d faults, see 'guestkit check'", res.Corruptions)
	}
	im, err := open(f, opts)
	if err != nil {
		return nil, err
	}
	s := &session{f: f, im: im, h: im.h, entries: make([]uint32, im.h.blocks)}
	return s, s.load()
}

// end is where a file ends that has n blocks.
func (h *header) end(n int64) int64 { return int64(h.offData) + n*int64(h.cbBlock) }

func (s *session) load() error {
	const piece = 64 << 10
	for i := 0; i < len(s.entries); i += piece {
		part := s.entries[i:min(i+piece, len(s.entries))]
		off := int64(s.h.offBlocks) + 4*int64(i)
		b, err := block.ReadBytes(s.f, off, 4*int64(len(part)), 4*piece)
		if err != nil {
			return block.Locate(format, "block map", off, err)
		}
		for k := range part {
			part[k] = binary.LittleEndian.Uint32(b[4*k:])
		}
	}
	return nil
}

// top is how many places for blocks the file must have.
func (s *session) top() int64 {
	n := int64(0)
	for _, e := range s.entries {
		if e < blockZero {
			n = max(n, int64(e)+1)
		}
	}
	return n
}

// discard lists the blocks that lie in parts as a whole.
func (s *session) discard(parts []block.Range) (freed int64) {
	bs := int64(s.h.cbBlock)
	in := blocks.NewWithin(parts)
	for i, e := range s.entries {
		n := min(bs, int64(s.h.cbDisk)-int64(i)*bs)
		if n > 0 && in.Has(int64(i)*bs, n) && e < blockZero {
			s.changes = append(s.changes, blocks.Change{I: int64(i), V: blockFree})
			freed += n
		}
	}
	return freed
}

// places is how many places for blocks a second block map takes.
func (s *session) places() int64 {
	bs := int64(s.h.cbBlock)
	return (4*int64(s.h.blocks) + bs - 1) / bs
}

// switchOver changes entries of the block map. The header counts the blocks, so that
// it and the map must change at once: the first places for blocks are cleared, a new
// map goes there, and the header leads to it and numbers the places behind it. Then
// the map is written to where the old one was, and the header leads back. Blocks that
// are new lie behind all others and those places.
func (s *session) switchOver(ctx context.Context) error {
	bs := int64(s.h.cbBlock)
	home := s.h
	places := s.places()
	if int64(s.h.offData)+places*bs > math.MaxUint32 {
		return block.Errorf(format, "header", 0x158, block.ErrLimit, "there is no room for a second block map in the first 4 GiB of the file")
	}
	// Clear the first places, to behind all that is there.
	next := max(s.top(), places)
	for _, c := range s.changes {
		if c.V < blockZero {
			next = max(next, int64(c.V)+1)
		}
	}
	var moves []blocks.Move
	for i, e := range s.entries {
		if e < blockZero && int64(e) < places {
			moves = append(moves, blocks.Move{I: int64(i), From: s.h.end(int64(e)), To: s.h.end(next)})
			next++
		}
	}
	if err := s.move(ctx, moves); err != nil {
		return err
	}
	for _, c := range s.changes {
		if s.entries[c.I] < blockZero {
			s.h.blocksAllocated--
		}
		if s.entries[c.I] = uint32(c.V); c.V < blockZero {
			s.h.blocksAllocated++
		}
	}
	s.changes = nil
	for _, h := range []header{
		{offBlocks: s.h.offData, offData: uint32(int64(s.h.offData) + places*bs)},
		{offBlocks: home.offBlocks, offData: home.offData},
	} {
		shift := uint32((int64(h.offData) - int64(home.offData)) / bs)
		if err := s.putMap(int64(h.offBlocks), shift); err != nil {
			return err
		}
		s.h.offBlocks, s.h.offData = h.offBlocks, h.offData
		if err := s.putHeader(); err != nil {
			return err
		}
	}
	return nil
}

// putMap writes the block map to off, with the places numbered from shift on.
func (s *session) putMap(off int64, shift uint32) error {
	const piece = 64 << 10
	b := make([]byte, 0, 4*piece)
	for i, e := range s.entries {
		if e < blockZero {
			e -= shift
		}
		if b = binary.LittleEndian.AppendUint32(b, e); len(b) < cap(b) && i < len(s.entries)-1 {
			continue
		}
		if _, err := s.f.WriteAt(b, off); err != nil {
			return err
		}
		off += int64(len(b))
		b = b[:0]
	}
	return s.f.Sync()
}

// putHeader writes what the session changes of the header; the rest of its sector
// stays as it is.
func (s *session) putHeader() error {
	b, err := block.ReadBytes(s.f, 0, headerSize, headerSize)
	if err != nil {
		return block.Locate(format, "header", 0, err)
	}
	now := s.h.encode()
	for _, at := range [][2]int{{0x4c, 4}, {0x154, 4}, {0x158, 4}, {0x184, 4}, {0x198, 48}} {
		copy(b[at[0]:at[0]+at[1]], now[at[0]:])
	}
	if _, err := s.f.WriteAt(b, 0); err != nil {
		return err
	}
	return s.f.Sync()
}

// move copies blocks, and then changes their entries.
func (s *session) move(ctx context.Context, moves []blocks.Move) error {
	if len(moves) == 0 {
		return nil
	}
	bs := int64(s.h.cbBlock)
	if err := blocks.Copy(ctx, s.f, moves, bs); err != nil {
		return err
	}
	last := int64(0)
	for _, m := range moves {
		last = max(last, m.To+bs)
	}
	if last > s.f.Size() { // the copy of one that was cut short
		if err := s.f.Truncate(last); err != nil {
			return err
		}
		if err := s.f.Sync(); err != nil {
			return err
		}
	}
	changes := blocks.Changes(moves, func(m blocks.Move) blocks.Change {
		s.entries[m.I] = uint32((m.To - int64(s.h.offData)) / bs)
		return blocks.Change{I: m.I, V: uint64(s.entries[m.I])}
	})
	err := blocks.Patch(s.f, int64(s.h.offBlocks), 4, sectorSize, changes, func(b []byte, v uint64) { binary.LittleEndian.PutUint32(b, uint32(v)) }, func(b []byte, off int64) error {
		_, err := s.f.WriteAt(b, off)
		return err
	})
	if err != nil {
		return err
	}
	return s.f.Sync()
}

// pack moves blocks down into the places that are free, and cuts the file behind them.
func (s *session) pack(ctx context.Context) error {
	bs := int64(s.h.cbBlock)
	p := blocks.Packing{Format: format, What: "block map", Size: bs, Align: bs, Rest: int64(s.h.offData) % bs, Fixed: []block.Range{{Len: int64(s.h.offData)}}}
	for i, e := range s.entries {
		if e < blockZero {
			if err := p.Add(int64(i), s.h.end(int64(e))); err != nil {
				return err
			}
		}
	}
	moves, _, err := p.Plan()
	if err != nil {
		return err
	}
	if err := s.move(ctx, moves); err != nil {
		return err
	}
	if end := s.h.end(s.top()); end < s.f.Size() {
		if err := s.f.Truncate(end); err != nil {
			return err
		}
	}
	return s.f.Sync()
}
