package inspect

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestLVMNames lets the lvm tool make a guest whose fstab has the names that
// installers write: those of udev with UUIDs, as Ubuntu Server does, of
// device-mapper, and of a group whose name looks like that of a drive.
func TestLVMNames(t *testing.T) {
	peers.Need(t, "lvm", "mkfs.ext4", "dd")
	dir := t.TempDir()
	image := filepath.Join(dir, "disk")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 80<<20); err != nil {
		t.Fatal(err)
	}
	loop := peers.Loop(t, image)
	lvm := func(tool string, args ...string) string {
		t.Helper()
		cmd := peers.Command(t, "lvm", append([]string{tool, "--driverloaded", "n", "--devices", loop}, args...)...)
		cmd.Env = append(cmd.Env, "LVM_SUPPRESS_FD_WARNINGS=1")
		return strings.TrimSpace(peers.RunCmd(t, cmd))
	}
	vg := fmt.Sprintf("srv%d", os.Getpid())
	lvm("pvcreate", "-y", loop)
	lvm("vgcreate", "-y", vg, loop)
	first := map[string]int{}
	at := 0
	for _, name := range []string{"root", "var", "usr", "home"} {
		lvm("lvcreate", "-y", "-an", "-Zn", "-Wn", "-n", name, "-L", "16M", vg)
		first[name] = at
		at += 16
	}
	uuid := func(lv string) string {
		f := strings.Fields(lvm("lvs", "--noheadings", "-o", "vg_uuid,lv_uuid", vg+"/"+lv))
		return strings.ReplaceAll(strings.Join(f, ""), "-", "")
	}
	files := map[string]map[string]string{
		"root": {"etc/passwd": "", "etc/fstab": fmt.Sprintf("/dev/disk/by-id/dm-uuid-LVM-%s / ext4\n/dev/disk/by-id/dm-uuid-LVM-%s /var ext4\n/dev/disk/by-id/dm-name-%s-usr /usr ext4\n/dev/%s/home /home ext4\n",
			uuid("root"), uuid("var"), vg, vg), "usr/": "", "var/": "", "home/": "", "bin/": ""},
		"var": {"lib/dpkg/status": "Package: a\nStatus: install ok installed\nVersion: 1\n"}, "usr": {"lib/os-release": "ID=ubuntu\n"}, "home": {"user": "x"},
	}
	for lv, tree := range files {
		from := filepath.Join(dir, lv)
		testimg.MakeTree(t, from, tree)
		img := from + ".img"
		peers.Run(t, "mkfs.ext4", "-q", "-d", from, img, "16M")
		peers.Run(t, "dd", "if="+img, "of="+image, "bs=1M", fmt.Sprintf("seek=%d", 1+first[lv]), "conv=notrunc", "status=none")
	}
	rep, err := Run(context.Background(), []block.Device{block.Plain(testimg.File(t, image))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Systems) != 1 {
		t.Fatalf("%d systems: %v", len(rep.Systems), rep.Problems())
	}
	s := rep.Systems[0]
	var got []string
	for _, m := range s.Mounts {
		got = append(got, fmt.Sprintf("%s %s %s %t", m.Path, m.Volume, m.By, m.Merged))
	}
	want := fmt.Sprintf("/ lvm:%[1]s/root lvm uuid true, /var lvm:%[1]s/var lvm uuid true, /usr lvm:%[1]s/usr volume name true, /home lvm:%[1]s/home volume name true", vg)
	if strings.Join(got, ", ") != want || !rep.Complete() || len(rep.Problems()) != 0 || s.Distro != "ubuntu" || len(s.Packages.Items) != 1 {
		t.Errorf("%q, want %q; complete %t, %v; %s, %+v", got, want, rep.Complete(), rep.Problems(), s.Distro, s.Packages)
	}
}
