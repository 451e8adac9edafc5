package vdi

import (
	"bytes"
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
)

// store lets the blocks in which the given parts of the disk lie hold what from reads
// there. New ones go behind all others, and then the block map is switched; there is
// one entry of it in memory for each. If it is interrupted, those are as before or all
// of them are there; blocks that are in the image already have any bytes of both.
func (s *session) store(ctx context.Context, parts []block.Range, from block.Device) error {
	bs := int64(s.h.cbBlock)
	next, last := max(s.top(), s.places()), int64(-1)
	buf := make([]byte, min(bs, 1<<20))
	for _, p := range parts {
		for i := max(p.Off/bs, last+1); i*bs < min(p.Off+p.Len, from.Size()); i++ {
			last = i
			e := s.entries[i]
			part := block.Range{Off: i * bs, Len: min(bs, from.Size()-i*bs)}
			if e < blockZero {
				if err := s.fill(ctx, part, from, s.h.end(int64(e)), buf); err != nil {
					return err
				}
				continue
			}
			zero, err := isZero(ctx, part, from, buf)
			switch {
			case err != nil:
				return err
			case zero && e == blockFree && s.h.differencing():
				s.changes = append(s.changes, blocks.Change{I: i, V: blockZero})
			case zero:
			case next >= MaxBlocks:
				return block.Errorf(format, "block map", int64(s.h.offBlocks)+4*i, block.ErrLimit, "the file has no place for more than %d blocks", int64(MaxBlocks))
			default:
				if err := s.fill(ctx, part, from, s.h.end(next), buf); err != nil {
					return err
				}
				s.changes = append(s.changes, blocks.Change{I: i, V: uint64(next)})
				next++
			}
		}
	}
	if len(s.changes) == 0 {
		return s.f.Sync()
	}
	if end := s.h.end(next); end > s.f.Size() { // the last one may end with the disk
		if err := s.f.Truncate(end); err != nil {
			return err
		}
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	if err := s.switchOver(ctx); err != nil {
		return err
	}
	return s.pack(ctx)
}

// fill writes a part of the disk to one place of the file.
func (s *session) fill(ctx context.Context, p block.Range, from block.Reader, to int64, buf []byte) error {
	return pieces(ctx, p, from, buf, func(b []byte, at int64) (bool, error) {
		_, err := s.f.WriteAt(b, to+at)
		return err == nil, err
	})
}

// isZero reports whether a part of a disk is nothing but zeros.
func isZero(ctx context.Context, p block.Range, d block.Device, buf []byte) (bool, error) {
	zero := true
	err := pieces(ctx, p, d, buf, func(b []byte, _ int64) (bool, error) {
		zero = len(bytes.TrimLeft(b, "\x00")) == 0
		return zero, nil
	})
	return zero, err
}

// pieces reads a part of a disk piece by piece, for as long as do says to go on; at
// counts from the beginning of the part.
func pieces(ctx context.Context, p block.Range, d block.Reader, buf []byte, do func(b []byte, at int64) (bool, error)) error {
	for at := int64(0); at < p.Len; at += int64(len(buf)) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b := buf[:min(int64(len(buf)), p.Len-at)]
		if err := block.ReadFull(d, b, p.Off+at); err != nil {
			return err
		}
		if more, err := do(b, at); err != nil || !more {
			return err
		}
	}
	return nil
}
