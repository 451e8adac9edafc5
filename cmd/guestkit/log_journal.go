package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/journal"
)

// bootDoc is a boot that a journal knows of, with --list-boots --json.
type bootDoc struct {
	Index int    `json:"index"` // 0 for the last one, -1 for the one before
	ID    string `json:"boot_id"`
	First string `json:"first_entry"`
	Last  string `json:"last_entry"`
}

// journals prints the entries of journal files that the filter takes.
func (l *logRun) journals(files []*journal.File) error {
	if l.output == "xml" {
		return usagef("--output xml is for event logs of Windows")
	}
	if l.boots {
		return l.listBoots(files)
	}
	if err := l.chooseBoot(files); err != nil {
		return err
	}
	backwards := l.reverse || l.lines > 0
	newestFirst := l.reverse || l.lines > 0 && l.grep != "" // as journalctl has it
	var kept []*journal.Entry                               // the last ones, the newest first
	var last journal.ID
	shown := 0
	print := func(e *journal.Entry) error {
		if shown > 0 && last != e.BootID && logForms[l.output] != "" {
			l.a.out.Printf("-- Boot %s --\n", e.BootID.String())
		}
		last = e.BootID
		shown++
		return l.entry(e)
	}
	for e, err := range journal.Merge(files, backwards) {
		if l.a.ctx.Err() != nil {
			return l.a.ctx.Err()
		}
		if err != nil {
			l.errs.Add(err)
			continue
		}
		ok, err := l.filter.Match(e)
		l.errs.Add(err)
		if !ok {
			continue
		}
		if backwards && !newestFirst {
			if kept = append(kept, e); len(kept) == l.lines {
				break
			}
			continue
		}
		if err := print(e); err != nil {
			return err
		}
		if l.lines > 0 && shown == l.lines {
			break
		}
	}
	for _, e := range slices.Backward(kept) {
		if err := print(e); err != nil {
			return err
		}
	}
	if shown == 0 && logForms[l.output] != "" && !l.a.quiet {
		l.a.out.Printf("-- No entries --\n")
	}
	return nil
}

// entry prints one entry.
func (l *logRun) entry(e *journal.Entry) error {
	var errs []error
	var b []byte
	switch l.output {
	case "json":
		b, errs = journal.AppendJSON(nil, e)
		b = append(terminal.EscapeJSON(b), '\n')
	case "export":
		b, errs = journal.AppendExport(nil, e)
	default:
		var line journal.Line
		line, errs = journal.NewLine(e)
		l.line(&line)
	}
	for _, err := range errs {
		l.errs.Add(err)
	}
	if _, err := l.a.raw.Write(b); err != nil {
		return &outputError{err}
	}
	if err := l.a.out.Err(); err != nil {
		return &outputError{err}
	}
	return nil
}

// line prints an entry in a form for people.
func (l *logRun) line(x *journal.Line) {
	if x.Message == nil {
		return
	}
	head := ""
	if layout := logForms[l.output]; layout != "" {
		head = x.Head(layout, l.zone)
	}
	style := terminal.Plain
	switch {
	case x.Priority < 0:
	case x.Priority <= 3:
		style = terminal.Red
	case x.Priority == 4:
		style = terminal.Yellow
	case x.Priority == 5:
		style = terminal.Bold
	case x.Priority == 7:
		style = terminal.Dim
	}
	for i, text := range x.Text(l.all) {
		if i > 0 {
			head = strings.Repeat(" ", len(head))
		}
		l.a.out.Printf("%s%s\n", head, style.In(string(text)))
	}
}

// listBoots prints the boots, the last as 0.
func (l *logRun) listBoots(files []*journal.File) error {
	boots := journal.Boots(files, l.errs.Add)
	t := &terminal.Table{Right: "r"}
	t.Head("IDX", "BOOT ID", "FIRST ENTRY", "LAST ENTRY")
	const layout = "Mon 2006-01-02 15:04:05 MST"
	for i, b := range boots {
		index := i - len(boots) + 1
		first, last := journal.Time(b.First).In(l.zone), journal.Time(b.Last).In(l.zone)
		if l.output == "json" {
			if err := l.a.line(bootDoc{index, b.ID.String(), first.Format(time.RFC3339Nano), last.Format(time.RFC3339Nano)}); err != nil {
				return err
			}
			continue
		}
		t.Row(index, b.ID.String(), first.Format(layout), last.Format(layout))
	}
	if l.output != "json" {
		l.a.out.Table(t)
	}
	return nil
}

// chooseBoot turns --boot into an ID.
func (l *logRun) chooseBoot(files []*journal.File) error {
	if l.boot == "" {
		return nil
	}
	if id, ok := journal.ParseID(l.boot); ok {
		l.filter.Boot = &id
		return nil
	}
	boots := journal.Boots(files, func(error) {}) // the entries are read once more
	i, err := strconv.Atoi(l.boot)
	if err != nil {
		return usagef("--boot is an ID of 32 digits or a number, not %q", l.boot)
	}
	if i <= 0 {
		i += len(boots)
	}
	if i < 1 || i > len(boots) {
		return nothingf("there is no boot %s in the journal; it has %d", l.boot, len(boots))
	}
	l.filter.Boot = &boots[i-1].ID
	return nil
}
