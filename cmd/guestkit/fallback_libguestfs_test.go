//go:build libguestfs && linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestFallbackFilesystem: a system on subvolumes of Btrfs, as Fedora has it, is
// inspected with its mounts, by one appliance that leaves nothing behind.
func TestFallbackFilesystem(t *testing.T) {
	peers.Need(t, "guestfish")
	peers.NeedRoot(t)
	temp, err := os.MkdirTemp("", "gk") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	image := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 256<<20); err != nil {
		t.Fatal(err)
	}
	const uuid = "0b6e6f4c-8a53-4c2d-9f1e-7d6c5b4a3921"
	peers.Run(t, "mkfs.btrfs", "-q", "-U", uuid, image)
	mnt := peers.Mount(t, image, "btrfs")
	for _, sub := range []string{"root", "home"} {
		peers.Run(t, "btrfs", "subvolume", "create", filepath.Join(mnt, sub))
	}
	for name, text := range map[string]string{
		"root/etc/os-release":  "ID=fedora\nNAME=\"Fedora Linux\"\nVERSION_ID=40\nPRETTY_NAME=\"Fedora Linux 40\"\n",
		"root/etc/hostname":    "f40.example\n",
		"root/etc/fstab":       "UUID=" + uuid + " / btrfs subvol=root 0 0\nUUID=" + uuid + " /home btrfs subvol=home 0 0\n",
		"root/usr/bin/sh":      "",
		"root/home/hidden":     "",
		"home/alice/notes.txt": "a note\n",
	} {
		path := filepath.Join(mnt, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	peers.Unmount(t, mnt)
	t.Setenv("TMPDIR", temp)
	t.Setenv("LIBGUESTFS_CACHEDIR", "/var/tmp")
	for _, c := range []struct {
		args    []string
		answers []string
	}{
		{[]string{"inspect", "--json", image}, []string{`"product_name": "Fedora Linux 40"`, `"hostname": "f40.example"`, `"root": "/root"`, `"read_by": "guestfish"`, `"path": "/home"`}},
		{[]string{"cat", image, "/home/alice/notes.txt"}, []string{"a note\n"}},
	} {
		if c.args[0] != "inspect" && os.Getenv("GUESTKIT_LARGE") == "" {
			continue // an appliance for each takes half a minute and more
		}
		r := gk(t, c.args...)
		for _, answer := range append(c.answers, "read by guestfish, not by guestkit") {
			if r.code != 0 || !strings.Contains(r.out+r.err, answer) {
				t.Errorf("guestkit %s: %d, without %q\n%s%s", strings.Join(c.args, " "), r.code, answer, r.out, r.err)
			}
		}
		if names, err := os.ReadDir(temp); err != nil || len(names) > 0 {
			t.Errorf("files are left: %v %v", names, err)
		}
	}
}
