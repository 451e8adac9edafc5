package journal

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/guestkit/guestkit/internal/pattern"
)

// A Line is what journalctl's short forms show of an entry.
type Line struct {
	Time     time.Time // of the message where it has its own, else of the entry
	Host     string
	Who      string // the identifier, or the name of the command
	PID      string
	Priority int    // -1 if there is none
	Message  []byte // nil if there is none
}

// NewLine gathers what journalctl's short forms show of an entry. The errors are
// those of fields that could not be read.
func NewLine(e *Entry) (Line, []error) {
	l := Line{Time: e.Time(), Priority: -1}
	var errs []error
	var values [len(lineFields)][]byte // the first of each
	for v, err := range e.Fields() {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if i := slices.Index(lineFields[:], v.Name); i >= 0 && values[i] == nil {
			values[i] = v.Value
		}
	}
	first := func(fields ...int) string {
		for _, i := range fields {
			if v := values[i]; len(v) > 0 && Printable(v, false) {
				return string(v)
			}
		}
		return ""
	}
	if usec, err := strconv.ParseUint(first(0), 10, 64); err == nil && usec > 0 && usec < 1<<55 {
		l.Time = Time(usec)
	}
	l.Host = first(1)
	l.Who = first(2, 3)
	if l.Who == "" {
		l.Who = "unknown"
	}
	l.PID = first(4, 5)
	if p := first(6); len(p) == 1 && p[0] >= '0' && p[0] <= '7' {
		l.Priority = int(p[0] - '0')
	}
	l.Message = values[7]
	return l, errs
}

// lineFields are the fields that a Line is made of.
var lineFields = [...]string{"_SOURCE_REALTIME_TIMESTAMP", "_HOSTNAME", "SYSLOG_IDENTIFIER", "_COMM", "_PID", "SYSLOG_PID", "PRIORITY", "MESSAGE"}

// Append appends the line as journalctl -o short prints it, with the time in a
// layout of package time and a zone. A message of several lines becomes as many.
// One that is no text is told by its size, unless all is true. Without a message
// there is nothing.
func (l *Line) Append(b []byte, layout string, zone *time.Location, all bool) []byte {
	if l.Message == nil {
		return b
	}
	head := l.Head(layout, zone)
	b = append(b, head...)
	for i, line := range l.Text(all) {
		if i > 0 {
			b = append(b, strings.Repeat(" ", len(head))...)
		}
		b = append(append(b, line...), '\n')
	}
	return b
}

// Head is what stands before the message: the time in a layout of package time and
// a zone, the host, and who wrote it.
func (l *Line) Head(layout string, zone *time.Location) string {
	head := l.Time.In(zone).Format(layout)
	if l.Host != "" {
		head += " " + l.Host
	}
	head += " " + l.Who
	if l.PID != "" {
		head += "[" + l.PID + "]"
	}
	return head + ": "
}

// colours are the sequences for terminals that set colours and links.
var colours = pattern.Of("\x1b\\[[0-9;]*m|\x1b\\][^\a\x1b\n]*\a")

// Text is the message in lines, as journalctl prints it: without the colours that
// a program wrote, and with spaces for tabs. A message that is no text is told by
// its size, unless all is true.
func (l *Line) Text(all bool) [][]byte {
	m := l.Message
	if all {
		return bytes.Split(m, []byte("\n"))
	}
	if bytes.ContainsAny(m, "\x1b") {
		m = colours().ReplaceAll(m, nil)
	}
	m = bytes.ReplaceAll(m, []byte("\t"), []byte("        "))
	if !Printable(m, true) {
		return [][]byte{fmt.Appendf(nil, "[%s blob data]", size(len(m)))}
	}
	return bytes.Split(bytes.TrimSuffix(m, []byte("\n")), []byte("\n"))
}

// size is a number of bytes in the words of systemd.
func size(n int) string {
	for _, u := range []struct {
		name  string
		shift int
	}{{"G", 30}, {"M", 20}, {"K", 10}} {
		if whole := n >> u.shift; whole > 0 {
			if tenth := (n >> (u.shift - 10) * 10 >> 10) % 10; tenth > 0 {
				return fmt.Sprintf("%d.%d%s", whole, tenth, u.name)
			}
			return fmt.Sprintf("%d%s", whole, u.name)
		}
	}
	return fmt.Sprintf("%dB", n)
}
