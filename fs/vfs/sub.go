package vfs

import (
	"io/fs"
	"slices"
	"strings"
)

// Sub returns the tree below a directory of fsys, which New, Join or Sub made.
// That directory is its root as chroot(2) would have it: absolute links start
// there, and ".." does not climb above it. Mounts below dir stay, drives do not.
func Sub(fsys FS, dir string) (FS, error) {
	t, ok := fsys.(*tree)
	if !ok {
		return nil, errForeign
	}
	w, err := t.resolve("sub", dir, true)
	if err != nil {
		return nil, err
	}
	if !w.at().Stat().Mode.IsDir() {
		return nil, &fs.PathError{Op: "sub", Path: dir, Err: errNotDir}
	}
	sub := &tree{root: w.at(), drivers: slices.Clone(t.drivers), shown: slices.Clone(t.all()), problems: slices.Clone(t.problems), mounts: map[string]Inode{}}
	sub.devs = map[string]uint64{"": t.devOf(t.mountOf(w))}
	prefix := ""
	if name := w.name(); name != "" {
		prefix = name + "/"
	}
	for at, n := range t.mounts {
		if below, ok := strings.CutPrefix(at, prefix); ok && below != "" {
			sub.mounts[below] = n
			sub.devs[below] = t.devOf(at)
		}
	}
	return sub, nil
}
