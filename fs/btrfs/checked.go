package btrfs

import (
	"sync/atomic"

	"github.com/guestkit/guestkit/internal/lru"
)

// checked remembers which sectors of data have been compared with their checksums
// and were good in the copy that is read first. The bytes of a device do not
// change while it is open, so once is enough, as it is for the kernel, which keeps
// such sectors in its page cache.
type checked struct {
	pages  *lru.Cache[uint64, *checkedPage]
	sector uint64
}

const (
	checkedWords = 512
	checkedBits  = checkedWords * 64 // sectors of a page: 128 MiB
	checkedBytes = 1 << 20           // memory for all pages
)

type checkedPage [checkedWords]atomic.Uint64

func newChecked(sector uint32) checked {
	return checked{lru.New[uint64, *checkedPage](checkedBytes), uint64(sector)}
}

// words visits the words in which the sectors of a range have their bits, until
// visit says no.
func (c *checked) words(logical, n uint64, visit func(w *atomic.Uint64, mask uint64) bool) bool {
	first, end := logical/c.sector, (logical+n)/c.sector
	for first < end {
		page, _ := c.pages.Get(first/checkedBits, func() (*checkedPage, int64, error) { return new(checkedPage), checkedWords * 8, nil })
		stop := min(end, (first/checkedBits+1)*checkedBits)
		for first < stop {
			bit := first % 64
			k := min(64-bit, stop-first)
			if !visit(&page[first%checkedBits/64], (1<<k-1)<<bit) {
				return false
			}
			first += k
		}
	}
	return true
}

// has reports whether all sectors of a range have been compared.
func (c *checked) has(logical, n uint64) bool {
	return c.words(logical, n, func(w *atomic.Uint64, mask uint64) bool { return w.Load()&mask == mask })
}

// add says that they have.
func (c *checked) add(logical, n uint64) {
	c.words(logical, n, func(w *atomic.Uint64, mask uint64) bool { w.Or(mask); return true })
}
