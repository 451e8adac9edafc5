package journal

import (
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Filter chooses entries, as the flags of journalctl do. All that is set must
// hold; the zero value takes every entry.
type Filter struct {
	Since, Until time.Time // both included, by the clock of the machine
	Boot         *ID
	// Units are names of units, or patterns of path.Match. An entry is of a unit
	// if its process was, or if systemd or another process of root says something
	// about the unit.
	Units []string
	// Identifiers are values of SYSLOG_IDENTIFIER.
	Identifiers []string
	// Priorities are those to take, 0 (emerg) to 7 (debug); nil takes all.
	Priorities []int
	Kernel     bool           // messages of the kernel only
	Message    *regexp.Regexp // what the message must match
}

// coredump is the MESSAGE_ID of entries about a process that crashed.
const coredump = "fc2e22bc6ee647b6b90729ab34a250b1"

// Match reports whether the filter takes an entry. The error is that of a field
// that could not be read, where the entry might match for it.
func (f *Filter) Match(e *Entry) (bool, error) {
	usec := func(t time.Time) uint64 { return uint64(max(t.UnixMicro(), 0)) }
	switch {
	case !f.Since.IsZero() && e.Realtime < usec(f.Since),
		!f.Until.IsZero() && e.Realtime > usec(f.Until),
		f.Boot != nil && e.BootID != *f.Boot:
		return false, nil
	case len(f.Units) == 0 && len(f.Identifiers) == 0 && f.Priorities == nil && !f.Kernel && f.Message == nil:
		return true, nil
	}
	values := map[string][]string{}
	var failed error
	for v, err := range e.Fields() {
		switch {
		case err != nil:
			failed = err
		case f.needs(v.Name):
			values[v.Name] = append(values[v.Name], string(v.Value))
		}
	}
	ok := f.fields(values)
	if ok {
		failed = nil
	}
	return ok, failed
}

// unitFields are the fields that tell of which unit an entry is.
var unitFields = []string{"_SYSTEMD_UNIT", "_SYSTEMD_SLICE", "UNIT", "OBJECT_SYSTEMD_UNIT", "COREDUMP_UNIT", "MESSAGE_ID", "_PID", "_UID"}

// needs reports whether the filter looks at a field.
func (f *Filter) needs(name string) bool {
	switch name {
	case "MESSAGE":
		return f.Message != nil
	case "_TRANSPORT":
		return f.Kernel
	case "SYSLOG_IDENTIFIER":
		return len(f.Identifiers) > 0
	case "PRIORITY":
		return f.Priorities != nil
	}
	return len(f.Units) > 0 && slices.Contains(unitFields, name)
}

func (f *Filter) fields(values map[string][]string) bool {
	is := func(name, value string) bool { return slices.Contains(values[name], value) }
	if f.Kernel && !is("_TRANSPORT", "kernel") {
		return false
	}
	if len(f.Identifiers) > 0 && !slices.ContainsFunc(f.Identifiers, func(id string) bool { return is("SYSLOG_IDENTIFIER", id) }) {
		return false
	}
	if f.Priorities != nil && !slices.ContainsFunc(values["PRIORITY"], func(p string) bool {
		return len(p) == 1 && slices.Contains(f.Priorities, int(p[0]-'0'))
	}) {
		return false
	}
	if f.Message != nil && !slices.ContainsFunc(values["MESSAGE"], f.Message.MatchString) {
		return false
	}
	if len(f.Units) == 0 {
		return true
	}
	return slices.ContainsFunc(f.Units, func(unit string) bool {
		names := func(field string) bool {
			return slices.ContainsFunc(values[field], func(v string) bool {
				ok, err := path.Match(unit, v)
				return ok && err == nil || v == unit
			})
		}
		return names("_SYSTEMD_UNIT") ||
			is("MESSAGE_ID", coredump) && is("_UID", "0") && names("COREDUMP_UNIT") ||
			is("_PID", "1") && names("UNIT") ||
			is("_UID", "0") && names("OBJECT_SYSTEMD_UNIT") ||
			strings.HasSuffix(unit, ".slice") && names("_SYSTEMD_SLICE")
	})
}

// unitTypes are the endings of units.
var unitTypes = []string{".service", ".socket", ".target", ".device", ".mount", ".automount", ".swap", ".timer", ".path", ".slice", ".scope"}

// UnitName is the whole name of a unit: "ssh" is that of ssh.service.
func UnitName(name string) string {
	if slices.ContainsFunc(unitTypes, func(t string) bool { return strings.HasSuffix(name, t) }) || strings.ContainsAny(name, "*?[") {
		return name
	}
	return name + ".service"
}

// priorityNames are the priorities of syslog by number.
var priorityNames = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// ParsePriorities reads a priority, which stands for itself and the more urgent
// ones, or a range such as "err..warning", in names or numbers.
func ParsePriorities(s string) ([]int, bool) {
	number := func(s string) int {
		if len(s) == 1 && s[0] >= '0' && s[0] <= '7' {
			return int(s[0] - '0')
		}
		switch s {
		case "warn":
			s = "warning"
		case "error":
			s = "err"
		}
		return slices.Index(priorityNames, s)
	}
	first, last, ok := strings.Cut(s, "..")
	if !ok {
		first, last = "0", s
	}
	a, b := number(first), number(last)
	if a < 0 || b < 0 {
		return nil, false
	}
	if a > b {
		a, b = b, a
	}
	out := []int{}
	for p := a; p <= b; p++ {
		out = append(out, p)
	}
	return out, true
}

// ParseTime reads a time as the flags --since and --until of journalctl take it:
// "2026-01-31 12:00:00", a date, a time of day, "now", "today", "yesterday",
// "@1700000000", "-2h" and "2 hours ago" before now. A form of RFC 3339 has its
// own zone.
func ParseTime(s string, now time.Time, zone *time.Location) (time.Time, bool) {
	now = now.In(zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	s = strings.TrimSpace(s)
	switch s {
	case "now":
		return now, true
	case "today":
		return midnight, true
	case "yesterday":
		return midnight.AddDate(0, 0, -1), true
	case "tomorrow":
		return midnight.AddDate(0, 0, 1), true
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, true
	}
	if text, ok := strings.CutSuffix(s, " UTC"); ok {
		s, zone = text, time.UTC
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, true
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return midnight.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second), true
		}
	}
	if text, ok := strings.CutPrefix(s, "@"); ok {
		if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n < 1<<40 {
			return time.UnixMicro(int64(n * 1e6)), true
		}
		return time.Time{}, false
	}
	sign := time.Duration(-1)
	switch {
	case strings.HasSuffix(s, " ago"):
		s = strings.TrimSuffix(s, " ago")
	case strings.HasPrefix(s, "-"):
		s = s[1:]
	case strings.HasPrefix(s, "+"):
		s, sign = s[1:], 1
	default:
		return time.Time{}, false
	}
	d, ok := span(s)
	return now.Add(sign * d), ok
}

// units are those of a span of time.
var units = []struct {
	names []string
	d     time.Duration
}{
	{[]string{"s", "sec", "second", "seconds"}, time.Second},
	{[]string{"m", "min", "minute", "minutes"}, time.Minute},
	{[]string{"h", "hr", "hour", "hours"}, time.Hour},
	{[]string{"d", "day", "days"}, 24 * time.Hour},
	{[]string{"w", "week", "weeks"}, 7 * 24 * time.Hour},
}

// span reads "1h 30min".
func span(s string) (time.Duration, bool) {
	var sum time.Duration
	s = strings.ReplaceAll(s, " ", "")
	if s == "" {
		return 0, false
	}
	for s != "" {
		i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if i <= 0 {
			return 0, false
		}
		n, err := strconv.ParseInt(s[:i], 10, 32)
		if err != nil {
			return 0, false
		}
		s = s[i:]
		j := strings.IndexFunc(s, func(r rune) bool { return r >= '0' && r <= '9' })
		if j < 0 {
			j = len(s)
		}
		k := slices.IndexFunc(units, func(u struct {
			names []string
			d     time.Duration
		}) bool {
			return slices.Contains(u.names, s[:j])
		})
		if k < 0 {
			return 0, false
		}
		if time.Duration(n) > (math.MaxInt64-sum)/units[k].d {
			return 0, false
		}
		sum += time.Duration(n) * units[k].d
		s = s[j:]
	}
	return sum, true
}
