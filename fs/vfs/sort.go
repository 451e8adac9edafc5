package vfs

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
)

// sortNames sorts what has names by the bytes of these. The names of a directory tend
// to begin alike, so the next eight bytes of each decide about nearly all of them, as a
// number and without a look at the names.
func sortNames[T any](all []T, name func(*T) string) {
	var alike, last string
	sorted := true
	for i := range all {
		s, n := name(&all[i]), 0
		if i == 0 {
			alike, last = s, s
		}
		for n < len(alike) && n < len(s) && alike[n] == s[n] {
			n++
		}
		alike, sorted, last = alike[:n], sorted && last <= s, s
	}
	if sorted {
		return
	}
	const moved = 1<<64 - 1 // is no place
	// A number has the beginning of a name and, in its last bits, where that name is.
	at := uint64(1)<<bits.Len(uint(len(all))) - 1
	keys := make([]uint64, len(all))
	for i := range all {
		var b [8]byte
		copy(b[:], name(&all[i])[len(alike):])
		keys[i] = binary.BigEndian.Uint64(b[:])&^at | uint64(i)
	}
	slices.Sort(keys)
	for i := 0; i < len(keys); { // those that begin alike
		end := i + 1
		for end < len(keys) && (keys[i]^keys[end])&^at == 0 {
			end++
		}
		if end > i+1 {
			slices.SortFunc(keys[i:end], func(a, b uint64) int {
				return cmp.Or(strings.Compare(name(&all[a&at]), name(&all[b&at])), cmp.Compare(a, b))
			})
		}
		i = end
	}
	// Each circle of the permutation moves by itself, so that no second list is needed.
	for i := range keys {
		first := all[i]
		for to := i; keys[to] != moved; {
			from := int(keys[to] & at)
			keys[to] = moved
			if from == i {
				all[to] = first
			} else {
				all[to] = all[from]
				to = from
			}
		}
	}
}
