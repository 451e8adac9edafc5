package vfs_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestDev: each filesystem of a tree has a number, by whatever way a file is
// reached, and one that is mounted twice has one.
func TestDev(t *testing.T) {
	root := testimg.MapFS(t, fstest.MapFS{"a/.dir": file(""), "b/.dir": file(""), "x": file("x")}, vfs.Info{Type: "root"})
	boot := testimg.MapFS(t, fstest.MapFS{"sub/.dir": file(""), "y": file("y")}, vfs.Info{Type: "boot"})
	joined, err := vfs.Join([]vfs.Mount{{Path: ".", FS: root}, {Path: "a", FS: boot}, {Path: "b", FS: boot}, {Path: "D:", FS: root, Drive: true}})
	if err != nil {
		t.Fatal(err)
	}
	dev := func(fi fs.FileInfo, err error) uint64 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		st, ok := vfs.StatOf(fi)
		if !ok {
			t.Fatal("no Stat")
		}
		return st.Dev >> 32
	}
	for name, want := range map[string]uint64{".": 1, "x": 1, "a": 2, "a/y": 2, "a/sub/.dir": 2, "b/y": 2, "D:/x": 1} {
		if got := dev(joined.Stat(name)); got != want {
			t.Errorf("%s: Stat: %d, want %d", name, got, want)
		}
		f, err := joined.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := dev(f.Stat()); got != want {
			t.Errorf("%s: Open: %d, want %d", name, got, want)
		}
		n, err := vfs.Find(joined, name, true)
		if err != nil {
			t.Fatal(err)
		}
		if got := dev(n.Info(), nil); got != want {
			t.Errorf("%s: Find: %d, want %d", name, got, want)
		}
	}
	es, err := joined.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		want := map[string]uint64{"a": 2, "b": 2, "x": 1}[e.Name()]
		if got := dev(e.Info()); got != want {
			t.Errorf("%s: ReadDir: %d, want %d", e.Name(), got, want)
		}
	}
	sub, err := vfs.Sub(joined, "a")
	if err != nil {
		t.Fatal(err)
	}
	if got := dev(sub.Stat("y")); got != 2 {
		t.Errorf("Sub: %d", got)
	}

	// A view owns nothing, and ends with what it shows.
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
	if _, err := sub.Stat("y"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a view that is closed: %v", err)
	}
	if _, err := joined.Stat("a/y"); err != nil {
		t.Errorf("what it showed: %v", err)
	}
	if err := errors.Join(boot.Close(), boot.Close()); err != nil {
		t.Error(err)
	}
	if _, err := joined.Stat("x"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a view of what is closed: %v", err)
	}
}
