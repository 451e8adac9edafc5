package journal

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

// folders are where journald keeps its files.
var folders = []string{"var/log/journal", "run/log/journal"}

// Find returns the names of the journal files of a system in the tree of its
// files: those of all machines and namespaces that logged there, of their users,
// and those that journald has set aside as damaged (".journal~"). Without any the
// error wraps fs.ErrNotExist; a folder that cannot be read is in the error beside
// what was found.
func Find(fsys fs.FS) ([]string, error) {
	var out []string
	var failed []error
	add := func(dir string) (folders []string) {
		list, err := fs.ReadDir(fsys, dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
		for _, e := range list {
			switch name := e.Name(); {
			case e.IsDir():
				id, _, _ := strings.Cut(name, ".")
				if _, ok := ParseID(id); ok {
					folders = append(folders, path.Join(dir, name))
				}
			case strings.HasSuffix(name, ".journal"), strings.HasSuffix(name, ".journal~"):
				out = append(out, path.Join(dir, name))
			}
		}
		return folders
	}
	for _, dir := range folders {
		for _, machine := range add(dir) {
			add(machine)
		}
	}
	if len(out) == 0 && len(failed) == 0 {
		return nil, &fs.PathError{Op: "open", Path: folders[0], Err: fs.ErrNotExist}
	}
	return out, errors.Join(failed...)
}
