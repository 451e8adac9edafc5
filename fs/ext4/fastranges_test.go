package ext4

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestFlatten compares what is seen of runs that lie over each other with an array
// of blocks that they are painted into.
func TestFlatten(t *testing.T) {
	const blocks = 60
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var rs []run
		var want [blocks]run
		for i := range rng.IntN(12) {
			x := run{lblk: rng.Uint64N(blocks), pblk: uint64(1000 * i), unwritten: i%3 == 1} // the first is a hole
			x.n = 1 + rng.Uint64N(min(blocks-x.lblk, 20))
			rs = append(rs, x)
			for b := x.lblk; b < x.lblk+x.n; b++ {
				want[b] = x.part(b, b+1)
			}
		}
		var got [blocks]run
		end := uint64(0)
		flat := flatten(slices.Clone(rs))
		for _, x := range flat {
			if x.lblk < end || x.n == 0 {
				t.Fatalf("%v makes %v", rs, flat)
			}
			end = x.lblk + x.n
			for b := x.lblk; b < end; b++ {
				got[b] = x.part(b, b+1)
			}
		}
		if got != want {
			t.Fatalf("%v makes %v", rs, flat)
		}
	}
}

// BenchmarkRanges lays ranges in falling order over a file, as many as fit into
// the records of fast commits that are read.
func BenchmarkRanges(b *testing.B) {
	for b.Loop() {
		var rs []run
		for i := range uint64(maxFastRecords) {
			rs = append(rs, run{lblk: 2 * (maxFastRecords - i), n: 1, pblk: 1})
		}
		if n := len(flatten(rs)); n != maxFastRecords {
			b.Fatal(n)
		}
	}
}
