package evtx

import (
	"errors"
	"io/fs"
	"iter"
	"path"
	"strings"
)

// Merge lists the records of several logs by the time when they were written, or
// the last first. An error takes the place of each one that cannot be read.
func Merge(files []*File, reverse bool) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		type head struct {
			next func() (*Record, error, bool)
			r    *Record
		}
		advance := func(h *head) (more, goOn bool) {
			for {
				r, err, ok := h.next()
				if !ok {
					return false, true
				}
				if err == nil {
					h.r = r
					return true, true
				}
				if !yield(nil, err) {
					return false, false
				}
			}
		}
		var heads []*head
		for _, f := range files {
			next, stop := iter.Pull2(f.Records(reverse))
			defer stop()
			h := &head{next: next}
			more, goOn := advance(h)
			if !goOn {
				return
			}
			if more {
				heads = append(heads, h)
			}
		}
		for len(heads) > 0 {
			first := 0
			for i, h := range heads {
				if c := h.r.Time.Compare(heads[first].r.Time); c < 0 && !reverse || c > 0 && reverse {
					first = i
				}
			}
			if !yield(heads[first].r, nil) {
				return
			}
			more, goOn := advance(heads[first])
			if !goOn {
				return
			}
			if !more {
				heads = append(heads[:first], heads[first+1:]...)
			}
		}
	}
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
