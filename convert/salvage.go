package convert

import (
	"slices"

	"github.com/guestkit/guestkit/block"
)

// maxLost bounds how many ranges that could not be read are listed. Past it
// neighbours are joined, so that nothing is left out.
const maxLost = 1 << 16

// lostRanges collects what could not be read, in any order.
type lostRanges struct{ all []Range }

func (l *lostRanges) add(off, n int64) {
	l.all = append(l.all, Range{off, n})
	if len(l.all) > 2*maxLost {
		l.all = l.sorted()
		for len(l.all) > maxLost { // join pairs
			half := l.all[:0]
			for i := 0; i+1 < len(l.all); i += 2 {
				a, b := l.all[i], l.all[i+1]
				half = append(half, Range{a.Off, b.Off + b.Len - a.Off})
			}
			if len(l.all)%2 == 1 {
				half = append(half, l.all[len(l.all)-1])
			}
			l.all = half
		}
	}
}

// sorted returns the ranges in order, with neighbours joined.
func (l *lostRanges) sorted() []Range {
	all := slices.Clone(l.all)
	slices.SortFunc(all, func(a, b Range) int { return int(min(max(a.Off-b.Off, -1), 1)) })
	var out []Range
	for _, x := range all {
		if n := len(out); n > 0 && out[n-1].Off+out[n-1].Len >= x.Off {
			out[n-1].Len = max(out[n-1].Len, x.Off+x.Len-out[n-1].Off)
			continue
		}
		out = append(out, x)
	}
	return out
}

// salvage reads what can be read of p, in ever smaller parts down to a sector,
// and fills the rest with zeros.
func (w *worker) salvage(p []byte, off int64) {
	type todo struct{ at, n int }
	work := []todo{{0, len(p)}}
	for len(work) > 0 {
		t := work[len(work)-1]
		work = work[:len(work)-1]
		q := p[t.at : t.at+t.n]
		if block.ReadFull(w.src, q, off+int64(t.at)) == nil {
			continue
		}
		if t.n <= 512 {
			clear(q)
			w.mu.Lock()
			w.lost.add(off+int64(t.at), int64(t.n))
			w.mu.Unlock()
			continue
		}
		half := (t.n/2 + 511) &^ 511
		work = append(work, todo{t.at + half, t.n - half}, todo{t.at, half})
	}
}
