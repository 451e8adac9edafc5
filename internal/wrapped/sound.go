package wrapped

import (
	"context"
	"io"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// passed notes what a reader has decoded to its end. Bytes come out before the checksum
// behind them was read, so that a unit counts once the reader is in the next one, or
// has ended.
func (f *File) passed(z *Reader) {
	if f.sound == nil {
		f.sound = make([]bool, max(len(f.points), 1))
	}
	i := sort.Search(len(f.points), func(i int) bool { return f.points[i].out >= z.first })
	for ; i+1 < len(f.points) && f.points[i+1].out < z.out; i++ {
		f.sound[i] = true
	}
	if z.err == io.EOF {
		for ; i < len(f.sound); i++ {
			f.sound[i] = true
		}
	}
}

// Sound decodes what no reader has decoded to its end so far, and returns an error if
// a checksum is wrong, or the file not as long as it says: what was read from the middle of a
// unit has met no checksum.
func (f *File) Sound(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sound == nil {
		f.sound = make([]bool, max(len(f.points), 1))
	}
	buf := make([]byte, pageSize)
	for i := range f.points {
		if f.sound[i] {
			continue
		}
		z, err := newReader(f.format, io.NewSectionReader(f.r, f.points[i].in, f.r.Size()-f.points[i].in), f.points[i], f.l)
		if err != nil {
			return err
		}
		z.file = f.r.Size()
		for !f.sound[i] || i+1 < len(f.sound) && !f.sound[i+1] {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			_, err := z.Read(buf)
			if err == io.EOF && z.out != f.size {
				err = block.Errorf(f.format, "file", z.in.off(), block.ErrCorrupt, "it holds %d bytes, and says %d", z.out, f.size)
			}
			if err != nil && err != io.EOF {
				return err
			}
			f.passed(z)
		}
	}
	return nil
}
