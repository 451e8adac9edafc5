package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/partition"
)

// slicesOf makes a disk of so many bytes, and partitions of it by offset and size.
func slicesOf(size int64, parts ...[2]int64) []*inspect.Volume {
	all := []*inspect.Volume{{Name: "disk", Size: size}}
	for i, p := range parts {
		all = append(all, &inspect.Volume{Name: fmt.Sprintf("gpt%d", i+1), Parent: "disk", Offset: p[0], Size: p[1], Partition: &partition.Partition{Number: i + 1}})
	}
	return all
}

func TestDiskBar(t *testing.T) {
	for _, c := range []struct {
		all  []*inspect.Volume
		want string
	}{
		{slicesOf(100), ""},
		{slicesOf(100, [2]int64{0, 100}), "├───────────────── gpt1 ─────────────────┤"},
		{slicesOf(100, [2]int64{0, 50}, [2]int64{50, 25}), "├────── gpt1 ──────┤├─ gpt2 ─┤.........."},
		{slicesOf(100, [2]int64{0, 1}, [2]int64{1, 10}, [2]int64{11, 89}), "├┤├2─┤├────────────── gpt3 ──────────────┤"},
		// Out of order, over each other, and past the end of the disk.
		{slicesOf(100, [2]int64{60, 80}, [2]int64{10, 40}, [2]int64{20, 10}), "....├──── gpt2 ────┤....├──── gpt1 ────┤"},
		{slicesOf(100, [2]int64{200, 80}), ""},
	} {
		got := diskBar(c.all[0], c.all, len([]rune(c.want)))
		if c.want == "" {
			got = diskBar(c.all[0], c.all, 42)
		}
		if got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	many := slicesOf(1 << 40)
	for i := range int64(64) {
		many = append(many, slicesOf(0, [2]int64{i << 10, 1 << 10})[1])
	}
	for width := 20; width <= 200; width++ {
		for n := range many {
			bar := diskBar(many[0], many[:n+1], width)
			if (bar == "") != (n == 0 || 2*n > width) || bar != "" && terminal.Width(bar) != width {
				t.Fatalf("%d partitions in %d columns: %q", n, width, bar)
			}
			if strings.Count(bar, "├") != strings.Count(bar, "┤") || bar != "" && strings.Count(bar, "├") != n {
				t.Fatalf("%d partitions in %d columns: %q", n, width, bar)
			}
		}
	}
}
