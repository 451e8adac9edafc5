package vfs

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestSortNames compares with a sort by the names alone: names that begin alike, that are
// the beginning of others, that hold zeros, and that come several times.
func TestSortNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var got []Entry
		begin := strings.Repeat("a", rng.IntN(12))
		for i := range rng.IntN(40) {
			name := begin
			for range rng.IntN(14) {
				name += string("\x00a\xff"[rng.IntN(3)])
			}
			got = append(got, Entry{Name: name, Ino: uint64(i)})
		}
		want := slices.Clone(got)
		slices.SortStableFunc(want, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
		sortNames(got, func(e *Entry) string { return e.Name })
		if !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

func BenchmarkSortNames(b *testing.B) {
	entries := make([]Entry, 500)
	for i := range entries {
		entries[i].Name = fmt.Sprintf("file-%05d.txt", i)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			sortNames(slices.Clone(entries), func(e *Entry) string { return e.Name })
		}
	})
	b.Run("names alone", func(b *testing.B) {
		for b.Loop() {
			slices.SortFunc(slices.Clone(entries), func(x, y Entry) int { return strings.Compare(x.Name, y.Name) })
		}
	})
}
