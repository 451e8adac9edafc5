package vfs_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestDrives says that drives are trees beside each other, and that links
// lead from one into another.
func TestDrives(t *testing.T) {
	c := testimg.MapFS(t, fstest.MapFS{
		"x":         file("x on C"),
		"dir/out":   link("/D:/dir/x"),
		"dir/round": link("/d:/dir/back"),
		"dir/home":  link("/C:/x"),
	}, vfs.Info{Type: "c"})
	d := testimg.MapFS(t, fstest.MapFS{
		"x":        file("x on D"),
		"dir/x":    file("below"),
		"dir/root": link("/x"),
		"dir/up":   link("../../../x"),
		"dir/back": link("/C:/x"),
		"loop":     link("/D:/loop"),
	}, vfs.Info{Type: "d"})
	fsys, err := vfs.Join([]vfs.Mount{{Path: ".", FS: c}, {Path: "C:", FS: c, Drive: true}, {Path: "D:", FS: d, Drive: true}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"x": "x on C", "C:/x": "x on C", "D:/x": "x on D", "d:/x": "x on D", "dir/out": "below", "D:/dir/root": "x on D", "D:/dir/up": "x on D",
		"D:/dir/back": "x on C", "dir/round": "x on C", "dir/home": "x on C",
	} {
		if got, err := fs.ReadFile(fsys, name); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
	for name, class := range map[string]error{"E:/x": fs.ErrNotExist, "dir/D:/x": fs.ErrNotExist, "D:/D:x": fs.ErrNotExist, "D:/loop": block.ErrLoop} {
		if _, err := fsys.Open(name); !errors.Is(err, class) {
			t.Errorf("%s: %v, want %v", name, err, class)
		}
	}
	for dir, want := range map[string]int{".": 2, "D:": 3, "d:/dir": 4} {
		if es, err := fsys.ReadDir(dir); err != nil || len(es) != want {
			t.Errorf("%s lists %v, %v", dir, es, err)
		}
	}
	if fi, err := fsys.Stat("D:"); err != nil || !fi.IsDir() {
		t.Errorf("D: is %v, %v", fi, err)
	}
	if err := fstest.TestFS(fsys, "x", "dir"); err != nil {
		t.Error(err)
	}
	sub, err := vfs.Sub(fsys, "dir")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sub.Stat("D:"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a drive is seen from below: %v", err)
	}
	if fsys.Info().Type != "c" {
		t.Errorf("the tree is of type %s", fsys.Info().Type)
	}
}
