package format

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/guestkit/guestkit/block"
)

// A hostFolder is a directory of this machine.
type hostFolder struct {
	dir     string // absolute, with symbolic links resolved
	spelled string // absolute, as the user said it
}

// HostFolder returns the directory of this machine at path. Files below it may
// be opened too; no link leads out of it.
func HostFolder(path string) (Folder, error) {
	d, err := newHostFolder(path)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func newHostFolder(path string) (*hostFolder, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return &hostFolder{dir: resolved(abs), spelled: abs}, nil
}

// folderOf is the directory of the file at path itself, where that is a
// symbolic link.
func folderOf(path string) *hostFolder {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	d := &hostFolder{dir: filepath.Dir(resolved(abs)), spelled: filepath.Dir(abs)}
	if resolved(d.spelled) != d.dir {
		d.spelled = d.dir // the file itself is a link
	}
	return d
}

// resolved is a path without symbolic links, or the path as it is where that
// cannot be told.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

func isSeparator(r rune) bool { return r == '/' || r < 0x80 && os.IsPathSeparator(uint8(r)) }

// inside is a path as one relative to the folder, if it leads there. What an
// image says may be spelled either way.
func (d *hostFolder) inside(path string) (string, bool) {
	if !filepath.IsAbs(path) {
		return path, filepath.IsLocal(path)
	}
	for _, dir := range []string{d.dir, d.spelled} {
		if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
			return rel, true
		}
	}
	return "", false
}

// errOutside says that a name leads out of a folder.
var errOutside = fmt.Errorf("%w: it does not lie in the folder", block.ErrRefused)

// Open opens a regular file in the folder or below. Every open goes through an
// os.Root, so that neither ".." nor a symbolic link leads out of it.
func (d *hostFolder) Open(name string) (Source, error) {
	rel, ok := d.inside(name)
	if !ok {
		return nil, errOutside
	}
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return d.open(root, rel)
}

// open opens a regular file in the root, which is that of the folder.
func (d *hostFolder) open(root *os.Root, name string) (*HostFile, error) {
	fi, err := root.Stat(name)
	if err == nil {
		err = usable(name, fi, false)
	}
	if err != nil {
		return nil, err
	}
	f, err := root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	h, err := newHostFile(f, false)
	if err != nil {
		return nil, err
	}
	h.path = resolved(filepath.Join(d.dir, name))
	return h, nil
}

// Names lists the files of the folder.
func (d *hostFolder) Names() ([]string, error) {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}
