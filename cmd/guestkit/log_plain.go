package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
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
var rotatedName = regexp.MustCompile(`^(?:[.-]([0-9]{1,4})|[.-]([0-9]{8}(?:[-_T.]?[0-9]{2,10})?))(\.gz|\.xz|\.zst|\.bz2)?$`)

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
			if m := rotatedName.FindStringSubmatch(rest); m != nil {
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

// text prints the lines of files, one behind the other.
func (l *logRun) text(t *guestTree, names []string) error {
	var kept []keptLine
	size := 0
	for _, name := range names {
		err := l.textFile(t, name, func(line []byte) error {
			if l.filter.Message != nil && !l.filter.Message.Match(line) {
				return nil
			}
			if l.lines == 0 {
				return l.textLine(name, line)
			}
			kept = append(kept, keptLine{name, bytes.Clone(line)})
			size += len(line)
			for len(kept) > l.lines || size > maxKept {
				if len(kept) <= l.lines {
					l.errs.Add(pathError(shownPath(name), fmt.Errorf("%w: the last %d lines have more than %d bytes; the first of them are left out", block.ErrLimit, l.lines, maxKept)))
				}
				size -= len(kept[0].text)
				kept = kept[1:]
			}
			return nil
		})
		var out *outputError
		switch {
		case errors.As(err, &out) || l.a.ctx.Err() != nil:
			return err
		case err != nil:
			l.errs.Add(guestError(name, err))
		}
	}
	for _, k := range kept {
		if err := l.textLine(k.path, k.text); err != nil {
			return err
		}
	}
	return nil
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
