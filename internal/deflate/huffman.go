package deflate

import (
	"math/bits"
	"slices"
)

// A coder makes length-limited Huffman codes. It holds the scratch memory of
// one construction.
type coder struct {
	leaves [maxLitLen]uint32 // count<<9 | symbol, sorted
	tree   [maxLitLen]uint32 // weights, then parents, then depths
}

// lengths sets lens[s] to the length of the code of symbol s, for symbols that
// counts says occur, and to 0 for others. No length exceeds limit. At least
// two symbols get a code, since a decoder may refuse a code of one.
func (c *coder) lengths(lens []uint8, counts []uint32, limit int) {
	leaves := c.leaves[:0]
	for s, n := range counts {
		lens[s] = 0
		if n > 0 {
			leaves = append(leaves, min(n, 1<<22)<<9|uint32(s))
		}
	}
	for s := uint32(0); len(leaves) < 2; s++ {
		if counts[s] == 0 {
			leaves = append(leaves, 1<<9|s)
		}
	}
	slices.Sort(leaves)
	n := len(leaves)
	w := c.tree[:n]
	for i, l := range leaves {
		w[i] = l >> 9
	}
	depths(w)

	// w[i] is now the depth of leaf i, falling. Count them, cut them at the
	// limit, and pay for the cut by lengthening the deepest codes that are
	// still above it.
	var perLen [33]int
	over := 0 // Kraft sum above 1, in units of 2^-limit
	for _, d := range w {
		d := min(int(d), limit)
		perLen[d]++
		over += 1 << (limit - d)
	}
	over -= 1 << limit
	for over > 0 {
		d := limit - 1
		for perLen[d] == 0 {
			d--
		}
		perLen[d]--
		perLen[d+1]++
		over -= 1 << (limit - d - 1)
	}
	for over < 0 { // that paid too much: a decoder refuses a code with room left
		perLen[limit]--
		perLen[limit-1]++
		over++
	}
	i := 0
	for d := limit; d > 0; d-- {
		for range perLen[d] {
			lens[leaves[i]&0x1ff] = uint8(d)
			i++
		}
	}
}

// depths replaces the weights in w, which rise, by the depths of their leaves
// in a Huffman tree, in place (Moffat and Katajainen, 1995).
func depths(w []uint32) {
	n := len(w)
	w[0] += w[1]
	root, leaf := 0, 2
	for next := 1; next < n-1; next++ {
		if leaf >= n || w[root] < w[leaf] {
			w[next] = w[root]
			w[root] = uint32(next)
			root++
		} else {
			w[next] = w[leaf]
			leaf++
		}
		if leaf >= n || root < next && w[root] < w[leaf] {
			w[next] += w[root]
			w[root] = uint32(next)
			root++
		} else {
			w[next] += w[leaf]
			leaf++
		}
	}
	w[n-2] = 0
	for i := n - 3; i >= 0; i-- {
		w[i] = w[w[i]] + 1
	}
	avail, depth := 1, uint32(0)
	root = n - 2
	for next := n - 1; avail > 0; depth++ {
		used := 0
		for root >= 0 && w[root] == depth {
			used++
			root--
		}
		for avail > used {
			w[next] = depth
			next--
			avail--
		}
		avail = 2 * used
	}
}

// codes sets out[s] to the canonical code of symbol s, bit-reversed as DEFLATE
// writes it.
func codes(out []uint16, lens []uint8) {
	var perLen, next [16]uint16
	for _, l := range lens {
		perLen[l]++
	}
	perLen[0] = 0
	for l := 1; l < 16; l++ {
		next[l] = (next[l-1] + perLen[l-1]) << 1
	}
	for s, l := range lens {
		if l > 0 {
			out[s] = bits.Reverse16(next[l]) >> (16 - l)
			next[l]++
		}
	}
}
