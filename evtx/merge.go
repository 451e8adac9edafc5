package evtx

import (
	"errors"
	"io/fs"
	"iter"
	"path"
	"strings"

	"github.com/guestkit/guestkit/internal/merge"
)

// Merge lists the records of several logs by the time when they were written, or
// the last first. An error takes the place of each one that cannot be read.
func Merge(files []*File, reverse bool) iter.Seq2[*Record, error] {
	var logs []iter.Seq2[*Record, error]
	for _, f := range files {
		logs = append(logs, f.Records(reverse))
	}
	return merge.All(logs, func(a, b *Record) int {
		if reverse {
			a, b = b, a
		}
		return a.Time.Compare(b.Time)
	}, false)
}

// Logs is the folder of the event logs below that of Windows.
const Logs = "System32/winevt/Logs"

// Find returns the names of the event logs of a Windows in the tree of its files,
// of which root is the folder of Windows. Names match a pattern of path.Match, in
// any case and without the ending .evtx: "System", "*PowerShell*". A slash in it is
// one of the name of a channel, as in "Microsoft-Windows-GroupPolicy/Operational".
// Without any the error wraps fs.ErrNotExist.
func Find(fsys fs.FS, root, pattern string) ([]string, error) {
	dir := path.Join(root, Logs)
	list, err := fs.ReadDir(fsys, dir)
	if err != nil && !(len(list) > 0 && !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	pattern = strings.ToLower(strings.ReplaceAll(pattern, "/", "%4"))
	pattern = strings.TrimSuffix(pattern, ".evtx")
	var out []string
	for _, e := range list {
		name, ok := strings.CutSuffix(strings.ToLower(e.Name()), ".evtx")
		if !ok || e.IsDir() {
			continue
		}
		match, perr := path.Match(pattern, name)
		if perr != nil {
			return nil, perr
		}
		if match || pattern == name {
			out = append(out, path.Join(dir, e.Name()))
		}
	}
	if len(out) == 0 && err == nil {
		err = &fs.PathError{Op: "open", Path: path.Join(dir, pattern+".evtx"), Err: fs.ErrNotExist}
	}
	return out, err
}
