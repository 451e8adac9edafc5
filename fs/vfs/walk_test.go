package vfs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"weak"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

func join(t testing.TB, mounts ...vfs.Mount) vfs.FS {
	t.Helper()
	fsys, err := vfs.Join(mounts)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

func find(t testing.TB, fsys vfs.FS, name string) *vfs.Node {
	t.Helper()
	n, err := vfs.Find(fsys, name, false)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRawNamesAreNoPaths has names that would lead elsewhere if they were joined
// as they are: the metadata is that of the file, not of a mount.
func TestRawNamesAreNoPaths(t *testing.T) {
	for _, name := range []string{"../boot", "..", "boot/efi", "./boot"} {
		name := vfs.Escape(name)
		base := testimg.MapFS(t, fstest.MapFS{"boot/efi/keep": file(""), "dir/boot/efi/x": file(""), "dir/" + name: file("seven77"), name: file("seven77")}, vfs.Info{})
		boot := testimg.MapFS(t, fstest.MapFS{"efi/kernel": file("of the mount")}, vfs.Info{})
		efi := testimg.MapFS(t, fstest.MapFS{"loader": file("of the mount")}, vfs.Info{})
		fsys := join(t, vfs.Mount{Path: ".", FS: base}, vfs.Mount{Path: "boot", FS: boot}, vfs.Mount{Path: "boot/efi", FS: efi})
		for _, dir := range []string{".", "dir"} {
			es, err := fsys.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(es, func(e fs.DirEntry) bool { return e.Name() == name })
			if fi, err := es[i].Info(); err != nil || fi.IsDir() || fi.Size() != 7 {
				t.Errorf("%q in %s is %v, %v", name, dir, fi, err)
			}
			children, err := find(t, fsys, dir).Children()
			if err != nil {
				t.Fatal(err)
			}
			i = slices.IndexFunc(children, func(c vfs.Child) bool { return vfs.Escape(c.Name()) == name })
			if n, err := children[i].Node(); err != nil || n.Stat().Size != 7 || n.Mounted() {
				t.Errorf("%q in %s is %v, %v", name, dir, n, err)
			}
			p := strings.TrimPrefix(dir+"/"+name, "./")
			if b, err := fs.ReadFile(fsys, p); err != nil || string(b) != "seven77" {
				t.Errorf("%s reads %q, %v", p, b, err)
			}
		}
	}
}

func TestWalk(t *testing.T) {
	base := testimg.MapFS(t, fstest.MapFS{"a/x": file("1"), "a-b": file("2"), "boot/hidden": file("3"), "l": link("a"), "latin1-\uEFE9/y": file("4")}, vfs.Info{})
	boot := testimg.MapFS(t, fstest.MapFS{"efi/kernel": file("5")}, vfs.Info{})
	fsys := join(t, vfs.Mount{Path: ".", FS: base}, vfs.Mount{Path: "boot", FS: boot})
	walk := func(from string, o *vfs.WalkOptions) (paths, raw []string) {
		err := vfs.Walk(context.Background(), find(t, fsys, from), o, func(n *vfs.Node, err error) error {
			paths, raw = append(paths, n.Path()), append(raw, n.RawPath())
			if n.Name() == "a" {
				return fs.SkipDir
			}
			if n.Mounted() != (n.Path() == "boot" && from != "boot") {
				t.Errorf("%s: mounted %v", n.Path(), n.Mounted())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	all := []string{".", "a", "a-b", "boot", "boot/efi", "boot/efi/kernel", "l", "latin1-\uEFE9", "latin1-\uEFE9/y"}
	paths, raw := walk(".", nil)
	if !slices.Equal(paths, all) {
		t.Errorf("%q", paths)
	}
	if raw[8] != "latin1-\xe9/y" {
		t.Errorf("%q", raw)
	}
	if paths, _ = walk(".", &vfs.WalkOptions{OneFilesystem: true}); !slices.Equal(paths, append(slices.Clone(all[:4]), all[6:]...)) {
		t.Errorf("one filesystem: %q", paths)
	}
	if paths, _ = walk("boot", nil); !slices.Equal(paths, all[3:6]) {
		t.Errorf("from boot: %q", paths)
	}
	if b, err := fs.ReadFile(fsys, paths[2]); err != nil || string(b) != "5" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestWalkDeep has a directory too deep, which is told and not entered, and one
// that is its own ancestor.
func TestWalkDeep(t *testing.T) {
	fsys := testimg.MapFS(t, fstest.MapFS{strings.Repeat("d/", 30) + "x": file("")}, vfs.Info{})
	var errs []error
	count := 0
	err := vfs.Walk(context.Background(), find(t, fsys, "."), &vfs.WalkOptions{MaxDepth: 10}, func(n *vfs.Node, err error) error {
		if err != nil {
			errs = append(errs, err)
		} else {
			count++
		}
		return nil
	})
	if err != nil || count != 11 || len(errs) != 1 || !errors.Is(errs[0], block.ErrLimit) {
		t.Errorf("%d visited, %v, %v", count, errs, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := vfs.Walk(ctx, find(t, fsys, "."), nil, func(*vfs.Node, error) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestWalkKeeps: who keeps a file that a walk has met keeps the directories above it, and
// not all that the walk has met.
func TestWalkKeeps(t *testing.T) {
	files := fstest.MapFS{}
	for i := range 1000 {
		files[fmt.Sprintf("%d/%d/%d/file", i/100, i/10%10, i%10)] = file("")
	}
	var dirs []weak.Pointer[vfs.Node]
	var last *vfs.Node
	err := vfs.Walk(t.Context(), find(t, testimg.MapFS(t, files, vfs.Info{}), "."), nil, func(n *vfs.Node, err error) error {
		if n.Stat().Mode.IsDir() {
			dirs = append(dirs, weak.Make(n))
		}
		last = n
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	kept := 0
	for _, d := range dirs {
		if d.Value() != nil {
			kept++
		}
	}
	if len(dirs) != 1111 || kept > 40 {
		t.Errorf("%d of %d directories are kept", kept, len(dirs))
	}
	runtime.KeepAlive(last)
}
