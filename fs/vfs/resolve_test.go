package vfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

func special(mode fs.FileMode) *fstest.MapFile { return &fstest.MapFile{Mode: mode | 0o600} }

func guest(t testing.TB) vfs.FS {
	m := fstest.MapFS{
		"etc/passwd":        file("guest"),
		"usr/lib/os":        file("os"),
		"lib":               link("usr/lib"),
		"abs":               link("/etc/passwd"),
		"above":             link("../../../../etc/passwd"),
		"usr/lib/up":        link("../../etc/passwd"),
		"usr/back":          link(".././/usr/./lib/os"),
		"a":                 link("b"),
		"b":                 link("a"),
		"self":              link("self/x"),
		"dangling":          link("nothing/here"),
		"empty":             link(""),
		"through":           link("etc/passwd/x"),
		"slash":             link("etc/"),
		"null":              special(fs.ModeDevice | fs.ModeCharDevice),
		"pipe":              special(fs.ModeNamedPipe),
		"latin1-\uEFE9":     file("bytes"),
		"to-latin1":         link("latin1-\xe9"),
		"dots/\uEF2E\uEF2E": file("a file that is named dot dot"),
	}
	for i := range 45 {
		m[fmt.Sprintf("chain/%d", i)] = link(fmt.Sprint(i + 1))
	}
	m["chain/45"] = file("end")
	return testimg.MapFS(t, m, vfs.Info{Type: "map"})
}

func TestResolve(t *testing.T) {
	fsys := guest(t)
	for name, want := range map[string]string{
		"etc/passwd": "guest", "lib/os": "os", "abs": "guest", "above": "guest", "usr/lib/up": "guest", "lib/up": "guest",
		"usr/back": "os", "latin1-\uEFE9": "bytes", "to-latin1": "bytes", "chain/5": "end", "null": "", "pipe": "",
		"dots/\uEF2E\uEF2E": "a file that is named dot dot",
	} {
		if got, err := fs.ReadFile(fsys, name); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
	for name, class := range map[string]error{
		"a": block.ErrLoop, "self": block.ErrLoop, "a/x": block.ErrLoop, "chain/4": block.ErrLoop, "dangling": fs.ErrNotExist, "empty": fs.ErrNotExist,
		"nothing": fs.ErrNotExist, "/etc": fs.ErrInvalid, "etc/../etc": fs.ErrInvalid, "": fs.ErrInvalid, "etc/": fs.ErrInvalid,
		"bad\xff": fs.ErrInvalid, strings.Repeat("usr/", 5000) + "x": fs.ErrNotExist, "dots/\uEF2E": fs.ErrNotExist,
	} {
		for op, f := range map[string]func(string) error{
			"open":    func(p string) error { _, err := fsys.Open(p); return err },
			"stat":    func(p string) error { _, err := fsys.Stat(p); return err },
			"readdir": func(p string) error { _, err := fsys.ReadDir(p); return err },
		} {
			err := f(name)
			var pe *fs.PathError
			if !errors.Is(err, class) || !errors.As(err, &pe) || pe.Op != op || pe.Path != name {
				t.Errorf("%s of %.40s: %v; want a PathError of %v", op, name, err, class)
			}
		}
	}
	if _, err := fsys.Stat("through"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file served as a directory: %v", err)
	}
}

// TestLongTargets lets a link stand for more elements than one path may have.
func TestLongTargets(t *testing.T) {
	fsys := testimg.MapFS(t, fstest.MapFS{"d/x": file("x"), "far": link(strings.Repeat("./", 4200) + "d/x"), "near": link(strings.Repeat("./", 4000) + "d/x")}, vfs.Info{})
	if _, err := fsys.Stat("far"); !errors.Is(err, block.ErrLimit) {
		t.Errorf("far: %v, want a limit", err)
	}
	if _, err := fsys.Stat("near"); err != nil {
		t.Error(err)
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	fsys := guest(t)
	if fi, err := fsys.Lstat("abs"); err != nil || fi.Mode()&fs.ModeSymlink == 0 || fi.Name() != "abs" {
		t.Error(fi, err)
	}
	if fi, err := fsys.Stat("abs"); err != nil || !fi.Mode().IsRegular() || fi.Name() != "abs" {
		t.Error(fi, err)
	}
	if got, err := fsys.ReadLink("to-latin1"); err != nil || got != "latin1-\uEFE9" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := fsys.ReadLinkRaw("to-latin1"); err != nil || got != "latin1-\xe9" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := fsys.ReadLink("etc"); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
	es, err := fsys.ReadDir("lib")
	if err != nil || len(es) != 2 || es[0].Name() != "os" || es[1].Type() != fs.ModeSymlink {
		t.Error(es, err)
	}
	for _, e := range es {
		if fi, err := e.Info(); err != nil || fi.Mode().Type() != e.Type() {
			t.Error(fi, err)
		}
	}
}

func TestConformance(t *testing.T) {
	fsys := testimg.MapFS(t, fstest.MapFS{"etc/passwd": file("guest"), "usr/lib/os": file("os"), "lib": link("usr/lib"), "latin1-\uEFE9": file("bytes")}, vfs.Info{})
	if err := fstest.TestFS(fsys, "etc/passwd", "lib", "usr/lib/os", "latin1-\uEFE9"); err != nil {
		t.Error(err)
	}
}

func TestFile(t *testing.T) {
	f, err := guest(t).Open("lib/os")
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(f, []byte("os")); err != nil {
		t.Error(err)
	}
	file := f.(*vfs.File)
	testimg.TestDevice(t, file, strings.NewReader("os"), 1)
	if _, err := file.Seek(-1, io.SeekStart); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
	if _, err := file.Seek(0, 9); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
	if at, err := file.Seek(-1, io.SeekEnd); at != 1 || err != nil {
		t.Error(at, err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"read":   func() error { _, err := file.Read(make([]byte, 1)); return err }(),
		"readat": func() error { _, err := file.ReadAt(make([]byte, 1), 0); return err }(),
		"seek":   func() error { _, err := file.Seek(0, 0); return err }(),
		"close":  file.Close(),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after close: %v", what, err)
		}
	}
}

func TestOpenDirectory(t *testing.T) {
	f, err := guest(t).Open("chain")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 1)); err == nil {
		t.Error("a directory was read as a file")
	}
	d := f.(fs.ReadDirFile)
	first, err := d.ReadDir(10)
	if err != nil || len(first) != 10 {
		t.Error(first, err)
	}
	rest, err := d.ReadDir(-1)
	if err != nil || len(rest) != 36 {
		t.Error(len(rest), err)
	}
	if none, err := d.ReadDir(1); len(none) != 0 || err != io.EOF {
		t.Error(none, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.ReadDir(-1); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

func TestJoin(t *testing.T) {
	root := guest(t)
	boot := testimg.MapFS(t, fstest.MapFS{"efi/.dir": file(""), "kernel": file("k"), "out": link("/etc/passwd"), "up": link("../lib/os")}, vfs.Info{Type: "boot"})
	esp := testimg.MapFS(t, fstest.MapFS{"loader": file("l"), "up": link("../kernel")}, vfs.Info{Type: "esp"})
	// Those higher up come first, whatever the order: boot lies where the link
	// lib leads, and has the directory efi.
	joined, err := vfs.Join([]vfs.Mount{{Path: ".", FS: root}, {Path: "usr/lib/efi", FS: esp}, {Path: "etc/passwd", FS: esp}, {Path: "nowhere", FS: esp}, {Path: "lib", FS: boot}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fs.ReadFile(joined, "usr/lib/efi/loader"); err != nil || string(got) != "l" {
		t.Errorf("usr/lib/efi/loader = %q, %v", got, err)
	}
	if p := joined.Problems(); len(p) != 2 || !errors.Is(p[1], fs.ErrNotExist) && !errors.Is(p[0], fs.ErrNotExist) {
		t.Errorf("problems: %v; want those of a file and of nothing to mount on", p)
	}
	joined, err = vfs.Join([]vfs.Mount{{Path: ".", FS: root}, {Path: "etc", FS: boot}, {Path: "etc/efi", FS: esp}})
	if err != nil || len(joined.Problems()) != 0 {
		t.Fatal(err, joined.Problems())
	}
	for name, want := range map[string]string{"etc/kernel": "k", "etc/efi/loader": "l", "etc/efi/up": "k", "etc/up": "os", "lib/os": "os"} {
		if got, err := fs.ReadFile(joined, name); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
	// What lies under a mount is hidden, also from links.
	for _, name := range []string{"etc/passwd", "abs", "etc/out"} {
		if _, err := joined.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	seen := 0
	err = fs.WalkDir(joined, ".", func(p string, d fs.DirEntry, err error) error {
		if p == "etc/efi/loader" || p == "etc/kernel" {
			seen++
		}
		return err
	})
	if err != nil || seen != 2 {
		t.Errorf("a walk saw %d of the mounted files, %v", seen, err)
	}
	if joined.Info().Type != "map" {
		t.Errorf("Info = %+v", joined.Info())
	}
	if _, err := vfs.Join([]vfs.Mount{{Path: "x", FS: root}}); err == nil {
		t.Error("a tree without a root")
	}
	if _, err := vfs.Join(nil); err == nil {
		t.Error("a tree of nothing")
	}
}
