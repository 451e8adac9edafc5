package convert

import (
	"bytes"
	"context"

	"github.com/guestkit/guestkit/block"
)

// A Difference says where two disks are not the same.
type Difference struct {
	// Off is the first byte that differs; the size of the smaller disk if all
	// of it is the same and the rest of the larger one is not zero.
	Off int64
	// SizeA and SizeB are the sizes of the disks in bytes.
	SizeA, SizeB int64
}

// Compare reads two disks and returns where they differ first, nil if they hold
// the same bytes. A disk is as good as a longer one whose rest is zeros, unless
// strict. Disks whose package has a checksum that is wrong are an error: see Run.
func Compare(ctx context.Context, a, b block.Device, strict bool, progress func(Progress)) (*Difference, error) {
	d, err := compare(ctx, a, b, strict, progress)
	for _, x := range []block.Device{a, b} {
		if err == nil {
			err = sound(ctx, x)
		}
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

func compare(ctx context.Context, a, b block.Device, strict bool, progress func(Progress)) (*Difference, error) {
	d := &Difference{SizeA: a.Size(), SizeB: b.Size()}
	short, long := min(d.SizeA, d.SizeB), max(d.SizeA, d.SizeB)
	if strict && short != long {
		d.Off = short
		return d, nil
	}
	p, q := make([]byte, plainPiece), make([]byte, plainPiece)
	for off := int64(0); off < long; {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		za, err := zeroRun(a, off)
		if err != nil {
			return nil, err
		}
		zb, err := zeroRun(b, off)
		if err != nil {
			return nil, err
		}
		if n := min(za, zb, long-off); n > 0 {
			off += n
		} else {
			n = min(long-off, plainPiece)
			if err := readPadded(a, p[:n], off); err != nil {
				return nil, err
			}
			if err := readPadded(b, q[:n], off); err != nil {
				return nil, err
			}
			if !bytes.Equal(p[:n], q[:n]) {
				i := int64(0)
				for p[i] == q[i] {
					i++
				}
				d.Off = off + i
				return d, nil
			}
			off += n
		}
		if progress != nil {
			progress(Progress{off, long})
		}
	}
	return nil, nil
}

// zeroRun returns how many bytes at off are known to be zeros; past the end all
// are.
func zeroRun(d block.Device, off int64) (int64, error) {
	const all = 1<<63 - 1
	if off >= d.Size() {
		return all, nil
	}
	e, err := d.Extent(off)
	if err != nil {
		return 0, readError(off, err)
	}
	if !e.Zero {
		return 0, nil
	}
	if e.Len >= d.Size()-off {
		return all, nil
	}
	return e.Len, nil
}

// readPadded fills p, with zeros past the end of d.
func readPadded(d block.Device, p []byte, off int64) error {
	n := max(min(int64(len(p)), d.Size()-off), 0)
	clear(p[n:])
	if err := block.ReadFull(d, p[:n], off); err != nil {
		return readError(off, err)
	}
	return nil
}
