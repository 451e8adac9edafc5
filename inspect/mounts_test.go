package inspect

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/partition"
)

// part gives a volume an entry in the partition table of a disk.
func part(v *Volume, disk, number int, uuid, label string) *Volume {
	v.Kind, v.Disk, v.Parent = "partition", disk, "disk"
	v.Partition = &partition.Partition{Number: number, UUID: uuid, Name: label}
	return v
}

func unread(name, content string, s Status, reason string) *Volume {
	v := &Volume{Name: name, Content: content}
	v.setStatus(s, reason)
	return v
}

// debianRoot is a small root whose /usr may be elsewhere.
func debianRoot(fstab string, more fstest.MapFS) fstest.MapFS {
	m := fstest.MapFS{
		"etc/fstab": file(fstab), "etc/os-release": link("../usr/lib/os-release"),
		"bin": link("usr/bin"), "usr": dir(), "var": dir(), "boot": dir(), "home": dir(),
	}
	for name, f := range more {
		m[name] = f
	}
	return m
}

func TestMountsOfSeveralVolumes(t *testing.T) {
	root := part(vol(t, "gpt2", debianRoot(`# /etc/fstab: static file system information.
UUID=AAAA-root  /               ext4    errors=remount-ro 0       1
LABEL="the\040usr" /usr         ext4    defaults        0       2
PARTUUID=11111111-2222-3333-4444-555555555555 /boot ext2 noauto 0 2
PARTLABEL=esp   /boot/efi       vfat    umask=0077      0       1
/dev/vdb1       /var            ext4    defaults        0       2
UUID=luks-1     /home           ext4    defaults        0       2
UUID=gone       /srv            ext4    nofail          0       2
UUID=swap-1     none            swap    sw              0       0
/swapfile       none            swap    sw              0       0
tmpfs           /tmp            tmpfs   nosuid          0       0
server:/export  /mnt/nfs        nfs     ro              0       0
/dev/mapper/vg0-data--x /data   xfs     defaults        0       0
/dev/disk/by-id/ata-X-part1 /x  ext4    defaults        0       0
/srv/a          /srv/b          none    bind            0       0
UUID=data-1     /no/such/folder ext4    defaults        0       0
UUID=data-1     /var            ext4    defaults        0       0
`, fstest.MapFS{"etc/hostname": file("box")})), 0, 2, "", "")
	root.UUID = "aaaa-ROOT"
	usr := part(vol(t, "gpt3", fstest.MapFS{
		"lib/os-release": file("ID=debian\nVERSION_ID=12\n"), "bin/bash": elf(2, 1, 183), "share": dir(),
	}), 0, 3, "", "")
	usr.Label = "the usr"
	boot := part(vol(t, "gpt4", fstest.MapFS{"vmlinuz-6.1.0-18-arm64": file("kernel"), "initrd.img-6.1.0-18-arm64": file("i"), "efi": dir()}),
		0, 4, "11111111-2222-3333-4444-555555555555", "")
	esp := part(vol(t, "gpt1", fstest.MapFS{"EFI/BOOT/BOOTAA64.EFI": file("MZ")}), 0, 1, "", "esp")
	esp.Content = "vfat"
	varv := part(vol(t, "disk2:gpt1", fstest.MapFS{"lib/dpkg/status": file("Package: a\nStatus: install ok installed\nVersion: 1\n")}), 1, 1, "", "")
	luks := part(unread("gpt5", "crypto_LUKS", StatusEncrypted, "crypto_LUKS needs a key"), 0, 5, "", "")
	luks.UUID = "luks-1"
	swap := part(unread("gpt6", "swap", StatusSwap, "swap holds no files"), 0, 6, "", "")
	swap.UUID = "swap-1"
	data := part(vol(t, "gpt7", fstest.MapFS{"x": file("y")}), 0, 7, "", "")
	data.UUID = "data-1"

	rep := guestOf(t, esp, root, usr, boot, luks, swap, data, varv)
	if len(rep.Systems) != 1 {
		t.Fatalf("%d systems", len(rep.Systems))
	}
	s := rep.Systems[0]
	type row struct {
		spec, path, volume, by string
		guess, merged          bool
		reason                 string // a part of it
	}
	want := []row{
		{"UUID=AAAA-root", "/", "gpt2", "uuid", false, true, ""},
		{`LABEL="the usr"`, "/usr", "gpt3", "label", false, true, ""},
		{"PARTUUID=11111111-2222-3333-4444-555555555555", "/boot", "gpt4", "partuuid", false, true, ""},
		{"PARTLABEL=esp", "/boot/efi", "gpt1", "partlabel", false, true, ""},
		{"/dev/vdb1", "/var", "disk2:gpt1", "device name", true, true, ""},
		{"UUID=luks-1", "/home", "gpt5", "uuid", false, false, "encrypted: crypto_LUKS needs a key"},
		{"UUID=gone", "/srv", "", "", false, false, "no volume has the uuid gone"},
		{"UUID=swap-1", "", "gpt6", "uuid", false, false, ""},
		{"/swapfile", "", "", "", false, false, "swap file"},
		{"tmpfs", "/tmp", "", "", false, false, "not a disk"},
		{"server:/export", "/mnt/nfs", "", "", false, false, "network"},
		{"/dev/mapper/vg0-data--x", "/data", "", "", false, false, "no volume has the volume name lvm:vg0/data-x"},
		{"/dev/disk/by-id/ata-X-part1", "/x", "", "", false, false, "hardware"},
		{"/srv/a", "/srv/b", "", "", false, false, "bind"},
		{"UUID=data-1", "/no/such/folder", "gpt7", "uuid", false, false, "the mount point: file does not exist"},
		{"UUID=data-1", "/var", "gpt7", "uuid", false, false, "an earlier entry"},
	}
	if len(s.Mounts) != len(want) {
		t.Fatalf("%d mounts, want %d: %+v", len(s.Mounts), len(want), s.Mounts)
	}
	for i, w := range want {
		m := s.Mounts[i]
		got := row{m.Spec, m.Path, m.Volume, m.By, m.Guess, m.Merged, m.Reason}
		if strings.Contains(got.reason, w.reason) && w.reason != "" {
			got.reason = w.reason
		}
		if got != w {
			t.Errorf("got  %+v\nwant %+v", got, w)
		}
		if m.Line != i+2 {
			t.Errorf("%s: line %d", m.Spec, m.Line)
		}
	}
	if s.Distro != "debian" || s.Arch != "aarch64" || len(s.Packages.Items) != 1 {
		t.Errorf("not seen through the mounts: %s %s %+v", s.Distro, s.Arch, s.Packages)
	}
	wantKernel := Kernel{Version: "6.1.0-18-arm64", Image: "/boot/vmlinuz-6.1.0-18-arm64", Initrd: "/boot/initrd.img-6.1.0-18-arm64"}
	if len(s.Kernels) != 1 || s.Kernels[0].Version != wantKernel.Version || s.Kernels[0].Image != wantKernel.Image || s.Kernels[0].Initrd != wantKernel.Initrd {
		t.Errorf("kernels %+v", s.Kernels)
	}
	fsys, err := s.FS()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := fs.ReadFile(fsys, "etc/os-release"); err != nil || !strings.HasPrefix(string(b), "ID=debian") {
		t.Errorf("os-release through the mount: %q, %v", b, err)
	}
	for name, role := range map[string]Role{"gpt1": RoleESP, "gpt2": RoleRoot, "gpt3": RoleUsr, "gpt4": RoleBoot, "gpt7": RoleUnknown} {
		if v := rep.byName(name); v.Role != role {
			t.Errorf("%s has the role %q, want %q", name, v.Role, role)
		}
	}
	if rep.Complete() || len(rep.Unread()) != 1 || rep.Unread()[0] != luks {
		t.Errorf("unread: %v", rep.Unread())
	}
	var texts []string
	for _, err := range rep.Problems() {
		texts = append(texts, err.Error())
	}
	if !slices.ContainsFunc(texts, func(s string) bool {
		return strings.Contains(s, "/etc/fstab line 8") && strings.Contains(s, "gone")
	}) {
		t.Errorf("no problem for the volume that is gone: %q", texts)
	}
}

func TestSameNamesOnACopiedDisk(t *testing.T) {
	mk := func(name string, disk int) (*Volume, *Volume) {
		r := part(vol(t, name+"1", debianRoot("UUID=r / ext4\nUUID=h /home ext4\nUUID=x /opt ext4\n", fstest.MapFS{"etc/passwd": file("")})), disk, 1, "", "")
		r.UUID = "r"
		h := part(vol(t, name+"2", fstest.MapFS{"of-" + name: file("")}), disk, 2, "", "")
		h.UUID = "h"
		return r, h
	}
	r1, h1 := mk("a", 0)
	r2, h2 := mk("b", 1)
	x1, x2 := part(vol(t, "a3", fstest.MapFS{"f": file("")}), 0, 3, "", ""), part(vol(t, "a4", fstest.MapFS{"f": file("")}), 0, 4, "", "")
	x1.UUID, x2.UUID = "x", "x"
	rep := guestOf(t, r1, h1, x1, x2, r2, h2)
	if len(rep.Systems) != 2 {
		t.Fatalf("%d systems", len(rep.Systems))
	}
	for i, home := range []string{"a2", "b2"} {
		s := rep.Systems[i]
		m := s.Mounts[1]
		if m.Volume != home || !m.Merged || !strings.Contains(m.Reason, "2 volumes have this uuid") {
			t.Errorf("home of %s is %+v, want %s with a reason", s.Volume, m, home)
		}
		if m := s.Mounts[2]; m.Volume != "" || m.Merged || !strings.Contains(m.Reason, "a3, a4") {
			t.Errorf("an ambiguous volume was chosen: %+v", m)
		}
		if root := s.Mounts[0]; root.Volume != s.Volume {
			t.Errorf("the root of %s is %s", s.Volume, root.Volume)
		}
	}
}

func TestRootThatIsNotTheOneOfFstab(t *testing.T) {
	root := part(vol(t, "gpt1", debianRoot("UUID=other / ext4\n", nil)), 0, 1, "", "")
	other := part(vol(t, "gpt2", fstest.MapFS{"x": file("")}), 0, 2, "", "")
	other.UUID = "other"
	rep := guestOf(t, root, other)
	if m := rep.Systems[0].Mounts[0]; m.Volume != "gpt1" || m.By != "root" {
		t.Errorf("root mount: %+v", m)
	}
	if len(rep.Problems()) == 0 {
		t.Error("no problem says that fstab names another root")
	}
}

func TestMountsByPartitionType(t *testing.T) {
	root := part(vol(t, "gpt1", fstest.MapFS{
		"etc/passwd": file(""), "usr": dir(), "bin": link("usr/bin"), "home/kept": file(""), "efi": dir(), "boot": dir(),
	}), 0, 1, "", "")
	usr := part(vol(t, "gpt2", fstest.MapFS{"lib/os-release": file("ID=flatcar\n")}), 0, 2, "", "")
	usr.Partition.Type = "8484680C-9521-48C6-9C11-B0720656F69E"
	home := part(vol(t, "gpt3", fstest.MapFS{"x": file("")}), 0, 3, "", "")
	home.Partition.Type = "933ac7e1-2eb4-4f13-b844-0e14e2aef915"
	esp := part(vol(t, "gpt4", fstest.MapFS{"EFI/x": file("")}), 0, 4, "", "")
	esp.Partition.Type, esp.Content = espType, "vfat"
	boot := part(vol(t, "gpt5", fstest.MapFS{"loader/entries": dir()}), 0, 5, "", "")
	boot.Partition.Type, boot.Partition.Attributes = "bc13c2ff-59e6-4262-a352-b275fd6f7172", noAuto
	rep := guestOf(t, root, usr, home, esp, boot)
	s := rep.Systems[0]
	var got []string
	for _, m := range s.Mounts {
		got = append(got, m.Path+"="+m.Volume)
		if !m.Merged || m.By != "partition type" {
			t.Errorf("%+v", m)
		}
	}
	// /home is not empty, and the boot partition asks not to be mounted.
	if want := []string{"/usr=gpt2", "/efi=gpt4"}; !slices.Equal(got, want) {
		t.Errorf("mounts %v, want %v", got, want)
	}
	if s.Distro != "flatcar" {
		t.Errorf("distro %s: /usr was not merged first", s.Distro)
	}
}

func TestSubvolumeOfAMount(t *testing.T) {
	root := part(vol(t, "gpt1", debianRoot("UUID=b /home btrfs subvol=/@home,noatime\nUUID=b /var btrfs subvol=@none\n", nil)), 0, 1, "", "")
	b := part(&Volume{Name: "gpt2", Content: "btrfs", UUID: "b",
		fsys: testimg.MapFS(t, fstest.MapFS{"@home/user": file("hi"), "@/x": file("")}, vfs.Info{Type: "btrfs"})}, 0, 2, "", "")
	rep := guestOf(t, root, b)
	s := rep.Systems[0]
	fsys, _ := s.FS()
	if text, err := fs.ReadFile(fsys, "home/user"); string(text) != "hi" {
		t.Errorf("home/user: %q, %v", text, err)
	}
	if m := s.Mounts[1]; m.Merged || m.Reason == "" {
		t.Errorf("a subvolume that is missing: %+v", m)
	}
}

func TestOSTreeDeployments(t *testing.T) {
	d := "ostree/deploy/fedora-coreos/deploy/"
	m := fstest.MapFS{
		d + "aaa.0/usr/lib/os-release":          file("ID=fedora\nVERSION_ID=40\nVARIANT_ID=coreos\n"),
		d + "aaa.0/etc/hostname":                file("core\n"),
		d + "aaa.0/etc/os-release":              link("/usr/lib/os-release"),
		d + "aaa.0/var":                         dir(),
		d + "aaa.0/usr/bin/bash":                elf(2, 1, 62),
		d + "aaa.0/usr/share/rpm/rpmdb.sqlite":  file("SQLite format 3\x00"),
		d + "bbb.0/usr/lib/os-release":          file("ID=fedora\nVERSION_ID=39\n"),
		d + "bbb.0/etc/passwd":                  file(""),
		d + "aaa.0.origin":                      file("[origin]\n"),
		"ostree/deploy/fedora-coreos/var/lib/x": file("shared"),
		"ostree/repo/config":                    file(""),
	}
	rep := guestOf(t, vol(t, "gpt4", m))
	if len(rep.Systems) != 2 {
		t.Fatalf("%d systems, want 2: %v", len(rep.Systems), rep.Problems())
	}
	s := rep.Systems[0]
	if s.Root != "/"+d+"aaa.0" || s.VersionID != "40" || s.Hostname != "core" || s.Arch != "x86_64" || s.Variant != "coreos" {
		t.Errorf("%+v", s)
	}
	if s.Packages.Status != PackagesNotRead || s.Packages.Reason == "" || s.PackageFormat != "rpm" {
		t.Errorf("packages %+v", s.Packages)
	}
	fsys, _ := s.FS()
	if b, err := fs.ReadFile(fsys, "var/lib/x"); string(b) != "shared" {
		t.Errorf("/var of the deployment: %q, %v", b, err)
	}
	if rep.Systems[1].VersionID != "39" {
		t.Errorf("second deployment: %+v", rep.Systems[1])
	}
}

func TestWhatIsNoRoot(t *testing.T) {
	for name, m := range map[string]fstest.MapFS{
		"usr":   {"bin/ls": file(""), "lib/os-release": file("ID=x"), "share": dir(), "etc/hosts": file("")},
		"home":  {"user/etc/os-release": file("ID=x")},
		"boot":  {"vmlinuz-6": file(""), "grub/grub.cfg": file("")},
		"files": {"etc": file("a file"), "usr": file("")},
	} {
		if rep := guestOf(t, vol(t, "disk", m)); len(rep.Systems) != 0 {
			t.Errorf("%s is taken for a system: %+v", name, rep.Systems[0])
		}
	}
}
