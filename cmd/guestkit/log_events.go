package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/evtx"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/journal"
)

// eventLogs are those that are printed where none was named.
var eventLogs = []string{"System", "Application", "Security", "Setup"}

// windowsRoot is the folder of Windows in a tree.
func windowsRoot(t *guestTree) string {
	if t.system != nil && t.system.SystemRoot != "" {
		return strings.Trim(t.system.SystemRoot, "/")
	}
	return "Windows"
}

// events prints event logs of a guest.
func (l *logRun) events(t *guestTree, names []string) error {
	wanted := names
	if len(names) == 0 {
		wanted = eventLogs
	}
	var files []string
	for _, name := range wanted {
		found, err := evtx.Find(t, windowsRoot(t), name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && len(names) == 0:
			continue
		case errors.Is(err, fs.ErrNotExist):
			l.errs.Add(nothingf("there is no event log %s; '*' means all", name))
		case err != nil:
			l.errs.Add(pathError(name, bare(err)))
		}
		for _, f := range found {
			if !slices.Contains(files, f) {
				files = append(files, f)
			}
		}
	}
	if len(files) == 0 {
		if len(names) == 0 {
			return nothingf("there are no event logs in %s", shownPath(windowsRoot(t)+"/"+evtx.Logs))
		}
		return nil
	}
	var logs []*evtx.File
	var open []string
	for _, name := range files {
		f := l.file(t, name)
		if f == nil {
			continue
		}
		defer f.Close()
		e, err := evtx.Open(f, nil)
		if err != nil {
			l.errs.Add(guestError(name, err))
			continue
		}
		logs = append(logs, e)
		open = append(open, shownPath(name))
	}
	return l.eventFiles(open, logs)
}

// hostEvents reads event logs that are files of the host.
func (l *logRun) hostEvents(names []string) error {
	var hosts hostFiles
	defer hosts.close()
	var logs []*evtx.File
	for _, name := range names {
		r, err := hosts.open(name)
		if err != nil {
			return err
		}
		f, err := evtx.Open(r, nil)
		if err != nil {
			return pathError(name, err)
		}
		logs = append(logs, f)
	}
	if err := l.eventFiles(names, logs); err != nil {
		return err
	}
	return l.end()
}

// keptEvent is one of the last events, as it is printed.
type keptEvent struct {
	line journal.Line
	raw  []byte
}

// eventFiles prints the records of event logs that the filter takes.
func (l *logRun) eventFiles(names []string, logs []*evtx.File) error {
	if l.boots || l.boot != "" || len(l.units) > 0 || l.kernel || l.output == "export" {
		return usagef("event logs of Windows have no units, boots and export format; use --identifier (the provider), --priority, --since, --until and --grep")
	}
	backwards := l.reverse || l.lines > 0
	var kept []keptEvent // the last ones, the newest first
	size, shown := 0, 0
	for r, err := range evtx.Merge(logs, backwards) {
		if l.a.ctx.Err() != nil {
			return l.a.ctx.Err()
		}
		if err != nil {
			l.errs.Add(err)
			continue
		}
		e, ok := l.event(r)
		if !ok {
			continue
		}
		if backwards && !l.reverse {
			kept = append(kept, e)
			if size += len(e.raw) + len(e.line.Message); size > maxKept {
				l.errs.Add(fmt.Errorf("%w: the last %d events have more than %d bytes; the first of them are left out", block.ErrLimit, l.lines, maxKept))
				break
			}
			if len(kept) == l.lines {
				break
			}
			continue
		}
		if err := l.printEvent(e); err != nil {
			return err
		}
		if shown++; l.lines > 0 && shown == l.lines {
			break
		}
	}
	for _, e := range slices.Backward(kept) {
		if err := l.printEvent(e); err != nil {
			return err
		}
		shown++
	}
	if shown == 0 && logForms[l.output] != "" && !l.a.quiet {
		l.a.out.Printf("-- No entries --\n")
	}
	for i, f := range logs {
		for _, err := range f.Problems() {
			l.problem(names[i], err)
		}
	}
	return nil
}

// event makes of a record what is printed; false if the filter does not take it.
func (l *logRun) event(r *evtx.Record) (keptEvent, bool) {
	f, x := &l.filter, evtx.NewLine(r)
	priority := x.Priority()
	if !f.Since.IsZero() && x.Time.Before(f.Since) || !f.Until.IsZero() && x.Time.After(f.Until) ||
		len(f.Identifiers) > 0 && !slices.Contains(f.Identifiers, x.Provider) ||
		f.Priorities != nil && !slices.Contains(f.Priorities, priority) ||
		f.Message != nil && !f.Message.MatchString(x.Text) {
		return keptEvent{}, false
	}
	switch l.output {
	case "json":
		return keptEvent{raw: append(terminal.EscapeJSON(evtx.AppendJSON(nil, r.Event)), '\n')}, true
	case "xml":
		return keptEvent{raw: append(evtx.AppendXML(nil, r.Event), '\n')}, true
	}
	return keptEvent{line: journal.Line{Time: x.Time, Host: x.Computer, Who: x.Provider, PID: x.EventID, Priority: priority, Message: []byte(x.Text)}}, true
}

func (l *logRun) printEvent(e keptEvent) error {
	if e.raw == nil {
		l.line(&e.line)
	}
	if _, err := l.a.raw.Write(e.raw); err != nil {
		return &outputError{err}
	}
	if err := l.a.out.Err(); err != nil {
		return &outputError{err}
	}
	return nil
}
