package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/peers"
)

// TestVolumeNames calls volumes as Linux does.
func TestVolumeNames(t *testing.T) {
	for name, code := range map[string]int{
		"gpt2": 0, "/dev/sda2": 0, "/dev/vda2": 0, "/dev/nvme0n1p2": 0, "5f1d2c3b-4a59-4687-9786-a5b4c3d2e1f0": 0, "UUID=5F1D2C3B-4A59-4687-9786-A5B4C3D2E1F0": 0,
		"LABEL=root": 0, "/dev/disk/by-label/root": 0, "/dev/disk/by-uuid/5f1d2c3b-4a59-4687-9786-a5b4c3d2e1f0": 0,
		"/dev/sda3": exitNothing, "/dev/sdb2": exitNothing, "/dev/vg/root": exitNothing, "LABEL=": exitNothing, "UUID=": exitNothing, "": 0,
	} {
		if r := gk(t, "cat", "--volume", name, uefi, "/etc/hostname"); r.code != code || code == 0 && r.out != "web-1\n" {
			t.Errorf("--volume %q: %+v", name, r)
		}
	}
	if r := gk(t, "cat", "--volume", "/dev/sdb6", "-a", bios, uefi, "/etc/hostname"); r.code != 0 || r.out != "db-1\n" {
		t.Errorf("the second disk: %+v", r)
	}
	for name, want := range map[string]bool{"/dev/vg/root": true, "/dev/mapper/vg-root": true, "/dev/vg/other": false, "/dev/mapper/vg--root": false} {
		if got := isNamed(&inspect.Volume{Name: "lvm:vg/root", Kind: "lv"}, name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for _, name := range []string{"/dev/md/home", "/dev/md127", "/dev/disk/by-id/md-name-host:home"} {
		if !isNamed(&inspect.Volume{Name: "md:home", Kind: "array"}, name) {
			t.Errorf("%s is no array", name)
		}
	}
	if !isNamed(&inspect.Volume{Name: "lvm:my-vg/my-root", Kind: "lv"}, "/dev/mapper/my--vg-my--root") {
		t.Error("dashes")
	}
}

// TestVolumeNamesOfTables calls the partitions of every table that parted makes as Linux
// does.
func TestVolumeNamesOfTables(t *testing.T) {
	peers.Need(t, "parted", "mkfs.ext4")
	dir := t.TempDir()
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	for label, own := range map[string]string{"gpt": "gpt1", "msdos": "mbr1", "bsd": "bsd1", "sun": "sun1", "dvh": "sgi1", "mac": "mac2", "atari": "atari1"} {
		image := filepath.Join(dir, label+".raw")
		for path, text := range map[string]string{image: "", filepath.Join(files, "name"): own} {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Truncate(image, 24<<20); err != nil {
			t.Fatal(err)
		}
		kind := []string{"primary", "ext2"}
		if label == "bsd" || label == "sun" { // which have one kind alone
			kind = kind[1:]
		}
		peers.Run(t, "parted", append(append([]string{"-s", image, "mklabel", label, "mkpart"}, kind...), "8MiB", "16MiB")...)
		peers.Run(t, "mkfs.ext4", "-q", "-d", files, "-E", "offset=8388608", image, "8M")
		for _, name := range []string{own, "/dev/sda" + own[len(own)-1:]} {
			if r := gk(t, "cat", "--volume", name, image, "/name"); r.code != 0 || r.out != own {
				t.Errorf("%s: --volume %s: %+v", label, name, r)
			}
		}
		if r := gk(t, "cat", "--volume", "/dev/sda3", image, "/name"); r.code != exitNothing {
			t.Errorf("%s: a partition that is not there: %+v", label, r)
		}
	}
}
