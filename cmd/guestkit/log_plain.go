package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/pattern"
	"github.com/guestkit/guestkit/internal/wrapped"
)

// plainLogs are the logs that are printed where there is no journal and none was
// named: the first that is there.
var plainLogs = []string{"var/log/syslog", "var/log/messages"}

// logDir is where names of logs begin.
const logDir = "var/log"

// plain prints logs that are text, each with those that were rotated.
func (l *logRun) plain(t *guestTree, names []string) error {
	if l.boots || l.boot != "" || l.since != "" || l.until != "" || l.priority != "" || len(l.units) > 0 || len(l.idents) > 0 || l.kernel || l.reverse || l.output == "export" || l.output == "xml" {
		if len(names) == 0 {
			return nothingf("there is no journal in /var/log/journal, and the lines of plain logs have no fields to choose by; use --grep and --lines")
		}
		return usagef("the lines of plain logs have no fields to choose by; use --grep and --lines")
	}
	if len(names) == 0 {
		for _, name := range plainLogs {
			if fi, err := fs.Stat(t, name); err == nil && fi.Mode().IsRegular() {
				names = []string{"/" + name}
				break
			}
		}
		if len(names) == 0 {
			return nothingf("there is no journal in /var/log/journal, no /var/log/syslog and no /var/log/messages; give the NAME of a log")
		}
	}
	for _, name := range names {
		files, err := l.rotated(t, name)
		if err != nil {
			l.errs.Add(err)
			continue
		}
		if err := l.text(t, files); err != nil {
			return err
		}
	}
	return nil
}

// rotatedName is what logrotate appends to a name: a number, or a date, and how it
// was compressed.
var rotatedName = pattern.Of(`^(?:[.-]([0-9]{1,4})|[.-]([0-9]{8}(?:[-_T.]?[0-9]{2,10})?))(\.gz|\.xz|\.zst|\.bz2)?$`)

// rotated lists a log and those that were rotated, the oldest first.
func (l *logRun) rotated(t *guestTree, name string) ([]string, error) {
	p, err := t.path(name)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(name, "/") && !(t.windows() && strings.ContainsAny(name, `\:`)) {
		p = path.Join(logDir, p)
	}
	dir, base := path.Split(p)
	type old struct {
		name, date string
		number     int
	}
	var olds []old
	list, err := t.ReadDir(path.Clean(dir))
	if err != nil {
		return nil, guestError(p, err)
	}
	found := false
	for _, e := range list {
		rest, ok := strings.CutPrefix(e.Name(), base)
		switch {
		case !ok || e.IsDir():
		case rest == "":
			found = true
		default:
			if m := rotatedName().FindStringSubmatch(rest); m != nil {
				n, _ := strconv.Atoi(m[1])
				olds = append(olds, old{dir + e.Name(), m[2], n})
			}
		}
	}
	slices.SortStableFunc(olds, func(a, b old) int {
		if a.date != b.date { // those with a date are older than those with a number
			if a.date == "" || b.date == "" {
				return -strings.Compare(a.date, b.date)
			}
			return strings.Compare(a.date, b.date)
		}
		return b.number - a.number
	})
	var out []string
	for _, o := range olds {
		out = append(out, o.name)
	}
	if found || len(out) == 0 { // the error says that there is none
		out = append(out, p)
	}
	return out, nil
}

// logLine is a line of a plain log, with --json.
type logLine struct {
	Path  string `json:"path"`
	Text  string `json:"text"`
	Bytes string `json:"text_bytes,omitempty"` // base64, where the text is no UTF-8
}

// maxKept bounds the memory for the last lines.
const maxKept = 64 << 20

// keptLine is one of the last lines.
type keptLine struct {
	path string
	text []byte
}

// text prints the lines of files, one behind the other. Where the last ones are
// wanted it begins with the newest file, and reads no more of them than it needs.
func (l *logRun) text(t *guestTree, names []string) error {
	if l.lines > 0 {
		return l.lastText(t, names)
	}
	for _, name := range names {
		err := l.textFile(t, name, func(line []byte) error {
			if !l.wanted(line) {
				return nil
			}
			return l.textLine(name, line)
		})
		if err := l.textFault(name, err); err != nil {
			return err
		}
	}
	return nil
}

// wanted reports whether a line is one that is asked for.
func (l *logRun) wanted(line []byte) bool {
	return l.filter.Message == nil || l.filter.Message.Match(line)
}

// textFault keeps an error of a file. It returns one that ends the command.
func (l *logRun) textFault(name string, err error) error {
	var out *outputError
	switch {
	case errors.As(err, &out) || l.a.ctx.Err() != nil:
		return err
	case err != nil:
		l.errs.Add(guestError(name, err))
	}
	return nil
}

// lastText prints the last lines of files.
func (l *logRun) lastText(t *guestTree, names []string) error {
	var files [][]keptLine // the newest first
	left, room := l.lines, maxKept
	for _, name := range slices.Backward(names) {
		var last lastLines
		err := l.textFile(t, name, func(line []byte) error {
			if l.wanted(line) {
				last.add(keptLine{name, bytes.Clone(line)}, left, room)
			}
			return nil
		})
		if err := l.textFault(name, err); err != nil {
			return err
		}
		if last.cut {
			l.errs.Add(pathError(shownPath(name), fmt.Errorf("%w: the last %d lines have more than %d bytes; the first of them are left out", block.ErrLimit, l.lines, maxKept)))
		}
		files = append(files, last.lines())
		left, room = left-last.n, room-last.size
		if left == 0 || last.cut {
			break
		}
	}
	for _, kept := range slices.Backward(files) {
		for _, k := range kept {
			if err := l.textLine(k.path, k.text); err != nil {
				return err
			}
		}
	}
	return nil
}

// lastLines keeps the last lines that are added.
type lastLines struct {
	ring    []keptLine // that grows up to the number of lines
	first   int        // the oldest one
	n, size int
	cut     bool // there is no room for as many as are wanted
}

// add keeps a line, of at most that many lines and bytes.
func (r *lastLines) add(k keptLine, most, room int) {
	if r.n == len(r.ring) && r.n < most {
		grown := make([]keptLine, min(max(2*r.n, 64), most))
		copy(grown, r.lines())
		r.ring, r.first = grown, 0
	}
	if r.n == most {
		r.drop()
	}
	r.ring[(r.first+r.n)%len(r.ring)] = k
	r.n++
	r.size += len(k.text)
	for r.size > room && r.n > 0 {
		r.drop()
		r.cut = true
	}
	if r.n == most {
		r.cut = false // of those that were dropped none is wanted any more
	}
}

// drop forgets the oldest line.
func (r *lastLines) drop() {
	r.size -= len(r.ring[r.first].text)
	r.ring[r.first] = keptLine{}
	r.first = (r.first + 1) % len(r.ring)
	r.n--
}

// lines are those that are kept, the oldest first.
func (r *lastLines) lines() []keptLine {
	var out []keptLine
	for i := range r.n {
		out = append(out, r.ring[(r.first+i)%len(r.ring)])
	}
	return out
}

// textFile calls each for the lines of a file, which may be compressed.
func (l *logRun) textFile(t *guestTree, name string, each func([]byte) error) error {
	f, err := t.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || fi.IsDir() {
		return errors.Join(err, errIsDir)
	}
	var r io.Reader = &interruptible{l.a, f}
	if ext := strings.TrimPrefix(path.Ext(name), "."); slices.Contains([]string{"gz", "xz", "zst", "bz2"}, ext) {
		if r, err = wrapped.NewReader(ext, bufio.NewReader(r), wrapped.Limits{Size: int64(l.src.max), Ratio: int64(l.src.ratio)}); err != nil {
			return err
		}
	}
	b := bufio.NewReaderSize(r, 256<<10)
	for {
		line, err := readLine(b)
		if len(line) > 0 {
			if err := each(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (l *logRun) textLine(name string, line []byte) error {
	if l.output == "json" {
		text := strings.ToValidUTF8(string(line), "\uFFFD")
		if err := l.a.line(logLine{shownPath(name), text, rawBytes(text, string(line))}); err != nil {
			return &outputError{err}
		}
		return nil
	}
	l.a.out.Printf("%s\n", string(line))
	if err := l.a.out.Err(); err != nil {
		return &outputError{err}
	}
	return nil
}
