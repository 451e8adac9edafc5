package testimg

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sort"
	"testing"
)

// Powers are files that lose their power together.
type Powers []*Power

// Together starts with copies of files.
func Together(files ...[]byte) Powers {
	clock := new(int)
	var all Powers
	for _, b := range files {
		p := NewPower(b)
		p.clock = clock
		all = append(all, p)
	}
	return all
}

// Crashes is Power.Crashes for all of the files: each moment is one in the life of
// all of them.
func (all Powers) Crashes(t testing.TB, n int, do func(what string, files [][]byte)) int {
	t.Helper()
	n = CrashRuns(n)
	last := *all[0].clock
	rng := rand.New(rand.NewPCG(1, uint64(last)))
	at := func(when int, keep func() bool) (files [][]byte) {
		for _, p := range all {
			k := sort.SearchInts(p.written, when+1)
			synced := k
			if keep != nil {
				synced = 0
				if i := sort.SearchInts(p.synced, when+1); i > 0 {
					synced = p.syncs[i-1]
				}
			}
			files = append(files, p.replay(synced, k, keep))
		}
		return files
	}
	step, count := 1, 0
	if os.Getenv("GUESTKIT_CRASHES") == "" {
		step += last / 100
	}
	for when := 0; when <= last; when += step {
		count++
		do(fmt.Sprintf("after %d of %d steps", when, last), at(when, nil))
	}
	for i := range n {
		when, odds := rng.IntN(last+1), rng.Float64()
		do(fmt.Sprintf("random %d, after %d of %d steps", i, when, last), at(when, func() bool { return rng.Float64() < odds }))
	}
	return count + n
}
