package report

import (
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
)

type pageDisk struct {
	Name, Size, Label string
	Height            int
	Boxes             []pageBox
}

// A pageBox is a volume in the drawing of a disk.
type pageBox struct {
	Class, Title, Text string
	X, W, Used         float64
	Y, H, UsedY        int
	TextX              float64
	TextY              int
}

type pageVolume struct{ Tree, Name, Size, Used, Free, Holds, Label, UUID, State, Reason, Class string }

// How high a row of the drawing is, and the bars in it; the width is that of the
// whole disk.
const (
	diskWidth = 1000.0
	rowHeight = 50
	boxHeight = 44
	minWidth  = 1.5
	maxBoxes  = 2000
)

// A span is where a volume lies in the drawing.
type span struct {
	x, w   float64
	row    int
	cursor float64 // where the next volume that a layer made goes
}

// usage is the room that a volume has and has taken, in bytes; ok is false if it
// does not tell.
func usage(v *inspect.Volume) (size, used int64, ok bool) {
	fsys, err := v.FS()
	if err != nil {
		return 0, 0, false
	}
	i := fsys.Info()
	if i.Free < 0 || i.Size <= 0 || i.Free > i.Size {
		return 0, 0, false
	}
	return i.Size, i.Size - i.Free, true
}

func boxClass(v *inspect.Volume) string {
	switch v.Status {
	case inspect.StatusRead:
		return "fs"
	case inspect.StatusSwap:
		return "swap"
	case inspect.StatusEncrypted, inspect.StatusIncomplete, inspect.StatusUnsupported:
		return "locked"
	case inspect.StatusDamaged:
		return "bad"
	}
	return "none"
}

// disks draws the disks: a row of the partitions, below them what lies in these.
func (p *page) disks(g *Guest) {
	p.Legend = []pageFact{{"filesystem", "", "fs"}, {"used", "", "used"}, {"swap", "", "swap"}, {"not read", "", "locked"}, {"damaged", "", "bad"}, {"other", "", "none"}, {"free", "", "free"}}
	spans := map[string]*span{}
	disks := map[int]int{} // the index of a disk in p.Disks
	for _, v := range g.Report.Volumes {
		if v.Parent == "" && (v.Kind == "disk" || v.Kind == "table") {
			name := v.Name
			if v.Disk < len(g.Images) {
				name = g.Images[v.Disk].Name
			}
			disks[v.Disk] = len(p.Disks)
			p.Disks = append(p.Disks, pageDisk{Name: esc(name), Size: terminal.Size(v.Size), Label: "a drawing of the disk " + esc(v.Name), Height: boxHeight + 1})
			spans[v.Name] = &span{w: diskWidth, row: -1}
			if v.Kind == "table" {
				continue
			}
			spans[v.Name].row = 0
			p.box(&p.Disks[len(p.Disks)-1], v, *spans[v.Name])
			continue
		}
		n, ok := disks[v.Disk]
		parent := spans[v.Parent]
		if !ok || parent == nil {
			continue
		}
		d := &p.Disks[n]
		s, ok := within(g.Report, v, parent)
		if !ok || len(d.Boxes) >= maxBoxes {
			continue
		}
		spans[v.Name] = &s
		p.box(d, v, s)
	}
}

// within is where a volume lies in the drawing of what it is a part of.
func within(rep *inspect.Report, v *inspect.Volume, parent *span) (span, bool) {
	of := volumeNamed(rep, v.Parent)
	if of == nil || of.Size <= 0 || v.Size < 0 {
		return span{}, false
	}
	s := span{row: parent.row + 1}
	start := v.Offset
	switch {
	case v.Kind != "partition" && v.Kind != "extended":
		// Where on its members a logical volume lies is more than a drawing says.
		share := min(float64(v.Size)/float64(of.Size)*parent.w, parent.w-parent.cursor)
		if share < 0 {
			return span{}, false
		}
		s.x, s.w = parent.x+parent.cursor, share
		parent.cursor += share
		return s, true
	case of.Kind == "extended":
		start -= of.Offset // both count from the start of the disk
	}
	if start < 0 || start > of.Size {
		return span{}, false
	}
	s.x = parent.x + float64(start)/float64(of.Size)*parent.w
	s.w = min(float64(v.Size)/float64(of.Size)*parent.w, parent.x+parent.w-s.x)
	return s, s.w >= 0
}

func (p *page) box(d *pageDisk, v *inspect.Volume, s span) {
	b := pageBox{Class: boxClass(v), X: round(s.x), W: round(max(s.w, minWidth)), Y: s.row*rowHeight + 1, H: boxHeight - 1}
	what := known(v.Content)
	title := v.Name
	if more := strings.TrimSpace(what + " " + v.Label); more != "" {
		title += ": " + more
	}
	title += ", " + terminal.Size(v.Size)
	if size, used, ok := usage(v); ok {
		title += fmt.Sprintf(", %s used", terminal.Size(used))
		b.Used, b.UsedY = round(b.W*float64(used)/float64(size)), b.Y+b.H-9
	}
	b.Title = esc(title)
	if text := esc(strings.TrimSpace(v.Name + " " + what)); float64(len([]rune(text)))*6.6+12 < b.W {
		b.Text, b.TextX, b.TextY = text, round(b.X+6), b.Y+19
	} else if text := esc(v.Name); float64(len([]rune(text)))*6.6+8 < b.W {
		b.Text, b.TextX, b.TextY = text, round(b.X+4), b.Y+19
	}
	d.Boxes = append(d.Boxes, b)
	d.Height = max(d.Height, s.row*rowHeight+boxHeight+1)
}

// round leaves two digits: more make no difference to the eye.
func round(x float64) float64 { return float64(int64(x*100+0.5)) / 100 }

// volumes lists all volumes as a tree.
func (p *page) volumes(g *Guest) {
	depth := map[string]int{}
	for _, v := range g.Report.Volumes {
		n := 0
		if v.Parent != "" {
			n = min(depth[v.Parent]+1, 20)
		}
		depth[v.Name] = n
		x := pageVolume{Tree: strings.Repeat("  ", n), Name: esc(v.Name), Size: terminal.Size(v.Size), Holds: say(v.Content), Label: esc(v.Label), UUID: esc(v.UUID), State: string(v.Status), Reason: esc(v.Reason)}
		if v.Partition != nil && x.Holds == "" && v.Partition.TypeName != "" {
			x.Holds = "(" + esc(v.Partition.TypeName) + ")"
		}
		if r := known(string(v.Role)); r != "" {
			x.State += ", " + r
		}
		switch {
		case v.Status == inspect.StatusRead:
			x.Class = "good"
		case v.Status == inspect.StatusContainer:
			x.State, x.Reason = "", ""
		case !v.Status.Done():
			x.Class = "warning"
		}
		if size, used, ok := usage(v); ok {
			x.Used, x.Free = terminal.Size(used), terminal.Size(size-used)
		}
		p.Volumes = append(p.Volumes, x)
	}
}
