//go:build !linux

package convert

import (
	"errors"
	"os"
	"runtime"
)

// claim does nothing where sweep does nothing.
func claim(f *os.File) error { return setSparse(f) }

// sweep does nothing: whether a temporary file is in use cannot be told.
func sweep(string) {}

func umask() os.FileMode { return 0o022 }

// rename gives f its name. Without replace it fails where that exists.
func rename(f *os.File, path string, replace bool) error {
	if runtime.GOOS == "windows" {
		f.Close() // an open file cannot be renamed there
	}
	if replace {
		return os.Rename(f.Name(), path)
	}
	return linkAndRemove(f.Name(), path)
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
