package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestManifestXattrs: both names of a file have its extended attributes, and what
// would make a line without bound is said instead.
func TestManifestXattrs(t *testing.T) {
	peers.NeedRoot(t)
	peers.Need(t, "mkfs.ext4")
	image := filepath.Join(t.TempDir(), "image")
	peers.Run(t, "mkfs.ext4", "-q", "-O", "ea_inode", image, "64M")
	dir := peers.Mount(t, image, "ext4")
	for _, name := range []string{"many", "few"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 18 {
		if err := unix.Setxattr(filepath.Join(dir, "many"), fmt.Sprintf("user.%d", i), bytes.Repeat([]byte{byte(i)}, 60_000), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Setxattr(filepath.Join(dir, "few"), "user.a", []byte("value"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "few"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	peers.Unmount(t, dir)
	r := gk(t, "manifest", image)
	if n := strings.Count(r.out, `"xattrs":{"user.a":"dmFsdWU="}`); n != 2 {
		t.Errorf("%d lines have the attribute\n%s", n, r.out)
	}
	if r.code != exitFailed || !strings.Contains(r.out, `"path":"/many"`) || !strings.Contains(r.out, "they have 1080000 bytes, at most 1048576 are listed") {
		t.Errorf("%d, %s\n%.2000s", r.code, r.err, r.out)
	}
}

// TestManifestOrder: what cannot be read has its line where its name sorts.
func TestManifestOrder(t *testing.T) {
	peers.Need(t, "mke2fs", "debugfs")
	dir, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	for _, name := range []string{"a/x", "a-b/x", "m", "z"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	peers.Run(t, "mke2fs", "-q", "-t", "ext4", "-d", dir, image, "8M")
	peers.Run(t, "debugfs", "-w", "-R", "clri /m", image)
	r := gk(t, "manifest", image)
	var paths []string
	for line := range strings.Lines(r.out) {
		var doc fileDoc
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, doc.Path)
	}
	if want := "/ /a /a-b /a-b/x /a/x /lost+found /m /z"; r.code != exitFailed || strings.Join(paths, " ") != want {
		t.Errorf("%d, %s: %q, want %q", r.code, r.err, paths, want)
	}
}

// TestManifestDevices: of device nodes the number is what they are.
func TestManifestDevices(t *testing.T) {
	peers.Need(t, "mke2fs", "debugfs")
	image := filepath.Join(t.TempDir(), "image")
	peers.Run(t, "mke2fs", "-q", "-t", "ext4", image, "8M")
	for name, node := range map[string]string{"null": "c 1 3", "disk": "b 259 7", "fifo": "p"} {
		peers.Run(t, "debugfs", "-w", "-R", "mknod "+name+" "+node, image)
	}
	for _, command := range []string{"manifest", "find"} {
		args := map[string][]string{"manifest": {"manifest", image}, "find": {"find", "--json", image, "/"}}[command]
		got := map[string]string{}
		for line := range strings.Lines(gk(t, args...).out) {
			var doc fileDoc
			if err := json.Unmarshal([]byte(line), &doc); err != nil {
				t.Fatal(err)
			}
			if doc.Device != nil || doc.Type == "p" {
				got[doc.Path] = fmt.Sprint(doc.Type, doc.Device)
			}
		}
		want := map[string]string{"/null": fmt.Sprint("c", &[2]uint32{1, 3}), "/disk": fmt.Sprint("b", &[2]uint32{259, 7}), "/fifo": "p<nil>"}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", command, got, want)
		}
	}
}
