package diff

import (
	"bytes"
	"context"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
)

// Count counts what comparing took. It may be read meanwhile.
type Count struct {
	Read   atomic.Int64 // bytes of each side that were read
	Shared atomic.Int64 // bytes that lie at the same place of the same file, and were not
}

// piece is how much is compared at a time.
const piece = 256 << 10

// A comparer compares contents, with buffers that it keeps.
type comparer struct {
	count *Count
	a, b  []byte
	hosts map[[2]*format.HostFile]bool
}

// Same reports whether two devices hold the same bytes. What both hold at one place
// of one file, and holes, are not read. count may be nil.
func Same(ctx context.Context, a, b block.Device, count *Count) (bool, error) {
	c := comparer{count: count}
	return c.same(ctx, a, b)
}

func (c *comparer) same(ctx context.Context, a, b block.Device) (bool, error) {
	if a.Size() != b.Size() {
		return false, nil
	}
	if c.count == nil {
		c.count = new(Count)
	}
	var xa, xb block.Extent
	for off := int64(0); off < a.Size(); {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		var err error
		if off >= xa.Off+xa.Len {
			if xa, err = a.Extent(off); err != nil {
				return false, err
			}
		}
		if off >= xb.Off+xb.Len {
			if xb, err = b.Extent(off); err != nil {
				return false, err
			}
		}
		n := min(xa.Off+xa.Len, xb.Off+xb.Len, a.Size()) - off
		switch {
		case xa.Zero && xb.Zero:
		case c.shared(xa, xb, off):
			c.count.Shared.Add(n)
		default:
			n = min(n, piece)
			same, err := c.read(a, b, off, n)
			if err != nil || !same {
				return false, err
			}
		}
		off += n
	}
	return true, nil
}

func (c *comparer) read(a, b block.Device, off, n int64) (bool, error) {
	if c.a == nil {
		c.a, c.b = make([]byte, piece), make([]byte, piece)
	}
	if err := block.ReadFull(a, c.a[:n], off); err != nil {
		return false, err
	}
	if err := block.ReadFull(b, c.b[:n], off); err != nil {
		return false, err
	}
	c.count.Read.Add(n)
	return bytes.Equal(c.a[:n], c.b[:n]), nil
}

// shared reports whether what two extents hold from off on lies at one place of one
// file of this machine.
func (c *comparer) shared(xa, xb block.Extent, off int64) bool {
	if xa.Host == nil || xb.Host == nil || xa.HostOff+off-xa.Off != xb.HostOff+off-xb.Off {
		return false
	}
	a, ok := xa.Host.(format.Source)
	if !ok {
		return false
	}
	b, ok := xb.Host.(format.Source)
	if !ok {
		return false
	}
	fa, ok1 := a.(*format.HostFile)
	fb, ok2 := b.(*format.HostFile)
	if !ok1 || !ok2 {
		return a.Same(b)
	}
	key := [2]*format.HostFile{fa, fb}
	same, ok := c.hosts[key]
	if !ok {
		same = fa.Same(fb)
		if c.hosts == nil {
			c.hosts = map[[2]*format.HostFile]bool{}
		}
		c.hosts[key] = same
	}
	return same
}
