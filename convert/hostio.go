package convert

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// renameFresh renames without replacing where the system has no call for that:
// by way of a second name or, where files have but one, over an empty file that
// stands in for a moment.
func renameFresh(old, path string) error {
	err := os.Link(old, path)
	if err == nil {
		return os.Remove(old)
	}
	if errors.Is(err, fs.ErrExist) {
		return createError(path, fs.ErrExist)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	if err := os.Rename(old, path); err != nil {
		os.Remove(path)
		return err
	}
	return nil
}

// leftovers lists the files of a folder whose names begin and end so.
func leftovers(dir, prefix, suffix string) []string {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	var out []string
	for {
		names, err := d.Readdirnames(1024)
		for _, name := range names {
			if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix) && len(name) > len(prefix)+len(suffix) {
				if path := filepath.Join(dir, name); own(path) {
					out = append(out, path)
				}
			}
		}
		if err != nil {
			slices.Sort(out)
			return out
		}
	}
}

// writeZeros writes n zeros at off.
func writeZeros(f *os.File, off, n int64) error {
	for n > 0 {
		part := min(n, int64(len(zeros)))
		if _, err := f.WriteAt(zeros[:part], off); err != nil {
			return err
		}
		off, n = off+part, n-part
	}
	return nil
}
