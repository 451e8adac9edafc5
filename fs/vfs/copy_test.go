package vfs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// copyTo copies a whole tree into a folder and returns what failed, by path.
func copyTo(t *testing.T, fsys vfs.FS, dir string, o *vfs.CopyOptions) (map[string]error, *vfs.CopyCount, error) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if o == nil {
		o = &vfs.CopyOptions{}
	}
	failed := map[string]error{}
	o.OnError = func(path string, err error) { failed[path] = err }
	o.Progress = new(vfs.CopyCount)
	err = vfs.Copy(context.Background(), root, []vfs.CopyItem{{Node: find(t, fsys, "."), As: "."}}, o)
	return failed, o.Progress, err
}

// TestCopyStaysInside has names and links that lead out of the destination, and
// a destination that links lead out of.
func TestCopyStaysInside(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs symbolic links")
	}
	outside := t.TempDir()
	dest := t.TempDir()
	os.WriteFile(filepath.Join(outside, "precious"), []byte("keep"), 0o600)
	os.Symlink(outside, filepath.Join(dest, "dir"))
	os.Symlink(filepath.Join(outside, "precious"), filepath.Join(dest, "file"))
	fsys := testimg.MapFS(t, fstest.MapFS{
		vfs.Escape("../precious"):      file("evil"),
		vfs.Escape(".."):               file("evil"),
		vfs.Escape("a/../../precious"): file("evil"),
		"dir/precious":                 file("evil"),
		"file":                         file("new"),
		"out":                          link(outside),
		"abs":                          link("/etc/passwd"),
		"sub/" + vfs.Escape("../../x"): file("evil"),
	}, vfs.Info{})
	failed, _, err := copyTo(t, fsys, dest, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(failed) != 1 || failed["dir"] == nil {
		t.Errorf("failed: %v, want dir alone", failed)
	}
	if b, _ := os.ReadFile(filepath.Join(outside, "precious")); string(b) != "keep" {
		t.Errorf("a file outside is %q", b)
	}
	if es, _ := os.ReadDir(outside); len(es) != 1 {
		t.Errorf("outside: %v", es)
	}
	if fi, err := os.Lstat(filepath.Join(dest, "file")); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("a link that was there is %v, %v", fi, err)
	}
	if to, err := os.Readlink(filepath.Join(dest, "abs")); err != nil || to != "/etc/passwd" {
		t.Errorf("the guest's link is %q, %v", to, err)
	}
}

func TestCopyLimits(t *testing.T) {
	m := fstest.MapFS{}
	for _, name := range []string{"a", "b", "c", "d/e", "d/f"} {
		m[name] = file(strings.Repeat("x", 1000))
	}
	fsys := testimg.MapFS(t, m, vfs.Info{})
	for _, o := range []*vfs.CopyOptions{{MaxBytes: 2500}, {MaxFiles: 3}} {
		dir := t.TempDir()
		if _, _, err := copyTo(t, fsys, dir, o); !errors.Is(err, block.ErrLimit) {
			t.Errorf("%v, want ErrLimit", err)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is no line", err)
		}
		filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if fi, _ := d.Info(); fi != nil && fi.Mode().IsRegular() && fi.Size() != 1000 {
				t.Errorf("%s is left half written", p)
			}
			return nil
		})
	}
}

func TestCopyAgain(t *testing.T) {
	m := fstest.MapFS{"a": file("same"), "b": file("will change")}
	for _, f := range m {
		f.ModTime = f.ModTime.AddDate(2000, 0, 0)
	}
	fsys := testimg.MapFS(t, m, vfs.Info{})
	dir := t.TempDir()
	o := &vfs.CopyOptions{SkipIdentical: true}
	if failed, n, err := copyTo(t, fsys, dir, o); err != nil || len(failed) > 0 || n.Files.Load() != 2 {
		t.Fatalf("%v, %v, %d files", failed, err, n.Files.Load())
	}
	os.WriteFile(filepath.Join(dir, "b"), []byte("will differ"), 0o600) // as long, at another time
	if failed, n, err := copyTo(t, fsys, dir, o); err != nil || len(failed) > 0 || n.Files.Load() != 1 || n.Identical.Load() != 1 {
		t.Errorf("%v, %v, %d files, %d identical", failed, err, n.Files.Load(), n.Identical.Load())
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "b")); string(b) != "will change" {
		t.Errorf("b is %q", b)
	}
}

func TestCopyNames(t *testing.T) {
	fsys := testimg.MapFS(t, fstest.MapFS{"x": file("")}, vfs.Info{})
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, as := range []string{"", "..", ".", "a/b", "../x"} {
		err := vfs.Copy(context.Background(), root, []vfs.CopyItem{{Node: find(t, fsys, "x"), As: as}}, nil)
		if !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("as %q: %v", as, err)
		}
	}
}

// TestTar reads an archive back by the standard library.
func TestTar(t *testing.T) {
	fsys := testimg.MapFS(t, fstest.MapFS{
		"etc/passwd": file("root"), "etc/link": link("/etc/passwd"), "null": special(fs.ModeDevice | fs.ModeCharDevice), "latin1-\uEFE9": file("x"),
		"pipe": special(fs.ModeNamedPipe), "sock": special(fs.ModeSocket), strings.Repeat("long/", 60) + "name": file("deep"), "skip/me": file("no"),
	}, vfs.Info{})
	write := func() []byte {
		var b bytes.Buffer
		count := new(vfs.TarCount)
		o := &vfs.TarOptions{Count: count, Exclude: func(below string, _ *vfs.Node) bool { return below == "skip" }}
		if err := vfs.Tar(context.Background(), &b, find(t, fsys, "."), o); err != nil {
			t.Fatal(err)
		}
		if count.Sockets != 1 || count.Special != 2 || count.Files != 3 {
			t.Errorf("%+v", count)
		}
		return b.Bytes()
	}
	b := write()
	if !bytes.Equal(b, write()) {
		t.Error("two archives of one tree differ")
	}
	var names []string
	content := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		text, _ := io.ReadAll(r)
		content[h.Name] = string(text)
	}
	for _, want := range []string{"./", "./etc/", "./etc/passwd", "./etc/link", "./null", "./pipe", "./latin1-\xe9", "./" + strings.Repeat("long/", 60) + "name"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %q in %q", want, names)
		}
	}
	if slices.Contains(names, "./skip/") || slices.Contains(names, "./sock") || content["./etc/passwd"] != "root" {
		t.Errorf("%q, %q", names, content)
	}
}
