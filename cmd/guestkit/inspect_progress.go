package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
)

// A stepDoc is a line of --progress=json while one guest is inspected.
type stepDoc struct {
	Phase   inspect.Phase `json:"phase"`
	Volume  string        `json:"volume,omitempty"`
	Done    int           `json:"done"`
	Total   int           `json:"total"`
	Elapsed float64       `json:"elapsed"` // in seconds
}

// inspection is what an inspection is given to tell how far it is.
func (p *progress) inspection() func(inspect.Progress) {
	if p == nil {
		return nil
	}
	return p.step
}

// step shows a step of an inspection. A bar that comes and goes in a moment helps
// nobody; and there is none in the phase in which a key may be asked for.
func (p *progress) step(x inspect.Progress) {
	elapsed := time.Since(p.a.start)
	if p.json {
		line, err := json.Marshal(stepDoc{x.Phase, x.Volume, x.Done, x.Total, elapsed.Seconds()})
		if err == nil {
			p.a.err.Printf("%s\n", string(line))
		}
		return
	}
	if elapsed < time.Second || x.Phase == inspect.PhaseScan {
		return
	}
	width := p.width()
	line := stepLine(x, width-1)
	p.a.err.Printf("\r%s%s", line, strings.Repeat(" ", max(0, min(p.last.width, width-1)-terminal.Width(line))))
	p.shown, p.last.width = true, terminal.Width(line)
}

// stepLine is the line of the bar, in at most width columns.
func stepLine(x inspect.Progress, width int) string {
	what := map[inspect.Phase]string{inspect.PhaseOpen: "opening", inspect.PhaseSearch: "looking for systems on", inspect.PhasePackages: "reading the packages of the system on"}[x.Phase]
	text := what + " " + x.Volume
	const room = 20
	full := x.Done * room / max(x.Total, 1)
	line := strings.Repeat("█", full) + strings.Repeat("░", room-full) + " " + text
	switch {
	case terminal.Width(line) <= width:
		return line
	case terminal.Width(text) <= width:
		return text
	}
	return strings.Repeat("█", full) + strings.Repeat("░", room-full)
}
