package qcow2

import (
	"math"

	"github.com/guestkit/guestkit/block"
)

const (
	countPage = 4096 // clusters in a page
	// maxCounted bounds the pages: 64 Mi clusters, 256 MiB of memory.
	maxCounted = 64 << 20 / countPage
)

// counts holds how often each cluster of a file is referred to. Clusters that
// are not take no memory in runs of a page.
type counts struct {
	pages map[int64]*[countPage]uint32
}

func newCounts() *counts { return &counts{pages: map[int64]*[countPage]uint32{}} }

// add counts n more references to cluster i; they end at the largest uint32.
func (c *counts) add(i int64, n uint32) error {
	p := c.pages[i/countPage]
	if p == nil {
		if len(c.pages) >= maxCounted {
			return block.Errorf(format, "image", -1, block.ErrLimit, "more than %d clusters to count", maxCounted*countPage)
		}
		p = new([countPage]uint32)
		c.pages[i/countPage] = p
	}
	v := &p[i%countPage]
	if n > math.MaxUint32-*v {
		n = math.MaxUint32 - *v
	}
	*v += n
	return nil
}

// drop takes one reference away.
func (c *counts) drop(i int64) {
	if p := c.pages[i/countPage]; p != nil && p[i%countPage] > 0 {
		p[i%countPage]--
	}
}

func (c *counts) of(i int64) uint64 {
	if p := c.pages[i/countPage]; p != nil {
		return uint64(p[i%countPage])
	}
	return 0
}

// used is how many clusters are referred to.
func (c *counts) used() int64 {
	used := int64(0)
	for _, p := range c.pages {
		for _, n := range p {
			if n > 0 {
				used++
			}
		}
	}
	return used
}
