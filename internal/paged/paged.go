// Package paged reads tables of an image (block allocation tables, file
// allocation tables) through a bounded cache of pages, so that the memory that
// a table takes does not grow with what the image says of its size.
package paged

import "github.com/guestkit/guestkit/block"

// A Cache keeps pages of a Reader. It is safe for concurrent use.
type Cache struct{ *block.Cache }

// New makes a cache of r with pages of pageSize bytes and at most budget bytes
// of them, but at least one page.
func New(r block.Reader, pageSize int, budget int64) *Cache {
	return &Cache{block.Cached(r, &block.CacheOptions{PageBytes: pageSize, Bytes: max(budget, int64(pageSize))})}
}

// A BitOrder says which bit of a byte comes first in a bitmap.
type BitOrder bool

// The two orders.
const (
	LeastFirst BitOrder = false
	MostFirst  BitOrder = true
)

// bitmapPart is how many bytes of a bitmap one BitRun looks at.
const bitmapPart = 512

// BitRun looks at the bitmap that begins at base: it returns the bit of the
// given number, and how many bits from it on, below end, are equal. It looks at
// one part of the bitmap and no further, so a run may go on where it ends. The
// bitmap is taken to be a multiple of 512 bytes long.
func (c *Cache) BitRun(base, bit, end int64, order BitOrder) (set bool, n int64, err error) {
	first := bit / 8 / bitmapPart * bitmapPart
	b, err := c.View(base+first, bitmapPart)
	if err != nil {
		return false, 0, err
	}
	test := func(bit int64) bool {
		shift := bit % 8
		if order == MostFirst {
			shift = 7 - shift
		}
		return b[bit/8-first]>>shift&1 != 0
	}
	set = test(bit)
	same := byte(0)
	if set {
		same = 0xff
	}
	end = min(end, (first+bitmapPart)*8)
	for n = 1; bit+n < end; {
		at := bit + n
		switch {
		case at%8 == 0 && at+8 <= end && b[at/8-first] == same:
			n += 8
		case test(at) == set:
			n++
		default:
			return set, n, nil
		}
	}
	return set, n, nil
}
