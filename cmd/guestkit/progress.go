package main

import (
	"encoding/json"
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
	last  time.Time
	shown bool
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
	if time.Since(p.last) < 100*time.Millisecond && x.Done != x.Total {
		return
	}
	p.last = time.Now()
	elapsed := time.Since(p.a.start)
	if p.json {
		line, err := json.Marshal(map[string]any{"transferred": x.Done, "total": x.Total, "elapsed": elapsed.Seconds()})
		if err == nil {
			p.a.err.Printf("%s\n", string(line))
		}
		return
	}
	rate := float64(x.Done) / elapsed.Seconds()
	p.shown = true
	if x.Total < x.Done { // a stream tells its size at the end
		p.a.err.Printf("\r%s  %s/s   ", terminal.Size(x.Done), terminal.Size(int64(rate)))
		return
	}
	part := 1.0
	if x.Total > 0 {
		part = float64(x.Done) / float64(x.Total)
	}
	const bar = 30
	full := int(part * bar)
	line := strings.Repeat("█", full) + strings.Repeat("░", bar-full)
	left := "—"
	if rate > 0 {
		left = time.Duration(float64(x.Total-x.Done) / rate * float64(time.Second)).Round(time.Second).String()
	}
	p.a.err.Printf("\r%s %3d%%  %s of %s  %s/s  %s left   ", line, int(part*100), terminal.Size(x.Done), terminal.Size(x.Total), terminal.Size(int64(rate)), left)
}

// end leaves the line of the bar.
func (p *progress) end() {
	if p != nil && p.shown {
		p.a.err.Printf("\n")
	}
}
