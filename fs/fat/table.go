package fat

import (
	"encoding/binary"
	"sort"

	"github.com/guestkit/guestkit/block"
)

const (
	pageLen = 4 << 10 // of metadata in the cache

	// maxRuns bounds the memory of one open file; a file with more fragments
	// is read with some steps through the FAT.
	maxRuns = 32 << 10
)

// meta returns n bytes of metadata at off, through the cache of pages.
func (v *volume) meta(what string, off int64, n int) ([]byte, error) {
	out := make([]byte, 0, n)
	for len(out) < n {
		pos := off + int64(len(out))
		page, err := v.pages.Get(pos/pageLen, func() ([]byte, int64, error) {
			start := pos / pageLen * pageLen
			b, err := block.ReadBytes(v.r, start, max(min(pageLen, v.r.Size()-start), 0), pageLen)
			return b, int64(len(b)), err
		})
		if err != nil {
			return nil, block.Locate(format, what, off, err)
		}
		in := pos % pageLen
		if in >= int64(len(page)) {
			return nil, block.Errorf(format, what, off, block.ErrTruncated, "")
		}
		out = append(out, page[in:min(int64(len(page)), in+int64(n-len(out)))]...)
	}
	return out, nil
}

// entry returns what the FAT says of cluster c.
func (v *volume) entry(c uint32) (uint32, error) {
	const what = "FAT"
	switch v.bits {
	case 12:
		b, err := v.meta(what, v.fatOff+int64(c)*3/2, 2)
		if err != nil {
			return 0, err
		}
		return uint32(binary.LittleEndian.Uint16(b)>>(c&1*4)) & 0xFFF, nil
	case 16:
		b, err := v.meta(what, v.fatOff+int64(c)*2, 2)
		if err != nil {
			return 0, err
		}
		return uint32(binary.LittleEndian.Uint16(b)), nil
	}
	b, err := v.meta(what, v.fatOff+int64(c)*4, 4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b) & 0x0FFFFFFF, nil
}

// next returns the cluster after c in its chain, or end.
func (v *volume) next(c uint32) (n uint32, end bool, err error) {
	n, err = v.entry(c)
	if err != nil {
		return 0, false, err
	}
	top := uint32(1)<<min(v.bits, 28) - 1
	switch {
	case n >= top-7:
		return 0, true, nil
	case v.valid(n):
		return n, false, nil
	}
	return 0, false, block.Errorf(format, "FAT", v.fatOff+int64(c)*int64(v.bits)/8, block.ErrCorrupt, "%s follows cluster %d", v.name(n), c)
}

// name says what a value of the FAT is that is no cluster.
func (v *volume) name(n uint32) string {
	top := uint32(1)<<min(v.bits, 28) - 1
	switch n {
	case 0:
		return "a free cluster"
	case top - 8:
		return "a bad cluster"
	}
	return "cluster " + utoa(n) + " of " + utoa(v.clusters)
}

// A chain is the clusters of one file: what is needed to find any of them,
// in bounded memory.
type chain struct {
	v    *volume
	runs []run
	gap  int64 // runs that start less than this after the last one are left out
	n    int64 // clusters
}

// A run is clusters that lie one behind the other.
type run struct {
	index   int64 // in the file, in clusters
	cluster uint32
	n       uint32
}

// walk follows the chain that starts at first: up to want clusters, of which
// none may be missing, or where want is negative to its end, which must come
// within limit clusters.
func (v *volume) walk(what string, first uint32, want, limit int64) (*chain, error) {
	c := &chain{v: v}
	if want == 0 {
		return c, nil
	}
	if !v.valid(first) {
		return nil, block.Errorf(format, what, -1, block.ErrCorrupt, "it starts at %s", v.name(first))
	}
	// Brent's cycle detection: a tortoise waits at powers of two.
	tortoise, power, steps := first, 1, 0
	for cur := first; ; {
		c.add(cur)
		if c.n == want {
			return c, nil
		}
		if want < 0 && c.n > limit {
			return nil, block.Errorf(format, what, -1, block.ErrLimit, "more than %d clusters", limit)
		}
		next, end, err := v.next(cur)
		switch {
		case err != nil:
			return nil, err
		case end && want > 0:
			return nil, block.Errorf(format, what, v.offset(first), block.ErrCorrupt, "its chain ends after %d of %d clusters", c.n, want)
		case end:
			return c, nil
		case next == tortoise:
			return nil, block.Errorf(format, what, v.offset(first), block.ErrLoop, "its chain of clusters comes back to cluster %d", next)
		}
		if steps++; steps == power {
			tortoise, power, steps = next, 2*power, 0
		}
		cur = next
	}
}

// add appends a cluster.
func (c *chain) add(cluster uint32) {
	index := c.n
	c.n++
	if len(c.runs) > 0 {
		last := &c.runs[len(c.runs)-1]
		if last.index+int64(last.n) == index && last.cluster+last.n == cluster {
			last.n++
			return
		}
		if index-last.index < c.gap {
			return
		}
	}
	c.runs = append(c.runs, run{index, cluster, 1})
	if len(c.runs) > maxRuns {
		c.thin()
	}
}

// thin drops every second run, whose clusters are then found by steps from the
// one before.
func (c *chain) thin() {
	kept := c.runs[:0]
	for i := 0; i < len(c.runs); i += 2 {
		kept = append(kept, c.runs[i])
	}
	c.runs = kept
	c.gap = max(2*c.gap, c.n/maxRuns*2, 2)
}

// at returns the cluster with the given index, and how many from there on are
// known to follow it on disk.
func (c *chain) at(index int64) (cluster uint32, n int64, err error) {
	i := sort.Search(len(c.runs), func(i int) bool { return c.runs[i].index > index }) - 1
	r := c.runs[i]
	if d := index - r.index; d < int64(r.n) {
		return r.cluster + uint32(d), int64(r.n) - d, nil
	}
	cluster = r.cluster + r.n - 1
	for k := r.index + int64(r.n) - 1; k < index; k++ {
		var end bool
		if cluster, end, err = c.v.next(cluster); err != nil || end {
			return 0, 0, block.Errorf(format, "FAT", c.v.fatOff, block.ErrChanged, "")
		}
	}
	return cluster, 1, nil
}
