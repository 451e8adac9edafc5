package testimg

import (
	"sort"
	"sync"

	"github.com/guestkit/guestkit/block"
)

// A Trace passes reads through and records where they were: to count what a
// command reads, and to aim mutations at bytes that a parser really looks at.
type Trace struct {
	block.Reader

	mu     sync.Mutex
	ranges []Range
	bytes  int64
}

// A Range is n bytes at an offset.
type Range struct{ Off, N int64 }

// ReadAt implements io.ReaderAt.
func (r *Trace) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Reader.ReadAt(p, off)
	r.mu.Lock()
	r.bytes += int64(n)
	if n > 0 {
		r.ranges = append(r.ranges, Range{off, int64(n)})
	}
	r.mu.Unlock()
	return n, err
}

// Bytes returns how many bytes were read, those read twice counted twice.
func (r *Trace) Bytes() int64 { r.mu.Lock(); defer r.mu.Unlock(); return r.bytes }

// Ranges returns the ranges that were read, sorted and merged.
func (r *Trace) Ranges() []Range {
	r.mu.Lock()
	defer r.mu.Unlock()
	rs := append([]Range(nil), r.ranges...)
	sort.Slice(rs, func(i, j int) bool { return rs[i].Off < rs[j].Off })
	var out []Range
	for _, x := range rs {
		if len(out) > 0 && x.Off <= out[len(out)-1].Off+out[len(out)-1].N {
			l := &out[len(out)-1]
			l.N = max(l.N, x.Off+x.N-l.Off)
			continue
		}
		out = append(out, x)
	}
	return out
}
