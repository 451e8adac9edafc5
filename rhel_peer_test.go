//go:build linux

package guestkit_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/peers"
)

// A rhelDisk is a disk as the installer of the Red Hat family lays it out: an
// ESP, /boot on XFS, and a volume group whose root and home are XFS.
type rhelDisk struct {
	raw      string
	bootUUID string
	packages []string // as rpm itself lists them
}

const (
	rhelESP  = 34 * mib
	rhelBoot = 320 * mib // the least that mkfs.xfs makes is 300 MiB
	rhelPV   = 840 * mib
	rhelPE   = 4 * mib
	rhelVG   = "cs-guest" // a dash, which device-mapper doubles
)

// rhelSpec describes the packages of the guest, for rpmbuild. Their files are
// the system that is found.
const rhelSpec = `
%define debug_package %{nil}
%define __os_install_post %{nil}
Name: centos-stream-release
Version: 9.0
Release: 26.el9
Summary: CentOS Stream release files
License: GPLv2
Vendor: CentOS
%description
Who this system is.
%package -n bash
Summary: The GNU Bourne Again shell
Version: 5.1.8
Release: 9.el9
%description -n bash
A shell.
%package -n openssl-libs
Summary: A general purpose cryptography library with TLS
Epoch: 1
Version: 3.2.2
Release: 6.el9
%description -n openssl-libs
A library.
%package -n kernel-core
Summary: The Linux kernel
Version: 5.14.0
Release: 503.el9
Provides: installonlypkg(kernel)
%description -n kernel-core
A kernel.
%package -n tzdata
Summary: Timezone data
Version: 2024b
Release: 2.el9
BuildArch: noarch
%description -n tzdata
Zones.
%package -n gone
Summary: Removed again
%description -n gone
Nothing.
%package -n dnf
Summary: Package manager
Version: 4.14.0
Release: 17.el9
BuildArch: noarch
%description -n dnf
A manager.
%install
cd %{buildroot}
mkdir -p etc usr/lib usr/bin usr/lib/systemd usr/lib/modules/5.14.0-503.el9.x86_64 boot/loader/entries
cat > usr/lib/os-release <<'END'
NAME="CentOS Stream"
VERSION="9"
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="9"
PLATFORM_ID="platform:el9"
PRETTY_NAME="CentOS Stream 9"
END
ln -s ../usr/lib/os-release etc/os-release
echo 'CentOS Stream release 9' > etc/centos-release
ln -s centos-release etc/redhat-release
cp %{host}/true usr/bin/bash
cp %{host}/true usr/lib/systemd/systemd
echo '#!/usr/bin/python3' > usr/bin/dnf-3
ln -s dnf-3 usr/bin/dnf
chmod 755 usr/bin/dnf-3
head -c 100000 /dev/zero > usr/lib/modules/5.14.0-503.el9.x86_64/vmlinuz
cp usr/lib/modules/5.14.0-503.el9.x86_64/vmlinuz boot/vmlinuz-5.14.0-503.el9.x86_64
head -c 100000 /dev/zero > boot/initramfs-5.14.0-503.el9.x86_64.img
cat > boot/loader/entries/0123456789abcdef0123456789abcdef-5.14.0-503.el9.x86_64.conf <<'END'
title CentOS Stream (5.14.0-503.el9.x86_64) 9
version 5.14.0-503.el9.x86_64
linux /vmlinuz-5.14.0-503.el9.x86_64
initrd /initramfs-5.14.0-503.el9.x86_64.img
options root=/dev/mapper/cs--guest-root ro rd.lvm.lv=cs-guest/root
END
%files
/etc/os-release
/etc/centos-release
/etc/redhat-release
/usr/lib/os-release
/usr/lib/systemd/systemd
%files -n bash
/usr/bin/bash
%files -n openssl-libs
%files -n kernel-core
/boot
/usr/lib/modules
%files -n tzdata
%files -n gone
%files -n dnf
/usr/bin/dnf
/usr/bin/dnf-3
`

// makeRHELDisk makes such a disk by rpmbuild, rpm, mkfs.xfs, lvm and mounts of
// the kernel.
func makeRHELDisk(t *testing.T) *rhelDisk {
	t.Helper()
	peers.NeedRoot(t)
	peers.Need(t, "rpm", "rpmbuild", "mkfs.xfs", "blkid", "lvm", "mkswap", "sgdisk", "mkfs.vfat", "mcopy", "cp")
	dir := t.TempDir()

	// Filesystems, filled through the kernel.
	root, boot, home := blank(t, "root", 400*mib), blank(t, "boot", rhelBoot), blank(t, "home", 320*mib)
	for label, img := range map[string]string{"boot": boot, "root": root, "home": home} {
		peers.Run(t, "mkfs.xfs", "-q", "-L", label, img)
	}
	mnt := peers.Mount(t, root, "xfs")
	for _, d := range []string{"boot", "home", "usr/bin", "var/lib/rpm", "etc"} {
		if err := os.MkdirAll(filepath.Join(mnt, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bootMnt, homeMnt := peers.Mount(t, boot, "xfs"), peers.Mount(t, home, "xfs")
	d := &rhelDisk{bootUUID: strings.TrimSpace(peers.Run(t, "blkid", "-o", "value", "-s", "UUID", boot))}
	d.packages = installRHEL(t, mnt)
	// The packages were installed below the root; what is in /boot moves to its
	// own filesystem.
	peers.Run(t, "cp", "-a", filepath.Join(mnt, "boot")+"/.", bootMnt)
	if err := os.RemoveAll(filepath.Join(mnt, "boot/loader")); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"vmlinuz-5.14.0-503.el9.x86_64", "initramfs-5.14.0-503.el9.x86_64.img"} {
		if err := os.Remove(filepath.Join(mnt, "boot", f)); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"bin": "usr/bin", "lib": "usr/lib", "sbin": "usr/bin", "usr/bin/init": "../lib/systemd/systemd"} {
		if err := os.Symlink(target, filepath.Join(mnt, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, mnt, "etc/hostname", "stream9.example.org\n")
	write(t, mnt, "etc/fstab", "/dev/mapper/cs--guest-root /                       xfs     defaults        0 0\n"+
		"UUID="+d.bootUUID+" /boot                   xfs     defaults        0 0\n"+
		"UUID=CAFE-F00D          /boot/efi               vfat    umask=0077,shortname=winnt 0 2\n"+
		"/dev/cs-guest/home      /home                   xfs     defaults        0 0\n"+
		"/dev/mapper/cs--guest-swap none                 swap    defaults        0 0\n")
	if err := os.MkdirAll(filepath.Join(bootMnt, "efi"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, homeMnt, "alice/notes", "in her home\n")
	for _, m := range []string{mnt, bootMnt, homeMnt} {
		peers.Unmount(t, m)
	}
	swap := blank(t, "swap", 16*mib)
	peers.Run(t, "mkswap", swap)

	// The disk: a GPT, and a volume group in its third partition.
	d.raw = filepath.Join(dir, "disk.raw")
	const pvOff = mib + rhelESP + rhelBoot
	if err := os.WriteFile(d.raw, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.raw, pvOff+rhelPV+mib); err != nil {
		t.Fatal(err)
	}
	sectors := func(off, n int64) string { return fmt.Sprintf("%d:%d", off/512, (off+n)/512-1) }
	peers.Run(t, "sgdisk", "-n", "1:"+sectors(mib, rhelESP), "-t", "1:ef00", "-n", "2:"+sectors(mib+rhelESP, rhelBoot), "-t", "2:8300",
		"-n", "3:"+sectors(pvOff, rhelPV), "-t", "3:8e00", d.raw)
	put := func(img string, from, to, n int64) {
		t.Helper()
		peers.Run(t, "dd", "if="+img, "of="+d.raw, "bs=1M", fmt.Sprintf("skip=%d", from/mib), fmt.Sprintf("seek=%d", to/mib),
			fmt.Sprintf("count=%d", n/mib), "conv=notrunc,sparse", "status=none")
	}
	put(espOf(t, rhelESP, "CAFEF00D"), 0, mib, rhelESP)
	put(boot, 0, mib+rhelESP, rhelBoot)

	loop := peers.Loop(t, d.raw, "-o", fmt.Sprint(pvOff), "--sizelimit", fmt.Sprint(int64(rhelPV)))
	lvm := func(tool string, args ...string) string {
		t.Helper()
		cmd := peers.Command(t, "lvm", append([]string{tool, "--driverloaded", "n", "--devices", loop}, args...)...)
		cmd.Env = append(cmd.Env, "LVM_SUPPRESS_FD_WARNINGS=1")
		return peers.RunCmd(t, cmd)
	}
	lvm("pvcreate", "-y", loop)
	lvm("vgcreate", "-y", rhelVG, loop)
	create := func(name, size string) { lvm("lvcreate", "-y", "-an", "-Zn", "-Wn", "-n", name, "-L", size, rhelVG) }
	create("swap", "16M")
	create("root", "200M")
	create("home", "320M")
	lvm("lvextend", "-y", "-L", "400M", rhelVG+"/root") // behind home: two segments
	for name, img := range map[string]string{"root": root, "home": home, "swap": swap} {
		var from int64
		for line := range strings.Lines(lvm("lvs", "--noheadings", "--segments", "-o", "seg_pe_ranges", rhelVG+"/"+name)) {
			_, span, _ := strings.Cut(strings.TrimSpace(line), ":")
			var a, b int64
			if _, err := fmt.Sscanf(span, "%d-%d", &a, &b); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			n := (b - a + 1) * rhelPE
			put(img, from, pvOff+mib+a*rhelPE, n)
			from += n
		}
	}
	return d
}

// installRHEL builds the packages and installs them with rpm below a root, and
// removes one again. It returns what rpm lists, in the form of packageLine.
func installRHEL(t *testing.T, root string) []string {
	t.Helper()
	top := t.TempDir()
	write(t, top, "guest.spec", rhelSpec)
	host, err := filepath.EvalSymlinks("/bin")
	if err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "rpmbuild", "-bb", "--quiet", "--define", "_topdir "+top, "--define", "_rpmdir "+top, "--define", "host "+host, filepath.Join(top, "guest.spec"))
	built, err := filepath.Glob(filepath.Join(top, "*", "*.rpm"))
	if err != nil || len(built) != 7 {
		t.Fatalf("rpmbuild made %q, %v", built, err)
	}
	rpm := func(args ...string) string {
		t.Helper()
		return peers.Run(t, "rpm", append([]string{"--root", root, "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite"}, args...)...)
	}
	rpm("--initdb")
	rpm(append([]string{"-i", "--nodeps", "--nosignature"}, built...)...)
	rpm("-e", "gone")
	// EVR is [epoch:]version-release.
	list := strings.Split(strings.TrimSpace(rpm("-qa", "--qf", `%{NAME} %{EVR} %{ARCH} %{SOURCERPM} %{VENDOR} %{INSTALLTIME}\n`)), "\n")
	slices.Sort(list)
	return list
}

// TestRealRHEL describes a disk of the Red Hat family whole, raw and as qcow2.
func TestRealRHEL(t *testing.T) {
	peers.Need(t, "qemu-img")
	d := makeRHELDisk(t)
	qcow2 := filepath.Join(t.TempDir(), "disk.qcow2")
	peers.Run(t, "qemu-img", "convert", "-c", "-O", "qcow2", d.raw, qcow2)
	for _, disk := range []string{d.raw, qcow2} {
		t.Run(filepath.Ext(disk), func(t *testing.T) { checkRHEL(t, d, disk) })
	}
}

func checkRHEL(t *testing.T, d *rhelDisk, disk string) {
	rep, _ := inspected(t, disk)
	if len(rep.Systems) != 1 || !rep.Complete() || len(rep.Problems()) > 0 {
		t.Fatalf("%d systems, unread %v, problems %v", len(rep.Systems), rep.Unread(), rep.Problems())
	}
	s := rep.Systems[0]
	for _, c := range []struct{ what, got, want string }{
		{"type", string(s.Type), "linux"}, {"family", string(s.Family), "rhel"}, {"distro", s.Distro, "centos"}, {"product", s.ProductName, "CentOS Stream 9"},
		{"version", s.Version, "9"}, {"version ID", s.VersionID, "9"}, {"host name", s.Hostname, "stream9.example.org"}, {"init", s.Init.Name, "systemd"},
		{"architecture", s.Arch, map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]},
		{"packages", s.PackageFormat, "rpm"}, {"manager", s.PackageManager, "dnf"}, {"root", s.Volume, "lvm:cs-guest/root"}, {"firmware", string(s.Firmware), "uefi"},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
		}
	}
	var mounts []string
	for _, m := range s.Mounts {
		mounts = append(mounts, fmt.Sprintf("%s on %s from %s by %s, merged %v", m.Volume, m.Path, m.Spec, m.By, m.Merged))
	}
	want := []string{
		"lvm:cs-guest/root on / from /dev/mapper/cs--guest-root by volume name, merged true",
		"gpt2 on /boot from UUID=" + d.bootUUID + " by uuid, merged true",
		"gpt1 on /boot/efi from UUID=CAFE-F00D by uuid, merged true",
		"lvm:cs-guest/home on /home from /dev/cs-guest/home by volume name, merged true",
		"lvm:cs-guest/swap on  from /dev/mapper/cs--guest-swap by volume name, merged false",
	}
	if !slices.Equal(mounts, want) {
		t.Errorf("mounts\n%s\nwant\n%s", strings.Join(mounts, "\n"), strings.Join(want, "\n"))
	}
	var got []string
	for _, p := range s.Packages.Items {
		got = append(got, fmt.Sprintf("%s %s %s %s %s %d", p.Name, p.Version, p.Arch, p.SourceRPM, p.Vendor, p.Installed.Unix()))
	}
	slices.Sort(got)
	if len(got) != 6 || !slices.Equal(got, d.packages) {
		t.Errorf("packages\n%s\nrpm lists\n%s", strings.Join(got, "\n"), strings.Join(d.packages, "\n"))
	}
	if len(s.Kernels) != 1 || s.Kernels[0].Version != "5.14.0-503.el9.x86_64" || s.Kernels[0].Image != "/boot/vmlinuz-5.14.0-503.el9.x86_64" ||
		s.Kernels[0].Initrd != "/boot/initramfs-5.14.0-503.el9.x86_64.img" {
		t.Errorf("kernels %+v", s.Kernels)
	}
	for name, want := range map[string]inspect.Status{"disk": "container", "gpt1": "read", "gpt2": "read", "gpt3": "container",
		"lvm:cs-guest/root": "read", "lvm:cs-guest/home": "read", "lvm:cs-guest/swap": "swap"} {
		if !slices.ContainsFunc(rep.Volumes, func(v *inspect.Volume) bool { return v.Name == name && v.Status == want }) {
			t.Errorf("%s is not listed as %s", name, want)
		}
	}
	fsys, err := s.FS()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := fs.ReadFile(fsys, "home/alice/notes"); err != nil || string(b) != "in her home\n" {
		t.Errorf("a file of home: %q, %v", b, err)
	}
}
