//go:build !linux

package convert

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// createTemp makes a file for the output at path, under another name.
func createTemp(path string) (f *os.File, temp string, err error) { return createNamed(path) }

// linkOpen is for files without names, of which there are none.
func linkOpen(*os.File, string) error { return errors.ErrUnsupported }

// claim locks nothing where sweep does nothing.
func claim(f *os.File) (kept bool, err error) { return true, setSparse(f) }

// sweep does nothing: whether a temporary file is in use cannot be told.
func sweep(string, func(Leftover)) {}

// own reports whether a file is a regular one.
func own(path string) bool {
	fi, err := os.Lstat(path)
	return err == nil && fi.Mode().IsRegular()
}

// lockDir keeps other runs out of a folder while a set of files gets its names,
// by a file that is there for as long.
func lockDir(dir string) (unlock func(), err error) {
	const patience = 10 * time.Second
	name := filepath.Join(dir, tempPrefix+"lock"+tempSuffix)
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return func() { f.Close(); os.Remove(name) }, nil
		}
		if time.Since(start) > patience {
			return nil, fmt.Errorf("another run writes here, or one that was killed has left %s: %w", name, err)
		}
	}
}

func umask() os.FileMode { return 0o022 }

// rename gives f, which is called old, another name. Without replace it fails
// where that exists.
func rename(f *os.File, old, path string, replace bool) error {
	if runtime.GOOS == "windows" {
		f.Close() // an open file cannot be renamed there
	}
	if replace {
		return os.Rename(old, path)
	}
	return renameFresh(old, path)
}

// syncDir asks for the folder to be durable, where folders can be synced.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// CloneRange cannot be done here.
func (f *File) CloneRange(off, n int64, src *os.File, srcOff int64) error {
	return errors.ErrUnsupported
}

// CopyRange cannot be done here.
func (f *File) CopyRange(off, n int64, src *os.File, srcOff int64) error {
	return errors.ErrUnsupported
}

// Allocate writes zeros.
func (f *File) Allocate(off, n int64) error { return writeZeros(f.File, off, n) }
