package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/internal/terminal"
)

// A progress shows how far a copy is, on standard error.
type progress struct {
	a     *app
	json  bool
	shown bool
	last  struct {
		at    time.Time
		width int // of the line
	}
}

// newProgress makes what the flag asks for; nil shows nothing.
func (a *app) newProgress(how string) (*progress, error) {
	switch how {
	case "":
		if a.quiet || !term.IsTerminal(int(os.Stderr.Fd())) {
			return nil, nil
		}
		return &progress{a: a}, nil
	case "bar", "json":
		if a.quiet {
			return nil, nil
		}
		return &progress{a: a, json: how == "json"}, nil
	case "none":
		return nil, nil
	}
	return nil, usagef("--progress is bar, json or none, not %q", how)
}

// callback is what the library is given.
func (p *progress) callback() func(convert.Progress) {
	if p == nil {
		return nil
	}
	return p.update
}

func (p *progress) update(x convert.Progress) {
	if time.Since(p.last.at) < 100*time.Millisecond && x.Done != x.Total {
		return
	}
	p.last.at = time.Now()
	elapsed := time.Since(p.a.start)
	if p.json {
		line, err := json.Marshal(map[string]any{"transferred": x.Done, "total": x.Total, "elapsed": elapsed.Seconds()})
		if err == nil {
			p.a.err.Printf("%s\n", string(line))
		}
		return
	}
	p.shown = true
	width := p.width()
	line := progressLine(x, elapsed, width-1)
	p.a.err.Printf("\r%s%s", line, strings.Repeat(" ", max(0, min(p.last.width, width-1)-terminal.Width(line))))
	p.last.width = terminal.Width(line)
}

// progressLine is the line of the bar, in at most width columns: what there is
// no room for is left out, the bar first.
func progressLine(x convert.Progress, elapsed time.Duration, width int) string {
	rate := float64(x.Done) / max(elapsed.Seconds(), 1e-3)
	speed := terminal.Size(int64(rate)) + "/s"
	var parts []string // the most important ones first
	bar := 0
	if x.Total < x.Done { // a stream tells its size at the end
		parts = []string{terminal.Size(x.Done), speed}
	} else {
		part := 1.0
		if x.Total > 0 {
			part = float64(x.Done) / float64(x.Total)
		}
		left := "—"
		if rate > 0 {
			left = time.Duration(float64(x.Total-x.Done) / rate * float64(time.Second)).Round(time.Second).String()
		}
		parts = []string{fmt.Sprintf("%3d%%", int(part*100)), terminal.Size(x.Done) + " of " + terminal.Size(x.Total), speed, left + " left"}
		bar = int(part * 1000)
	}
	line := ""
	for i, s := range parts {
		if i > 0 {
			s = "  " + s
		}
		if terminal.Width(line+s) > width {
			break
		}
		line += s
	}
	room := min(30, width-terminal.Width(line)-1)
	if x.Total < x.Done || room < 8 {
		return line
	}
	full := bar * room / 1000
	return strings.Repeat("█", full) + strings.Repeat("░", room-full) + " " + line
}

// width is that of the terminal now, which may have been resized.
func (p *progress) width() int {
	if n := columns(os.Stderr); n > 0 {
		return n
	}
	return 80
}

// clear takes the line of the bar away, so that another can stand there.
func (p *progress) clear() {
	if p != nil && p.shown {
		p.a.err.Printf("\r%s\r", strings.Repeat(" ", p.last.width))
		p.shown, p.last.width = false, 0
	}
}

// end leaves the line of the bar.
func (p *progress) end() {
	if p != nil && p.shown {
		p.a.err.Printf("\n")
	}
}
