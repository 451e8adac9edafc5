package main

import (
	"fmt"
	"testing"
)

// TestLastLines keeps the last of many lines, in order, and memory for no more.
func TestLastLines(t *testing.T) {
	for _, c := range []struct{ lines, most, room, n int }{
		{0, 5, 1000, 0}, {3, 5, 1000, 3}, {5, 5, 1000, 5}, {1000, 5, 1000, 5}, {1000, 200, 1 << 20, 200}, {1000, 200, 40, 10}, {3, 5, 3, 0},
	} {
		var r lastLines
		for i := range c.lines {
			r.add(keptLine{text: fmt.Appendf(nil, "%04d", i)}, c.most, c.room)
		}
		got := r.lines()
		if len(got) != c.n || len(r.ring) > max(c.most, 64) || r.size != 4*c.n {
			t.Fatalf("%+v: %d lines in room for %d, %d bytes", c, len(got), len(r.ring), r.size)
		}
		for i, k := range got {
			if want := fmt.Sprintf("%04d", c.lines-c.n+i); string(k.text) != want {
				t.Errorf("%+v: line %d is %s, want %s", c, i, k.text, want)
			}
		}
		if want := c.lines > c.n && c.n < c.most; r.cut != want {
			t.Errorf("%+v: cut %v", c, r.cut)
		}
	}
}

// TestLastLinesFit: lines that had no room are not missed where as many as are wanted
// follow.
func TestLastLinesFit(t *testing.T) {
	var r lastLines
	for i, n := range []int{60, 60, 10, 10, 10} {
		r.add(keptLine{text: make([]byte, n)}, 3, 100)
		if want := i == 1 || i == 2; r.cut != want {
			t.Errorf("after %d lines: cut %v", i+1, r.cut)
		}
	}
}
