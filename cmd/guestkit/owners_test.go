package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/peers"
)

// treeImage is an ext4 image of files, which mke2fs makes without root. A name that
// begins with "=" is a further name of the file that the text says.
func treeImage(t *testing.T, files map[string]string) string {
	t.Helper()
	peers.Need(t, "mke2fs")
	dir, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	for name, text := range files {
		at := filepath.Join(dir, strings.TrimPrefix(name, "="))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if link, ok := strings.CutPrefix(name, "="); ok {
			at := filepath.Join(dir, link)
			if err := os.Remove(at); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(filepath.Join(dir, text), at); err != nil {
				t.Fatal(err)
			}
		}
	}
	peers.Run(t, "mke2fs", "-q", "-t", "ext4", "-d", dir, image, "32M")
	return image
}

// TestLongOwners names owners by files that are longer than usual, and says what
// keeps it from that.
func TestLongOwners(t *testing.T) {
	uid, gid := os.Getuid(), os.Getgid()
	var passwd strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&passwd, "user%d:x:%d:100::/home/user%d:/bin/bash\n", i, 100_000+i, i)
	}
	fmt.Fprintf(&passwd, "ada:x:%d:1::/:\n", uid)
	group := "users:x:100000:" + strings.Repeat("somebody,", 20_000) + fmt.Sprintf("\nstaff:x:%d", gid)
	image := treeImage(t, map[string]string{"etc/passwd": passwd.String(), "etc/group": group, "file": ""})
	if r := gk(t, "stat", "-c", "%U:%G", image, "/file"); r.code != 0 || r.out != "ada:staff\n" {
		t.Errorf("%+v", r)
	}
	image = treeImage(t, map[string]string{"etc/passwd/x": "", "file": ""})
	if r := gk(t, "stat", "-c", "%U", image, "/file"); r.code == 0 || r.out != "" || !strings.Contains(r.err, "/etc/passwd: ") {
		t.Errorf("%+v", r)
	}
	if r := gk(t, "stat", "-c", "%G", image, "/file"); r.code != 0 || r.out != "UNKNOWN\n" {
		t.Errorf("%+v", r)
	}
}

// TestManifestLinks: each name of a file says why it was not hashed.
func TestManifestLinks(t *testing.T) {
	r := gk(t, "manifest", "--max-file-size", "4", treeImage(t, map[string]string{"a": "longer", "=b": "a", "=c": "a"}))
	if n := strings.Count(r.out, `"error":"file: `); n != 3 || r.code != exitFailed {
		t.Errorf("%d lines have the error, %+v", n, r)
	}
}

// TestPercent: the size of a filesystem is what its superblock says, however large.
func TestPercent(t *testing.T) {
	const huge = 1<<63 - 1
	for _, c := range []struct {
		used, size int64
		want       string
	}{{0, 10, "0%"}, {1, 1 << 40, "1%"}, {10, 10, "100%"}, {huge / 2, huge, "50%"}, {huge, huge, "100%"}, {1, 0, ""}, {2, 1, ""}} {
		if got := used(&inspect.Volume{Usage: &inspect.Usage{Size: c.size, Used: &c.used}}); got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.used, c.size, got, c.want)
		}
	}
}
