package blocks

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestPlan packs files of any shape: no block goes over anything that was there,
// and no gap is left before the last block that could take it.
func TestPlan(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20000 {
		p := Packing{Size: int64(1 + rng.IntN(4)), Align: 1}
		at := int64(0)
		for i := range int64(rng.IntN(20)) {
			if rng.IntN(2) == 0 {
				at += int64(rng.IntN(9))
			}
			if rng.IntN(5) == 0 {
				n := int64(1 + rng.IntN(4))
				p.Fixed = append(p.Fixed, block.Range{Off: at, Len: n})
				at += n
				continue
			}
			p.Blocks = append(p.Blocks, Block{i, at})
			at += p.Size
		}
		rng.Shuffle(len(p.Blocks), func(i, j int) { p.Blocks[i], p.Blocks[j] = p.Blocks[j], p.Blocks[i] })
		was := map[int64]int64{}
		taken := make([]bool, at)
		take := func(off, n int64) {
			for k := range n {
				if taken[off+k] {
					t.Fatalf("%+v: byte %d is taken twice", p, off+k)
				}
				taken[off+k] = true
			}
		}
		for _, b := range p.Blocks {
			was[b.I] = b.Off
			take(b.Off, p.Size)
		}
		for _, f := range p.Fixed {
			take(f.Off, f.Len)
		}
		moves, end, err := p.Plan()
		if err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		for _, m := range moves {
			if was[m.I] != m.From || m.To >= m.From {
				t.Fatalf("%+v: move %+v, block %d lay at %d", p, m, m.I, was[m.I])
			}
			take(m.To, p.Size)
		}
		for _, m := range moves {
			for k := range p.Size {
				taken[m.From+k] = false
			}
			delete(was, m.I)
			was[m.I] = m.To
		}
		last, room := int64(-1), int64(0)
		for _, off := range was {
			last = max(last, off)
		}
		for off := range max(last, 0) {
			if taken[off] {
				room = 0
			} else if room++; room == p.Size {
				t.Fatalf("%+v: %d bytes before %d are free, and the last block is at %d", p, room, off+1, last)
			}
		}
		want := max(last+p.Size, 0)
		if last < 0 {
			want = 0
		}
		for _, f := range p.Fixed {
			want = max(want, f.Off+f.Len)
		}
		if end != want {
			t.Fatalf("%+v: the file ends at %d, want %d", p, end, want)
		}
		if !slices.IsSortedFunc(moves, func(a, b Move) int { return int(a.I - b.I) }) {
			t.Fatalf("moves %+v", moves)
		}
	}
	for name, p := range map[string]Packing{
		"blocks":        {Size: 4, Align: 1, Blocks: []Block{{0, 8}, {1, 11}}},
		"block, header": {Size: 4, Align: 1, Fixed: []block.Range{{Len: 9}}, Blocks: []Block{{0, 8}}},
		"header, block": {Size: 4, Align: 1, Fixed: []block.Range{{Off: 10, Len: 9}}, Blocks: []Block{{0, 8}}},
	} {
		if _, _, err := p.Plan(); !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("%s lie over each other: %v", name, err)
		}
	}
}

// TestWithin tells blocks that lie in a part as a whole.
func TestWithin(t *testing.T) {
	w := NewWithin([]block.Range{{Off: 2, Len: 2}, {Off: 4, Len: 3}, {Off: 10, Len: 1}})
	for i, want := range []bool{false, true, true, false, false, false} {
		if got := w.Has(int64(2*i), 2); got != want {
			t.Errorf("block %d: %v", i, got)
		}
	}
}
