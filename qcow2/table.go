package qcow2

import (
	"encoding/binary"
	"math"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/lru"
)

const (
	maxOffset  = math.MaxInt64
	offsetMask = 0x00fffffffffffe00 // bits 9 to 55: a host offset

	pageSize     = 16 << 10 // of a table in the cache; half an MiB to 128 MiB of disk
	pageOverhead = 256      // what a page costs besides its bytes

	flagCopied = 1 << 63 // the refcount is exactly 1
)

// tableEntry returns the 8 bytes at pos, which the caller has checked.
func tableEntry(b []byte, pos int64) uint64 { return binary.BigEndian.Uint64(b[pos:]) }

// A tableCache holds pages of L1 and L2 tables. A page never crosses the border
// of a cluster, since both sizes are powers of two and tables are aligned.
type tableCache struct {
	r     block.Reader
	size  int64 // of a page
	pages *lru.Cache[int64, []byte]
}

func newTableCache(r block.Reader, clusterSize, budget int64) *tableCache {
	return &tableCache{r: r, size: min(pageSize, clusterSize), pages: lru.New[int64, []byte](budget)}
}

// page returns the page that holds the byte at off, and the index of that byte
// in it. The last page of a file may be short.
func (c *tableCache) page(off int64) ([]byte, int64, error) {
	start := off &^ (c.size - 1)
	p, err := c.pages.Get(start, func() ([]byte, int64, error) {
		n := min(c.size, c.r.Size()-start)
		b, err := block.ReadBytes(c.r, start, n, c.size)
		return b, n + pageOverhead, err
	})
	return p, off - start, err
}

// entries returns the part of the page at off that starts there, which holds
// at least one entry of n bytes.
func (c *tableCache) entries(what string, off, n int64) ([]byte, error) {
	p, at, err := c.page(off)
	if err != nil {
		return nil, block.Locate(format, what, off, err)
	}
	if int64(len(p))-at < n {
		return nil, block.Errorf(format, what, off, block.ErrTruncated, "")
	}
	return p[at:], nil
}
