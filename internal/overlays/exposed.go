package overlays

import (
	"bytes"
	"context"
	"io"
	"math"

	"github.com/guestkit/guestkit/block"
)

// Exposed finds the pieces of unit bytes that read otherwise when what lies behind
// an image is another disk: all of them, in rising order, or only the first one. im
// is the image upon a disk without bytes, so that of it only that counts which it
// holds itself.
// A nil disk has no bytes; past its end a disk reads as zeros.
func Exposed(ctx context.Context, im, old, now block.Device, unit int64, first bool) ([]block.Range, error) {
	old, now = OrNone(old), OrNone(now)
	const piece = 1 << 20
	a, b := make([]byte, piece), make([]byte, piece)
	var out []block.Range
	for e, err := range block.Extents(im, 0, im.Size()) {
		if err != nil {
			return nil, err
		}
		if Own(e) {
			continue
		}
		for off, end := e.Off, e.Off+e.Len; off < end; {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			za, err := ZeroRun(old, off)
			if err != nil {
				return nil, err
			}
			zb, err := ZeroRun(now, off)
			if err != nil {
				return nil, err
			}
			if z := min(za, zb); z > 0 {
				off += min(z, end-off)
				continue
			}
			n := min(piece-off%piece, end-off)
			if err := block.ReadParent(old, a[:n], off); err != nil {
				return nil, err
			}
			if err := block.ReadParent(now, b[:n], off); err != nil {
				return nil, err
			}
			for at := int64(0); at < n; {
				next := min((off+at)/unit*unit+unit-off, n)
				if !bytes.Equal(a[at:next], b[at:next]) {
					if out = add(out, (off+at)/unit*unit, unit); first {
						return out, nil
					}
				}
				at = next
			}
			off += n
		}
	}
	return out, nil
}

// Behind finds what an image that lies upon another disk does not hold itself, but for
// what is known to be zeros there, in pieces of unit bytes: what Exposed finds where
// nothing is to lie behind the image, without reading it. im is as there.
func Behind(ctx context.Context, im, old block.Device, unit int64) ([]block.Range, error) {
	var out []block.Range
	for e, err := range block.Extents(im, 0, im.Size()) {
		if err != nil {
			return nil, err
		}
		if Own(e) {
			continue
		}
		for b, err := range block.Extents(old, e.Off, min(e.Len, max(old.Size()-e.Off, 0))) {
			if err != nil {
				return nil, err
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if !b.Zero {
				first := b.Off / unit * unit
				out = add(out, first, (b.Off+b.Len-first+unit-1)/unit*unit)
			}
		}
	}
	return out, nil
}

// Own reports whether the image itself holds what the extent tells of, zeros among
// it, and not what lies behind it.
func Own(e block.Extent) bool { return Above(e, 1) }

// Above reports whether an image of less than depth (block.Extent.Depth) holds what the
// extent tells of.
func Above(e block.Extent, depth int) bool { return e.Depth < depth && !e.Unset }

// Held lists the pieces of unit bytes of which a disk holds something itself: in the
// images of less than depth (block.Extent.Depth).
func Held(ctx context.Context, disk block.Device, depth int, unit int64) ([]block.Range, error) {
	var out []block.Range
	for e, err := range block.Extents(disk, 0, disk.Size()) {
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !Above(e, depth) {
			continue
		}
		first := e.Off / unit * unit
		out = add(out, first, (e.Off+e.Len-first+unit-1)/unit*unit)
	}
	return out, nil
}

// add appends a range that begins in the last one, or behind it.
func add(out []block.Range, off, n int64) []block.Range {
	if last := len(out) - 1; last >= 0 && out[last].Off+out[last].Len >= off {
		out[last].Len = max(out[last].Len, off+n-out[last].Off)
		return out
	}
	if len(out) >= maxRanges {
		out = coarse(out, maxRanges/2)
	}
	return append(out, block.Range{Off: off, Len: n})
}

// maxRanges bounds the memory for ranges, whose number the image decides: 16 bytes each.
const maxRanges = 1 << 20

// coarse joins ranges to no more than most of them, with what lies between: more than
// what was looked for reads the same when it is written, where less would not. Those
// that lie next to each other go first.
func coarse(all []block.Range, most int) []block.Range {
	for gap := int64(4 << 10); len(all) > most; gap *= 2 {
		n := 0
		for _, r := range all[1:] {
			if last := &all[n]; r.Off-(last.Off+last.Len) < gap {
				last.Len = r.Off + r.Len - last.Off
				continue
			}
			n++
			all[n] = r
		}
		all = all[:n+1]
	}
	return all
}

// Zeros reports whether a part of a disk is known to be zeros.
func Zeros(d block.Device, p block.Range) (bool, error) {
	for e, err := range block.Extents(d, p.Off, p.Len) {
		if err != nil || !e.Zero {
			return false, err
		}
	}
	return true, nil
}

// ZeroRun returns how many bytes at off are known to be zeros; past the end all are.
func ZeroRun(d block.Device, off int64) (int64, error) {
	if off >= d.Size() {
		return math.MaxInt64, nil
	}
	e, err := d.Extent(off)
	if err != nil || !e.Zero {
		return 0, err
	}
	return e.Len, nil
}

// OrNone is d, or a disk without bytes for nil.
func OrNone(d block.Device) block.Device {
	if d == nil {
		return none{}
	}
	return d
}

type none struct{}

func (none) Size() int64                        { return 0 }
func (none) ReadAt([]byte, int64) (int, error)  { return 0, io.EOF }
func (none) Extent(int64) (block.Extent, error) { return block.Extent{}, io.EOF }

// Opener gives a disk, or one without bytes for nil, to whatever image asks; who is
// given it cannot close it.
func Opener(d block.Device) block.Opener {
	return func(block.Ref) (block.Device, error) { return keepOpen{OrNone(d)}, nil }
}

type keepOpen struct{ block.Device }

// Copy writes parts of a disk to the same places of a file, and waits for them.
func Copy(ctx context.Context, f block.Storage, parts []block.Range, from block.Device) error {
	buf := make([]byte, 1<<20)
	for _, p := range parts {
		for off, end := p.Off, min(p.Off+p.Len, from.Size()); off < end; off += int64(len(buf)) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			b := buf[:min(int64(len(buf)), end-off)]
			if err := block.ReadFull(from, b, off); err != nil {
				return err
			}
			if _, err := f.WriteAt(b, off); err != nil {
				return err
			}
		}
	}
	return f.Sync()
}
