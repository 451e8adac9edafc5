package main

import (
	"testing"

	"github.com/guestkit/guestkit/inspect"
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
