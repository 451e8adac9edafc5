//go:build libguestfs && linux

package fs_test

import (
	"bytes"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// oddTree makes a folder with names, links, attributes and files of all kinds.
func oddTree(t *testing.T, dir string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(dir, 0o755))
	at := func(name string) string { return dir + "/" + name }
	for _, name := range []string{"plain", "-dash", "two words", "new\nline", "tab\t", `quote'"`, `back\slash`, `\x41`, "\xff\xfe", "ünï", "~", "#", "*", "$(id)", "| cat", " lead", "end ", "<fs>", "a: b", strings.Repeat("n", 255)} {
		must(os.WriteFile(at(name), []byte("content of "+name), 0o644))
	}
	must(os.MkdirAll(at("deep/-er/\xe9/x y"), 0o750))
	must(os.WriteFile(at("deep/-er/\xe9/x y/file"), bytes.Repeat([]byte("line\n"), 1000), 0o600))
	must(os.WriteFile(at("empty"), nil, 0o4755))
	must(os.WriteFile(at("exact"), bytes.Repeat([]byte{0, 1, 255, '\n'}, 1<<18), 0o600)) // one page
	large := make([]byte, 3<<20+17)
	for i := range large {
		large[i] = byte(i>>8) ^ byte(i)
	}
	must(os.WriteFile(at("large"), large, 0o600))
	must(os.WriteFile(at("sparse"), []byte("start"), 0o600))
	must(os.Truncate(at("sparse"), 5<<20))
	must(os.Link(at("plain"), at("hard link")))
	for target, name := range map[string]string{"plain": "link", "no\nwhere\n": "broken", "\xff/..": "bytes", "/abs/" + strings.Repeat("l", 1000): "long"} {
		must(os.Symlink(target, at(name)))
	}
	must(unix.Mkfifo(at("fifo"), 0o600))
	must(unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(os.Lchown(at("plain"), 1234, 70000))
	for name, value := range map[string]string{"user.text": "abc", "user.bytes": "\x00\x01\n\xff", "user.escape": `\x41`, "user.lines": "\n}\n[1] = {\n", "user.empty": "", "trusted.t": "t"} {
		must(unix.Lsetxattr(at("two words"), name, []byte(value), 0))
	}
	must(os.Mkdir(at("many"), 0o755))
	for i := range 300 {
		must(os.WriteFile(at(fmt.Sprintf("many/name that is long enough to fill pipes %d", i)), nil, 0o600))
	}
}

// opened opens an image as a filesystem that guestfish reads.
func opened(t *testing.T, image, typ string) vfs.FS {
	t.Helper()
	temp, err := os.MkdirTemp("", "gk") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	t.Setenv("TMPDIR", temp)
	t.Setenv("LIBGUESTFS_CACHEDIR", "/var/tmp")
	r := testimg.File(t, image)
	var fsys vfs.FS
	t.Cleanup(func() {
		if fsys != nil {
			fsys.Close()
		}
		if names, err := os.ReadDir(temp); err != nil || len(names) > 0 {
			t.Errorf("files are left: %v %v", names, err)
		}
	})
	fsys, err = fs.OpenBorrowed(typ, r, &fs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if i := fsys.Info(); i.ReadBy != "guestfish" || i.BlockSize == 0 {
		t.Errorf("%+v", i)
	}
	if p := fsys.Problems(); len(p) != 1 || !errors.Is(p[0], block.ErrUnsupported) || !strings.Contains(p[0].Error(), "read by guestfish, not by guestkit") {
		t.Errorf("problems: %v", p)
	}
	return fsys
}

func compare(t *testing.T, fsys vfs.FS, dir string, o testimg.TreeOptions) {
	t.Helper()
	got, err := testimg.ReadTree(fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	want, err := testimg.HostTree(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	testimg.CompareTrees(t, got, want, o)
}

// TestFallback: guestfish gives what the kernel of this machine sees.
func TestFallback(t *testing.T) {
	peers.Need(t, "guestfish")
	peers.NeedRoot(t)
	dir := t.TempDir()
	src, image := filepath.Join(dir, "src"), filepath.Join(dir, "image")
	oddTree(t, src)
	peers.Run(t, "mksquashfs", src, image, "-quiet", "-no-progress")
	fsys := opened(t, image, "squashfs")
	compare(t, fsys, peers.Mount(t, image, "squashfs", "ro"), testimg.TreeOptions{NoAtime: true})
	for _, name := range []string{"nothing", "plain/x", "deep/nothing/x"} {
		if _, err := iofs.Stat(fsys, name); err == nil {
			t.Errorf("%s is there", name)
		}
	}
	if _, err := fsys.Stat("nothing"); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	sub, err := vfs.Sub(fsys, "deep")
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(sub, "-er"); err != nil {
		t.Error(err)
	}
	if _, err := fs.Open(bytes.NewReader(make([]byte, 1<<20)), &fs.Options{Type: "erofs"}); !errors.Is(err, block.ErrFormat) {
		t.Errorf("no filesystem: %v", err)
	}
	if _, err := fs.OpenBorrowed("squashfs", testimg.File(t, image), &fs.Options{NoProcesses: true}); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("none may be started: %v", err)
	}
	cancel := make(chan struct{})
	close(cancel)
	if _, err := fs.OpenBorrowed("squashfs", testimg.File(t, image), &fs.Options{Cancel: cancel}); err == nil {
		t.Error("an Open that was cancelled opened it")
	}
}

// TestFallbackKinds reads each filesystem that is named. An appliance for each
// takes minutes: it runs where GUESTKIT_LARGE is set.
func TestFallbackKinds(t *testing.T) {
	if os.Getenv("GUESTKIT_LARGE") == "" {
		t.Skip("GUESTKIT_LARGE is not set")
	}
	peers.Need(t, "guestfish")
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	oddTree(t, src)
	for _, name := range []string{"fifo", "null"} { // not all take them
		os.Remove(filepath.Join(src, name))
	}
	long := strings.Repeat("n", 255) // mkfs.erofs 1.5 fails at it, genisoimage cuts it
	if err := os.Rename(filepath.Join(src, long), filepath.Join(src, long[:200])); err != nil {
		t.Fatal(err)
	}
	blank := func(t *testing.T, name string, size int64) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// What neither tool nor kernel of this machine fills: its root is listed.
	for kind, size := range map[string]int64{"f2fs": 128 << 20, "jfs": 64 << 20, "nilfs2": 256 << 20} {
		t.Run(kind, func(t *testing.T) {
			image := blank(t, kind, size)
			tool := "mkfs." + kind
			peers.Need(t, tool)
			args := []string{image}
			if kind == "jfs" || kind == "f2fs" {
				args = []string{"-q", image}
			}
			peers.Run(t, tool, args...)
			fsys := opened(t, image, kind)
			if es, err := fsys.ReadDir("."); err != nil || len(es) > 3 {
				t.Errorf("%v %v", es, err)
			}
			if st := fsys.Info(); st.Type != kind {
				t.Errorf("%+v", st)
			}
		})
	}
}
