package vacant

import (
	"cmp"
	"context"
	"io"
	"slices"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// A Run is n bytes of a disk.
type Run struct{ Off, Len int64 }

func (r Run) end() int64 { return r.Off + r.Len }

const (
	leastRun = 4 << 10 // shorter ones are not worth their entry
	maxRuns  = 1 << 20 // of a volume: 16 MiB
)

// A collector keeps the runs of a volume. Where they are too many it forgets the
// short ones, which costs room in the copy and never bytes of the guest.
type collector struct {
	runs  []Run
	least int64
	max   int
}

func newCollector() *collector { return &collector{least: leastRun, max: maxRuns} }

func (c *collector) add(off, n int64) error {
	if n <= 0 {
		return nil
	}
	if l := len(c.runs); l > 0 && c.runs[l-1].end() == off {
		c.runs[l-1].Len += n
		return nil
	}
	if l := len(c.runs); l > 0 && c.runs[l-1].Len < c.least {
		c.runs = c.runs[:l-1] // nothing more comes to it
	}
	if len(c.runs) >= c.max {
		for len(c.runs) > c.max/2 {
			c.least *= 2
			c.runs = slices.DeleteFunc(c.runs, func(r Run) bool { return r.Len < c.least })
		}
	}
	c.runs = append(c.runs, Run{off, n})
	return nil
}

// sorted returns the runs in rising order, those that touch joined.
func (c *collector) sorted() []Run { return join(c.runs, leastRun) }

// join sorts runs and joins those that touch or overlap; shorter ones than least
// are left out.
func join(runs []Run, least int64) []Run {
	slices.SortFunc(runs, func(a, b Run) int { return cmp.Compare(a.Off, b.Off) })
	out := runs[:0]
	for _, r := range runs {
		if l := len(out); l > 0 && out[l-1].end() >= r.Off {
			out[l-1].Len = max(out[l-1].end(), r.end()) - out[l-1].Off
			continue
		}
		out = append(out, r)
	}
	return slices.DeleteFunc(out, func(r Run) bool { return r.Len < least })
}

func length(runs []Run) int64 {
	n := int64(0)
	for _, r := range runs {
		n += r.Len
	}
	return n
}

// find returns the first run that ends behind off.
func find(runs []Run, off int64) int {
	return sort.Search(len(runs), func(i int) bool { return runs[i].end() > off })
}

// A blanked disk reads as zeros in its vacant runs.
type blanked struct {
	block.Device
	runs []Run
}

func (b *blanked) SectorSize() int { return block.SectorSize(b.Device) }

func (b *blanked) ReadAt(p []byte, off int64) (int, error) {
	q, end := block.Clip(p, off, b.Size())
	i := find(b.runs, off)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		for i < len(b.runs) && b.runs[i].end() <= pos {
			i++
		}
		n := int64(len(q) - done)
		if i < len(b.runs) && b.runs[i].Off <= pos {
			n = min(n, b.runs[i].end()-pos)
			clear(q[done : done+int(n)])
		} else {
			if i < len(b.runs) {
				n = min(n, b.runs[i].Off-pos)
			}
			if err := block.ReadFull(b.Device, q[done:done+int(n)], pos); err != nil {
				return done, err
			}
		}
		done += int(n)
	}
	return len(q), end
}

func (b *blanked) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= b.Size() {
		return block.Extent{}, io.EOF
	}
	i := find(b.runs, off)
	if i < len(b.runs) && b.runs[i].Off <= off {
		return block.Extent{Off: off, Len: b.runs[i].end() - off, Zero: true}, nil
	}
	e, err := b.Device.Extent(off)
	if err == nil && i < len(b.runs) {
		e.Len = min(e.Len, b.runs[i].Off-off)
	}
	return e, err
}

// Changed tells whether the file of the disk has changed, where that is known.
func (b *blanked) Changed() error {
	if c, ok := b.Device.(interface{ Changed() error }); ok {
		return c.Changed()
	}
	return nil
}

// Overlap tells whether blocks of the image lie over each other in its file.
func (b *blanked) Overlap(ctx context.Context) error {
	if o, ok := b.Device.(interface{ Overlap(context.Context) error }); ok {
		return o.Overlap(ctx)
	}
	return nil
}

// Sound tells whether the checksums of what the image is packed in are right.
func (b *blanked) Sound(ctx context.Context) error {
	if s, ok := b.Device.(interface{ Sound(context.Context) error }); ok {
		return s.Sound(ctx)
	}
	return nil
}
