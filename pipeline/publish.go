package pipeline

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// begin makes the folder of the output, and is an error where the output is there
// and nothing allows to replace it.
func (t *Task) begin(replace bool) error {
	if err := os.MkdirAll(filepath.Dir(t.Output), 0o777); err != nil {
		return err
	}
	if _, err := os.Lstat(t.Output); err == nil && !replace && !t.Again {
		return &fs.PathError{Op: "write", Path: t.Output, Err: fs.ErrExist}
	}
	if t.Again || t.left { // nobody else writes this output: the journal is ours
		return removeParts(t.Output)
	}
	return nil
}

// publish writes the output as a file that appears when it is whole.
func (t *Task) publish(replace bool, write func(io.Writer) error) error {
	if err := t.begin(replace); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(t.Output), partName(t.Output))
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // it is gone under that name where all went well
	err = write(tmp)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := t.Placing(t.Output, tmp.Name()); err != nil {
		return err
	}
	if replace || t.Again {
		err = os.Rename(tmp.Name(), t.Output)
	} else {
		err = renameNew(tmp.Name(), t.Output)
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(t.Output))
}

// partName is a pattern for what becomes the output.
func partName(output string) string { return "." + filepath.Base(output) + ".guestkit-*" }

// removeParts removes what a run that was killed has left beside its output.
func removeParts(output string) error {
	dir := filepath.Dir(output)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), strings.TrimSuffix(partName(output), "*")) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// renameNew gives a file a name that nothing has.
func renameNew(old, name string) error {
	err := os.Link(old, name)
	switch {
	case err == nil:
		return nil // the caller removes the old name
	case errors.Is(err, fs.ErrExist):
		return &fs.PathError{Op: "write", Path: name, Err: fs.ErrExist}
	}
	// A file system without hard links: the name is looked for once more.
	if _, err := os.Lstat(name); err == nil {
		return &fs.PathError{Op: "write", Path: name, Err: fs.ErrExist}
	}
	return os.Rename(old, name)
}

// syncFolder sees to it that names which files got last. Systems that cannot do
// that for folders need not.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	d.Sync()
	return nil
}
