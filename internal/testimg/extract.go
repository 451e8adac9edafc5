package testimg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// Bounds of what Extract takes out of a filesystem, which may hold files of any size.
const (
	extractBytes = 1 << 20
	extractFiles = 200
)

// Extract copies what a filesystem holds into a folder of the host and archives it, as
// the commands cp and tar do, and returns the first error. It panics where no damage is
// to lead: if dir, which is empty, then holds more than the copy, or this holds a device
// or a bit that gives a privilege. The copy is removed.
func Extract(r block.Reader, open Opener, dir string) error {
	fsys, err := open(r)
	if err != nil {
		return err
	}
	defer fsys.Close()
	var first error
	note := func(err error) {
		if first == nil && !errors.Is(err, block.ErrLimit) { // the bounds are ours
			first = err
		}
	}
	top, err := vfs.Find(fsys, ".", false)
	if err != nil {
		return err
	}
	ctx := context.Background()
	dest := filepath.Join(dir, "dest")
	if err := os.Mkdir(dest, 0o700); err != nil {
		panic(err)
	}
	defer removeAll(dest)
	root, err := os.OpenRoot(dest)
	if err != nil {
		panic(err)
	}
	defer root.Close()
	note(vfs.Copy(ctx, root, []vfs.CopyItem{{Node: top, As: "."}}, &vfs.CopyOptions{
		MaxBytes: extractBytes, MaxFiles: extractFiles, OnError: func(_ string, err error) { note(err) }}))
	contained(dir, dest)
	if err := vfs.Tar(ctx, &bounded{extractBytes}, top, &vfs.TarOptions{OnError: func(_ string, err error) { note(err) }}); !errors.Is(err, errBounded) {
		note(err)
	}
	return first
}

// contained panics if the copy is not what a copy of a stranger's tree may be.
func contained(dir, dest string) {
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		panic(fmt.Sprintf("beside the destination: %v, %v", entries, err))
	}
	filepath.WalkDir(dest, func(path string, d fs.DirEntry, err error) error {
		if d == nil {
			panic(err)
		}
		if err != nil { // of a directory that its mode closes
			return nil
		}
		fi, err := d.Info()
		if err != nil {
			panic(err)
		}
		if m := fi.Mode(); m.Type()&^(fs.ModeDir|fs.ModeSymlink) != 0 || m&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
			panic(fmt.Sprintf("%s is %v", path, m))
		}
		return nil
	})
}

// removeAll removes a copy, whose directories may have any mode.
func removeAll(dir string) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && err == nil {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
}

var errBounded = errors.New("enough")

// bounded takes so many bytes.
type bounded struct{ left int }

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errBounded
	}
	return len(p), nil
}
