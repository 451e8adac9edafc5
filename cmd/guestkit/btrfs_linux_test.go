package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/internal/peers"
)

// btrfsUUID is another one in each run: the kernel remembers devices.
var btrfsUUID = fmt.Sprintf("0b6e6f4c-8a53-4c2d-9f1e-%012x", time.Now().UnixNano()&(1<<48-1))

// btrfsDisks makes disks with one filesystem, and gives them to fill.
func btrfsDisks(t *testing.T, n int, fill func(mnt string), args ...string) (images []string) {
	t.Helper()
	peers.NeedRoot(t)
	dir := t.TempDir()
	var loops []string
	for i := range n {
		image := filepath.Join(dir, fmt.Sprintf("disk%d.img", i))
		peers.Run(t, "truncate", "-s", "192M", image)
		images, loops = append(images, image), append(loops, peers.Loop(t, image))
	}
	peers.Run(t, "mkfs.btrfs", append(append([]string{"-q", "-f", "-U", btrfsUUID}, args...), loops...)...)
	mnt := filepath.Join(dir, "mnt")
	if err := os.Mkdir(mnt, 0o700); err != nil {
		t.Fatal(err)
	}
	options := "noatime"
	for _, l := range loops {
		options += ",device=" + l
	}
	if out, err := peers.Command(t, "mount", "-t", "btrfs", "-o", options, loops[0], mnt).CombinedOutput(); err != nil {
		t.Skipf("the kernel does not mount Btrfs: %v: %s", err, out)
	}
	defer peers.Unmount(t, mnt)
	fill(mnt)
	return images
}

// btrfsFiles makes subvolumes, whose names end in a slash, and files.
func btrfsFiles(t *testing.T, mnt string, files ...[2]string) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(mnt, f[0])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f[0], "/") {
			peers.Run(t, "btrfs", "subvolume", "create", path)
		} else if err := os.WriteFile(path, []byte(f[1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func btrfsRoot(at, id, name, fstab string) [][2]string {
	return [][2]string{{at + "/etc/os-release", "ID=" + id + "\nPRETTY_NAME=\"" + name + "\"\n"}, {at + "/etc/hostname", id + ".example\n"},
		{at + "/etc/fstab", fstab}, {at + "/usr/bin/sh", ""}, {at + "/home/hidden", ""}}
}

// expect runs guestkit and looks for parts of what it says.
func expect(t *testing.T, args []string, answers ...string) {
	t.Helper()
	r := gk(t, args...)
	for _, answer := range answers {
		if r.code != 0 || !strings.Contains(r.out+r.err, answer) {
			t.Errorf("guestkit %s: %d, without %q\n%s%s", strings.Join(args, " "), r.code, answer, r.out, r.err)
		}
	}
}

// forgetBtrfs has the kernel forget the devices of tests before.
func forgetBtrfs(t *testing.T) { peers.Command(t, "btrfs", "device", "scan", "--forget").Run() }

// TestBtrfsFedora: a root in a subvolume at the top level, and /home in another.
func TestBtrfsFedora(t *testing.T) {
	forgetBtrfs(t)
	images := btrfsDisks(t, 1, func(mnt string) {
		btrfsFiles(t, mnt, [2]string{"root/", ""}, [2]string{"home/", ""}, [2]string{"home/alice/notes.txt", "a note\n"})
		btrfsFiles(t, mnt, btrfsRoot("root", "fedora", "Fedora Linux 40", "UUID="+btrfsUUID+" / btrfs subvol=root 0 0\nUUID="+btrfsUUID+" /home btrfs subvol=home 0 0\n")...)
	})
	expect(t, []string{"inspect", "--json", images[0]}, `"product_name": "Fedora Linux 40"`, `"hostname": "fedora.example"`, `"root": "/root"`, `"path": "/home"`)
	expect(t, []string{"cat", images[0], "/home/alice/notes.txt"}, "a note\n")
	expect(t, []string{"ls", images[0], "/home"}, "alice")
	expect(t, []string{"volumes", images[0]}, "btrfs", btrfsUUID)
}

// TestBtrfsOpenSUSE: the root is the default subvolume, a snapshot deep in others,
// and fstab names subvolumes by path and by id.
func TestBtrfsOpenSUSE(t *testing.T) {
	forgetBtrfs(t)
	images := btrfsDisks(t, 1, func(mnt string) {
		btrfsFiles(t, mnt, [2]string{"@/", ""}, [2]string{"@/home/", ""}, [2]string{"@/opt/", ""}, [2]string{"@/.snapshots/", ""},
			[2]string{"@/.snapshots/1/snapshot/", ""}, [2]string{"@/home/bob/notes.txt", "another note\n"}, [2]string{"@/opt/tool", "a tool\n"})
		id := strings.TrimSpace(peers.Run(t, "btrfs", "inspect-internal", "rootid", filepath.Join(mnt, "@/opt")))
		fstab := "UUID=" + btrfsUUID + " / btrfs defaults 0 0\nUUID=" + btrfsUUID + " /home btrfs subvol=/@/home 0 0\nUUID=" + btrfsUUID + " /opt btrfs subvolid=" + id + " 0 0\n"
		at := "@/.snapshots/1/snapshot"
		btrfsFiles(t, mnt, btrfsRoot(at, "opensuse-leap", "openSUSE Leap 15.6", fstab)...)
		btrfsFiles(t, mnt, [2]string{at + "/opt/hidden", ""})
		peers.Run(t, "btrfs", "subvolume", "snapshot", "-r", filepath.Join(mnt, at), filepath.Join(mnt, "@/.snapshots/2"))
		peers.Run(t, "btrfs", "subvolume", "set-default", filepath.Join(mnt, at))
	})
	r := gk(t, "inspect", "--json", images[0])
	if n := strings.Count(r.out, `"product_name": `); n != 1 {
		t.Errorf("%d systems\n%s%s", n, r.out, r.err)
	}
	expect(t, []string{"inspect", "--json", images[0]}, `"product_name": "openSUSE Leap 15.6"`, `"root": "/@/.snapshots/1/snapshot"`)
	expect(t, []string{"cat", images[0], "/home/bob/notes.txt"}, "another note\n")
	expect(t, []string{"cat", images[0], "/opt/tool"}, "a tool\n")
}

// TestBtrfsDisks: a root on two disks, given in either order, and one of them
// alone.
func TestBtrfsDisks(t *testing.T) {
	forgetBtrfs(t)
	images := btrfsDisks(t, 2, func(mnt string) {
		btrfsFiles(t, mnt, [2]string{"@/", ""}, [2]string{"@home/", ""}, [2]string{"@home/carol/notes.txt", "a third note\n"})
		btrfsFiles(t, mnt, btrfsRoot("@", "ubuntu", "Ubuntu 24.04", "UUID="+btrfsUUID+" / btrfs subvol=@ 0 0\nUUID="+btrfsUUID+" /home btrfs subvol=@home 0 0\n")...)
	}, "-m", "raid1", "-d", "raid1")
	for _, disks := range [][]string{images, {images[1], images[0]}} {
		args := []string{"inspect", "--json", "-a", disks[0], "-a", disks[1]}
		r := gk(t, args...)
		if r.code != 0 || strings.Count(r.out, `"product_name": "Ubuntu 24.04"`) != 1 || !strings.Contains(r.out, "it is a part of the filesystem on disk") {
			t.Errorf("%d\n%s%s", r.code, r.out, r.err)
		}
	}
	for _, image := range images {
		r := gk(t, "cat", image, "/home/carol/notes.txt")
		if r.out != "a third note\n" || !strings.Contains(r.err, "incomplete") {
			t.Errorf("%+v", r)
		}
	}
}
