package vfs_test

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

func link(target string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o644} }

func TestSubIsARootOfItsOwn(t *testing.T) {
	data := testimg.MapFS(t, fstest.MapFS{"d": file("mounted")}, vfs.Info{})
	base := testimg.MapFS(t, fstest.MapFS{
		"secret":       file("outside"),
		"a/b/secret":   file("inside"),
		"a/b/abs":      link("/secret"),
		"a/b/up":       link("../../../secret"),
		"a/b/mnt/.dir": file(""),
		"link":         link("a/b"),
	}, vfs.Info{})
	joined, err := vfs.Join([]vfs.Mount{{Path: ".", FS: base}, {Path: "a/b/mnt", FS: data}})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := vfs.Sub(joined, "link")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"secret": "inside", "abs": "inside", "up": "inside", "mnt/d": "mounted"} {
		if got, err := fs.ReadFile(sub, name); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := vfs.Sub(base, "secret"); err == nil {
		t.Error("a file became a root")
	}
	if err := fstest.TestFS(sub, "secret", "mnt/d"); err != nil {
		t.Error(err)
	}
}

// TestKindsOfErrors: what is no directory, or one, is an error of the host's kinds.
func TestKindsOfErrors(t *testing.T) {
	fsys := testimg.MapFS(t, fstest.MapFS{"d/f": file("")}, vfs.Info{})
	_, list := fs.ReadDir(fsys, "d/f")
	_, under := fs.Stat(fsys, "d/f/x")
	_, sub := vfs.Sub(fsys, "d/f")
	for _, err := range []error{list, under, sub} {
		if !errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v is not ENOTDIR", err)
		}
	}
	if _, err := fs.ReadFile(fsys, "d"); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("%v is not EISDIR", err)
	}
}
