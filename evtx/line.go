package evtx

import (
	"strings"
	"time"
)

// A Line is what people look for in an event first.
type Line struct {
	Time     time.Time
	Computer string
	Provider string
	EventID  string
	Channel  string
	Level    int    // of Windows: 0 always, 1 critical, 2 error, 3 warning, 4 information, 5 verbose
	Text     string // the values of the event, by their names
}

// Priority is the level as syslog counts, -1 for one that there is not.
func (l *Line) Priority() int {
	switch l.Level {
	case 0, 4:
		return 6
	case 1:
		return 2
	case 2:
		return 3
	case 3:
		return 4
	case 5:
		return 7
	}
	return -1
}

// NewLine gathers what people look for in an event. Its text is not the message that
// Windows shows, which is not in the log, but the values that go into it.
func NewLine(r *Record) Line {
	e := r.Event
	l := Line{Time: r.Time, Computer: e.Text("System", "Computer"), Provider: e.Text("System", "Provider", "@Name"),
		EventID: e.Text("System", "EventID"), Channel: e.Text("System", "Channel"), Level: -1}
	if s := e.Text("System", "Level"); len(s) == 1 && s[0] >= '0' && s[0] <= '9' {
		l.Level = int(s[0] - '0')
	}
	if t, err := time.Parse(timeLayout, e.Text("System", "TimeCreated", "@SystemTime")); err == nil {
		l.Time = t
	}
	var parts []string
	for _, n := range e.Content {
		if n.Element != nil && n.Element.Name != "System" {
			parts = gather(parts, n.Element, true)
		}
	}
	l.Text = strings.Join(parts, " ")
	return l
}

// gather adds the values in an element: "name=value", or a value that has no name.
func gather(parts []string, e *Element, root bool) []string {
	name := e.Name
	for _, a := range e.Attributes {
		switch {
		case a.Name == "xmlns":
		case a.Name == "Name" && e.Name == "Data":
			name = a.Value.Text
		default:
			parts = append(parts, e.Name+"."+a.Name+"="+a.Value.Text)
		}
	}
	if text, _ := e.text(); text.Text != "" && !root {
		if name != "Data" {
			text.Text = name + "=" + text.Text
		}
		parts = append(parts, text.Text)
	}
	for _, n := range e.Content {
		if n.Element != nil {
			parts = gather(parts, n.Element, false)
		}
	}
	return parts
}
