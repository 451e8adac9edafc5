package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
)

// barWidth is how long the bar of a volume is.
const barWidth = 24

// part is how many columns of a bar n bytes of size take.
func part(n, size int64, width int) int {
	return int(min(max(float64(n)/float64(size)*float64(width)+0.5, 0), float64(width)))
}

// bar draws how much of a volume is kept, saved, and took no room.
func bar(size, free, held int64) string {
	if size <= 0 {
		return ""
	}
	kept := part(size-free, size, barWidth)
	there := max(part(size-free+held, size, barWidth), kept)
	return strings.Repeat("#", kept) + strings.Repeat("-", there-kept) + strings.Repeat(".", barWidth-there)
}

// The widths between which the bar of a disk is drawn, indent included, and the
// one where nobody knows how wide the terminal is.
const (
	minBar     = 60
	maxBar     = 200
	defaultBar = 80
)

// A cell is a part of a disk in its bar.
type cell struct {
	label string // "" where no partition is
	size  int64
	cols  int
}

// least is how few columns a cell has: the two ends of a partition, nothing of a
// gap.
func (c *cell) least() int {
	if c.label == "" {
		return 0
	}
	return 2
}

// spare is how many columns the cell can give away.
func (c *cell) spare() int { return c.cols - c.least() }

// draw writes the label into the cell, if it has room for it.
func (c *cell) draw() string {
	if c.label == "" {
		return strings.Repeat(".", c.cols)
	}
	inner, text := c.cols-2, c.label
	if terminal.Width(text) > inner { // the number alone
		text = strings.TrimLeft(text, "abcdefghijklmnopqrstuvwxyz")
	}
	room := inner - terminal.Width(text)
	if room < 0 {
		text, room = "", inner
	}
	if text != "" && room >= 4 {
		text, room = " "+text+" ", room-2
	}
	return "├" + strings.Repeat("─", room/2) + text + strings.Repeat("─", room-room/2) + "┤"
}

// cells are the parts of a disk in order: its partitions, those within an extended
// one for it, and the gaps between them.
func cells(disk *inspect.Volume, all []*inspect.Volume) []cell {
	var parts []*inspect.Volume
	for _, v := range all {
		if v.Disk == disk.Disk && v.Partition != nil && !v.Partition.Extended && onDisk(v, disk, all) {
			parts = append(parts, v)
		}
	}
	slices.SortFunc(parts, func(a, b *inspect.Volume) int { return cmp.Compare(a.Offset, b.Offset) })
	var out []cell
	pos := int64(0)
	for _, v := range parts {
		off, end := max(v.Offset, pos), min(v.Offset+v.Size, disk.Size)
		if end <= off {
			continue // it lies in another one, or nothing of it is there
		}
		if off > pos {
			out = append(out, cell{size: off - pos})
		}
		out = append(out, cell{label: v.Name[strings.LastIndexByte(v.Name, ':')+1:], size: end - off})
		pos = end
	}
	if pos < disk.Size && out != nil {
		out = append(out, cell{size: disk.Size - pos})
	}
	return out
}

// onDisk reports whether a partition is one of the disk's own table.
func onDisk(v, disk *inspect.Volume, all []*inspect.Volume) bool {
	if v.Parent == disk.Name {
		return true
	}
	return v.Partition.Logical && slices.ContainsFunc(all, func(p *inspect.Volume) bool {
		return p.Name == v.Parent && p.Parent == disk.Name && p.Partition != nil && p.Partition.Extended
	})
}

// diskBar draws what a disk is divided into, "" where there is nothing to draw: no
// table, or more partitions than columns.
func diskBar(disk *inspect.Volume, all []*inspect.Volume, width int) string {
	list := cells(disk, all)
	least, sum := 0, 0
	for i := range list {
		c := &list[i]
		c.cols = max(part(c.size, disk.Size, width), c.least())
		least, sum = least+c.least(), sum+c.cols
	}
	if len(list) == 0 || least > width {
		return ""
	}
	// What rounding and small partitions took goes from the widest, and what it
	// left goes to them.
	for sum != width {
		widest := 0
		for i := range list {
			if list[i].spare() > list[widest].spare() {
				widest = i
			}
		}
		step := 1
		if sum > width {
			step = -1
		}
		list[widest].cols += step
		sum += step
	}
	var b strings.Builder
	for i := range list {
		b.WriteString(list[i].draw())
	}
	return b.String()
}

// showBars draws the disks that have a partition table.
func (a *app) showBars(rep *inspect.Report) {
	width := a.out.Width()
	if width == 0 {
		width = defaultBar
	}
	names := 0
	var disks []*inspect.Volume
	for _, v := range rep.Volumes {
		if v.Parent == "" && len(cells(v, rep.Volumes)) > 0 {
			disks = append(disks, v)
			names = max(names, len(v.Name))
		}
	}
	drawn := false
	for _, v := range disks {
		// Between indent and bar are two columns, and the last stays free.
		if bar := diskBar(v, rep.Volumes, min(max(width, minBar), maxBar)-names-5); bar != "" {
			a.out.Printf("  %s%s  %s\n", v.Name, strings.Repeat(" ", names-len(v.Name)), bar)
			drawn = true
		}
	}
	if drawn {
		a.out.Printf("\n")
	}
}
