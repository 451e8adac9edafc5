package vmdk

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
)

// batch is how many grains get their place at once: each is noted in memory.
const batch = 256 << 10

// storeSome stores a batch of grains, and returns what is left to store.
func (s *editor) storeSome(ctx context.Context, parts []block.Range, from block.Device) ([]block.Range, error) {
	grain, zero := s.d.grain, make([]byte, s.d.grain)
	b := make([]byte, grain)
	end := s.size
	if last := s.total - 1; last >= 0 { // it may end with the disk, where the file is cut
		p, err := s.d.find(last, s.g.need(last))
		if err != nil {
			return nil, err
		}
		if p.kind == placeStored {
			end = max(end, p.off+grain)
		}
	}
	next := (end + grain - 1) / grain * grain
	for len(parts) > 0 && len(s.moves) < batch {
		i := parts[0].Off / grain
		n := s.g.need(i)
		if used := (i+1)*grain - parts[0].Off; used < parts[0].Len {
			parts[0] = block.Range{Off: parts[0].Off + used, Len: parts[0].Len - used}
		} else {
			parts = parts[1:]
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		p, err := s.d.find(i, n)
		if err != nil {
			return nil, err
		}
		clear(b[n:])
		if err := block.ReadFull(from, b[:n], i*grain); err != nil {
			return nil, err
		}
		isZero := bytes.Equal(b, zero)
		switch {
		case p.kind == placeStored:
			if _, err := s.f.WriteAt(b[:n], p.off); err != nil {
				return nil, err
			}
			continue
		case isZero && (p.kind == placeZero || !s.delta):
			continue
		case isZero && s.d.zeroGrain:
			s.moves = append(s.moves, blocks.Move{I: i, To: sectorSize}) // an entry of 1
			continue
		}
		if next/sectorSize > 1<<32-1 {
			return nil, block.Errorf(format, "grain", next, block.ErrLimit, "a sparse file holds no more than 2 TiB")
		}
		if _, err := s.f.WriteAt(b, next); err != nil {
			return nil, err
		}
		s.moves = append(s.moves, blocks.Move{I: i, To: next})
		next += grain
	}
	if err := s.f.Sync(); err != nil {
		return nil, err
	}
	if len(s.moves) == 0 {
		return parts, nil
	}
	s.size = max(s.size, next)
	if err := s.makeTables(); err != nil {
		return nil, err
	}
	if err := s.shadow(ctx); err != nil {
		return nil, err
	}
	if err := s.home(ctx, s.d, false); err != nil {
		return nil, err
	}
	if err := s.f.Truncate(s.size); err != nil {
		return nil, err
	}
	return parts, s.f.Sync()
}

// makeTables gives room to grain tables that are not there yet and are to be used.
func (s *editor) makeTables() error {
	s.spare = s.size
	last := int64(-1)
	for _, m := range s.moves {
		n := m.I / s.d.perTable
		if n == last {
			continue
		}
		last = n
		for _, dir := range []int64{s.d.off, s.d.redundant} {
			if dir == 0 {
				continue
			}
			off, err := s.d.entry(dir, n)
			if err != nil {
				return err
			}
			if off == 0 {
				s.size += (4*s.d.perTable + sectorSize - 1) / sectorSize * sectorSize
			}
		}
	}
	return nil
}

// newTable takes room for a grain table, and enters it into a directory.
func (s *editor) newTable(dir, n int64) (int64, error) {
	off := s.spare
	s.spare += (4*s.d.perTable + sectorSize - 1) / sectorSize * sectorSize
	var e [4]byte
	binary.LittleEndian.PutUint32(e[:], uint32(off/sectorSize))
	_, err := s.f.WriteAt(e[:], dir+4*n)
	return off, err
}
