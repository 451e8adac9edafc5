package qcow2

import (
	"slices"
	"sort"
)

// maxScanned bounds the tables, in bytes, whose entries the metadata map
// holds: 1 MiB of L1 entries map 64 TiB in clusters of 64 KiB. Where a table is
// larger, the clusters that it points to are left out of the map, so that the
// time and memory to open an image stay small; the tables themselves are always
// in it.
const maxScanned = 1 << 20

// A metadataMap knows which host clusters hold metadata, so that a pointer to
// guest data that leads there is found to be corrupt.
type metadataMap struct {
	spans       []span  // structures of any length, sorted by start
	clusters    []int64 // offsets of L2 tables and refcount blocks, sorted
	clusterSize int64
}

type span struct {
	start, end int64
	what       string
}

func (m *metadataMap) add(what string, off, n int64) {
	if n > 0 {
		m.spans = append(m.spans, span{off, off + n, what})
	}
}

// addEntries adds the clusters that the 8-byte entries of a table point to.
func (m *metadataMap) addEntries(table []byte) {
	for ; len(table) >= 8; table = table[8:] {
		// An entry that breaks the rules is an error to whoever follows it.
		if off := tableEntry(table, 0) & offsetMask; off != 0 && off&uint64(m.clusterSize-1) == 0 {
			m.clusters = append(m.clusters, int64(off))
		}
	}
}

// finish sorts the map. It returns how many clusters were added twice.
func (m *metadataMap) finish() (twice int) {
	slices.SortFunc(m.spans, func(a, b span) int {
		switch {
		case a.start < b.start:
			return -1
		case a.start > b.start:
			return 1
		}
		return 0
	})
	// Spans may overlap in a hostile image: let each reach as far as any before
	// it, so that the first one that ends past an offset is found by bisection.
	for i := 1; i < len(m.spans); i++ {
		m.spans[i].end = max(m.spans[i].end, m.spans[i-1].end)
	}
	slices.Sort(m.clusters)
	n := len(m.clusters)
	m.clusters = slices.Clip(slices.Compact(m.clusters))
	return n - len(m.clusters)
}

// next returns where the first metadata at or after off starts, and what it
// is; off itself if it lies inside some.
func (m *metadataMap) next(off int64) (start int64, what string) {
	start, what = m.nextSpan(off)
	i := sort.Search(len(m.clusters), func(i int) bool { return m.clusters[i]+m.clusterSize > off })
	if i < len(m.clusters) && m.clusters[i] < start {
		start, what = max(off, m.clusters[i]), "L2 table or refcount block"
	}
	return start, what
}

// nextSpan is next without the clusters.
func (m *metadataMap) nextSpan(off int64) (start int64, what string) {
	i := sort.Search(len(m.spans), func(i int) bool { return m.spans[i].end > off })
	if i == len(m.spans) {
		return maxOffset, ""
	}
	return max(off, m.spans[i].start), m.spans[i].what
}
