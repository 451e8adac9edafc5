package vfs_test

import (
	"io/fs"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// A lone inode is the root of a filesystem that has nothing else.
type lone struct{ st vfs.Stat }

func (l *lone) Root() (vfs.Inode, error)           { return l, nil }
func (l *lone) Info() vfs.Info                     { return vfs.Info{} }
func (l *lone) Problems() []error                  { return nil }
func (l *lone) Stat() *vfs.Stat                    { return &l.st }
func (l *lone) ReadDir() ([]vfs.Entry, error)      { return nil, nil }
func (l *lone) Lookup(string) (vfs.Inode, error)   { return nil, fs.ErrNotExist }
func (l *lone) Child(vfs.Entry) (vfs.Inode, error) { return nil, fs.ErrNotExist }
func (l *lone) ReadLink() (string, error)          { return "", fs.ErrInvalid }
func (l *lone) Content() (block.Device, error)     { return nil, fs.ErrInvalid }
func (l *lone) Xattrs() ([]vfs.Xattr, error)       { return nil, nil }
func loneInfo(t *testing.T, st vfs.Stat) fs.FileInfo {
	t.Helper()
	fsys, err := vfs.New(&lone{st})
	if err != nil {
		t.Fatal(err)
	}
	fi, err := fsys.Lstat(".")
	if err != nil {
		t.Fatal(err)
	}
	return fi
}
