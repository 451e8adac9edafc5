package convert

import (
	"context"
	"io"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format/raw"
	"github.com/guestkit/guestkit/qcow2"
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

func measure(ctx context.Context, src block.Device, out *Output, opts *Options, exact bool) (Measure, error) {
	full, err := dryRun(ctx, holes(src.Size()), out, &Options{}, true)
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
	n, err := dryRun(ctx, from, out, &o, false)
	return Measure{Required: n, FullyAllocated: full}, err
}

// dryRun writes the image to nowhere and returns its size. With all, every
// cluster of it is allocated.
func dryRun(ctx context.Context, src block.Device, out *Output, o *Options, all bool) (int64, error) {
	f := &sizeOnly{}
	var t Target
	var err error
	if out.Format == "raw" {
		t, err = raw.NewWriter(f, &raw.Layout{Size: src.Size()})
	} else {
		l := out.Qcow2
		l.Size = src.Size()
		if all {
			l.Preallocation, l.Backing, l.BackingFormat = qcow2.PreallocMetadata, "", ""
		} else if l.Preallocation == qcow2.PreallocFull || l.Preallocation == qcow2.PreallocFalloc {
			l.Preallocation = qcow2.PreallocMetadata // as large, and no bytes to write
		}
		var data qcow2.File
		if l.DataFile != "" {
			data = &sizeOnly{}
		}
		t, err = qcow2.NewWriter(f, data, &l)
	}
	if err != nil {
		return 0, err
	}
	defer t.Close()
	_, err = Run(ctx, src, t, o)
	return f.size, err
}

// sizeOnly is a file that keeps its size and nothing else.
type sizeOnly struct{ size int64 }

func (s *sizeOnly) WriteAt(p []byte, off int64) (int, error) { return len(p), nil }
func (s *sizeOnly) Truncate(n int64) error                   { s.size = n; return nil }
func (s *sizeOnly) Sync() error                              { return nil }

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
