package convert

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/ova"
)

// A Measure says how large an image file will be, in bytes.
type Measure struct {
	Required       int64 // for the disk as it is
	FullyAllocated int64 // if the guest fills it
}

// MeasureSize says how large the image of a disk of size bytes will be, of
// which nothing is known.
func MeasureSize(out *Output, size int64) (Measure, error) {
	return measure(context.Background(), holes(size), out, &Options{}, false)
}

// MeasureDisk says how large the image of src will be. Extents tell it without
// reading data: so the size is an upper bound where zeros in the data will be
// left out, or clusters compressed. With exact it reads and compresses
// everything, and the size is that of what ToFile writes.
func MeasureDisk(ctx context.Context, src block.Device, out *Output, opts *Options, exact bool) (Measure, error) {
	if opts == nil {
		opts = &Options{}
	}
	return measure(ctx, src, out, opts, exact)
}

// MeasureOVA is MeasureDisk for a package of several disks, as ToOVA writes it.
func MeasureOVA(ctx context.Context, disks []block.Device, out *Output, opts *Options, exact bool) (Measure, error) {
	if opts == nil {
		opts = &Options{}
	}
	o := *opts
	o.NoClone = true
	var every, from []block.Device
	for _, d := range disks {
		every = append(every, full(d.Size()))
		if !exact {
			d = unread{d}
		}
		from = append(from, d)
	}
	if !exact {
		o.Compress, o.Sparse = false, -1
	}
	all, err := dryOVA(ctx, every, out, &Options{Sparse: -1}, false)
	if err != nil {
		return Measure{}, err
	}
	n, err := dryOVA(ctx, from, out, &o, exact)
	return Measure{Required: n, FullyAllocated: all}, err
}

// dryOVA is dryRun for a package of several disks.
func dryOVA(ctx context.Context, disks []block.Device, out *Output, o *Options, exact bool) (int64, error) {
	l := out.OVA
	l.Sizes = nil
	for _, d := range disks {
		l.Sizes = append(l.Sizes, d.Size())
	}
	file := &sizeOnly{}
	w, err := ova.NewWriter(file, &l)
	if err != nil {
		return 0, err
	}
	for i, d := range disks {
		t, err := nextDisk(out, w, d.Size(), i == len(disks)-1)
		if err != nil {
			return 0, err
		}
		if !exact {
			t = boundVMDK(t)
		}
		_, err = Run(ctx, d, t, o)
		if err = errors.Join(err, t.Close()); err != nil {
			return 0, err
		}
	}
	return file.size.Load(), nil
}

func measure(ctx context.Context, src block.Device, out *Output, opts *Options, exact bool) (Measure, error) {
	all, err := dryRun(ctx, holes(src.Size()), out, &Options{Sparse: -1}, true, false)
	if err != nil {
		return Measure{}, err
	}
	o := *opts
	o.NoClone = true
	from := src
	if !exact {
		// Bytes are not read; no piece is taken for zeros.
		from, o.Compress, o.Sparse = unread{src}, false, -1
	}
	n, err := dryRun(ctx, from, out, &o, false, exact)
	return Measure{Required: n, FullyAllocated: all}, err
}

// dryRun writes the image to nowhere and returns the size of all its files.
// With all, every byte of the disk has its place. Without exact, nothing is read
// or compressed.
func dryRun(ctx context.Context, src block.Device, out *Output, o *Options, all, exact bool) (int64, error) {
	w, err := writerOf(out.Format)
	if err != nil {
		return 0, err
	}
	dry := *out
	if w.dry != nil {
		w.dry(&dry, all)
	} else if all {
		src = full(src.Size())
	}
	files := []*sizeOnly{{}}
	t, err := w.start(&dry, src.Size(), files[0], func(string) (sink, error) {
		f := &sizeOnly{}
		files = append(files, f)
		return f, nil
	})
	if err != nil {
		return 0, err
	}
	defer t.Close()
	if w.bound != nil && !exact {
		t = w.bound(t)
	}
	_, err = Run(ctx, src, t, o)
	n := int64(0)
	for _, f := range files {
		n += f.size.Load()
	}
	return n, err
}

// sizeOnly is a file that keeps its size and nothing else.
type sizeOnly struct{ size atomic.Int64 }

func (s *sizeOnly) WriteAt(p []byte, off int64) (int, error) {
	for end := off + int64(len(p)); ; {
		if old := s.size.Load(); old >= end || s.size.CompareAndSwap(old, end) {
			return len(p), nil
		}
	}
}

func (s *sizeOnly) Truncate(n int64) error { s.size.Store(n); return nil }
func (s *sizeOnly) Sync() error            { return nil }

// full is a disk of that many bytes of data, which nobody reads.
type full int64

func (f full) Size() int64 { return int64(f) }

func (f full) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, int64(f))
	return len(q), eof
}

func (f full) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= int64(f) {
		return block.Extent{}, io.EOF
	}
	return block.Extent{Off: off, Len: int64(f) - off}, nil
}

// holes is a disk of that many zeros.
type holes int64

func (h holes) Size() int64 { return int64(h) }

func (h holes) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, int64(h))
	clear(q)
	return len(q), eof
}

func (h holes) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= int64(h) {
		return block.Extent{}, io.EOF
	}
	return block.Extent{Off: off, Len: int64(h) - off, Zero: true, Unset: true}, nil
}

// unread is a disk whose extents are true and whose bytes are not read.
type unread struct{ block.Device }

func (u unread) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, u.Size())
	return len(q), eof
}
