package inspect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
)

// base is the least that makes a Linux root.
func base(more fstest.MapFS) fstest.MapFS {
	m := fstest.MapFS{"etc/passwd": file(""), "usr/bin": dir(), "bin": link("usr/bin")}
	for name, f := range more {
		m[name] = f
	}
	return m
}

func TestArchitectures(t *testing.T) {
	bzImage := make([]byte, 1024)
	copy(bzImage[0x202:], "HdrS\x0f\x02")
	bzImage[0x236] = 1
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"x86_64":       {fstest.MapFS{"usr/bin/bash": elf(2, 1, 62)}, "x86_64"},
		"i386":         {fstest.MapFS{"usr/bin/ls": elf(1, 1, 3)}, "i386"},
		"s390x":        {fstest.MapFS{"usr/bin/bash": elf(2, 2, 22)}, "s390x"},
		"ppc64le":      {fstest.MapFS{"usr/bin/bash": elf(2, 1, 21)}, "ppc64le"},
		"riscv64":      {fstest.MapFS{"usr/bin/bash": elf(2, 1, 243)}, "riscv64"},
		"alpine":       {fstest.MapFS{"usr/bin/sh": link("/bin/busybox"), "usr/bin/busybox": elf(2, 1, 183)}, "aarch64"},
		"script first": {fstest.MapFS{"usr/bin/bash": file("#!/bin/sh\n"), "usr/bin/ls": elf(1, 1, 40)}, "arm"},
		"nixos": {fstest.MapFS{"nix/store/x/sw/bin/bash": elf(2, 1, 183), "nix/var/nix/profiles/system": link("/nix/store/x")},
			"aarch64"},
		"kernel":         {fstest.MapFS{"boot/vmlinuz-6.1": {Data: bzImage}}, "x86_64"},
		"loader by name": {fstest.MapFS{"lib64/ld-linux-x86-64.so.2": link("gone")}, "x86_64"},
		"nothing":        {fstest.MapFS{"usr/bin/bash": file("\x7fELF")}, Unknown},
	} {
		s, _ := one(t, base(c.tree))
		if s.Arch != c.want {
			t.Errorf("%s: %s, want %s", name, s.Arch, c.want)
		}
		if (len(s.Because("arch")) > 0) != (c.want != Unknown) {
			t.Errorf("%s: evidence %v", name, s.Because("arch"))
		}
	}
}

func TestHostnames(t *testing.T) {
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"hostname":          {fstest.MapFS{"etc/hostname": file("\n# comment\nweb-1\nsecond\n")}, "web-1"},
		"HOSTNAME":          {fstest.MapFS{"etc/HOSTNAME": file("suse.example.org\n")}, "suse.example.org"},
		"sysconfig":         {fstest.MapFS{"etc/sysconfig/network": file("NETWORKING=yes\nHOSTNAME=\"old.example.org\"\n")}, "old.example.org"},
		"conf.d":            {fstest.MapFS{"etc/conf.d/hostname": file("# Set to the hostname\nhostname='gentoo-box'\n")}, "gentoo-box"},
		"rc.conf":           {fstest.MapFS{"etc/rc.conf": file("HOSTNAME=void\n")}, "void"},
		"openwrt":           {fstest.MapFS{"etc/config/system": file("config system\n\toption hostname 'router'\n")}, "router"},
		"localhost":         {fstest.MapFS{"etc/hostname": file("localhost.localdomain\n")}, Unknown},
		"localhost, then a": {fstest.MapFS{"etc/hostname": file("(none)\n"), "etc/sysconfig/network": file("HOSTNAME=a\n")}, "a"},
		"as hostile as M10": {fstest.MapFS{"etc/hostname": file("=cmd|' /C calc'!A0\n")}, "=cmd|' /C calc'!A0"},
		"not UTF-8":         {fstest.MapFS{"etc/hostname": file("a\xffb\n")}, "a\uFFFDb"},
		"too long":          {fstest.MapFS{"etc/hostname": file(strings.Repeat("x", 256))}, Unknown},
		"missing":           {nil, Unknown},
	} {
		s, _ := one(t, base(c.tree))
		if s.Hostname != c.want {
			t.Errorf("%s: %q, want %q", name, s.Hostname, c.want)
		}
	}
}

func TestInitSystems(t *testing.T) {
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"systemd":          {fstest.MapFS{"sbin/init": link("/lib/systemd/systemd"), "lib/systemd/systemd": file("")}, "systemd"},
		"systemd, no link": {fstest.MapFS{"usr/lib/systemd/systemd": file("")}, "systemd"},
		"alpine": {fstest.MapFS{"sbin/init": link("/bin/busybox"), "usr/bin/busybox": file(""),
			"etc/inittab": file("::sysinit:/sbin/openrc sysinit\n::wait:/sbin/openrc default\n")}, "openrc"},
		"gentoo":      {fstest.MapFS{"sbin/init": file(""), "etc/inittab": file("id:3:initdefault:\nsi::sysinit:/sbin/openrc sysinit\n")}, "openrc"},
		"openrc-init": {fstest.MapFS{"sbin/init": link("openrc-init"), "sbin/openrc-init": file("")}, "openrc"},
		"void":        {fstest.MapFS{"sbin/init": link("runit-init"), "sbin/runit-init": file("")}, "runit"},
		"rhel 6":      {fstest.MapFS{"sbin/init": file(""), "sbin/initctl": file(""), "etc/init/rc.conf": file(""), "etc/inittab": file("id:3:initdefault:\n")}, "upstart"},
		"devuan":      {fstest.MapFS{"sbin/init": file(""), "etc/inittab": file("id:2:initdefault:\nsi::sysinit:/etc/init.d/rcS\n")}, "sysvinit"},
		"buildroot":   {fstest.MapFS{"sbin/init": link("../bin/busybox"), "usr/bin/busybox": file(""), "etc/inittab": file("::sysinit:/etc/init.d/rcS\n")}, "busybox"},
		"dinit":       {fstest.MapFS{"sbin/init": link("/usr/bin/dinit"), "usr/bin/dinit": file("")}, "dinit"},
		"s6":          {fstest.MapFS{"sbin/init": link("../etc/s6/s6-linux-init"), "etc/s6/s6-linux-init": file("")}, "s6"},
		"a loop":      {fstest.MapFS{"sbin/init": link("init")}, Unknown},
		"a container": {nil, Unknown},
	} {
		s, _ := one(t, base(c.tree))
		if s.Init.Name != c.want {
			t.Errorf("%s: %s, want %s", name, s.Init.Name, c.want)
		}
		if (len(s.Because("init")) > 0) != (c.want != Unknown) {
			t.Errorf("%s: evidence %v", name, s.Because("init"))
		}
	}
}

func TestKernels(t *testing.T) {
	debian, _ := one(t, base(fstest.MapFS{
		"boot/vmlinuz-6.1.0-18-amd64": file(""), "boot/initrd.img-6.1.0-18-amd64": file(""),
		"boot/config-6.1.0-18-amd64":  file("CONFIG_VIRTIO_BLK=m\nCONFIG_VIRTIO_PCI=y\n# CONFIG_VIRTIO_NET is not set\n"),
		"boot/vmlinuz-6.1.0-17-amd64": file(""), "usr/lib/modules/6.1.0-18-amd64/kernel": dir(), "lib": link("usr/lib"),
		"boot/grub/grub.cfg": file("if [ \"${next_entry}\" ] ; then\n set default=\"${next_entry}\"\nelse\n   set default=\"0\"\nfi\nmenuentry 'Debian' {\n\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=UUID=x ro\n}\nmenuentry 'old' {\n linux /boot/vmlinuz-6.1.0-17-amd64\n}\n"),
	}))
	want := []Kernel{
		{Version: "6.1.0-17-amd64", Image: "/boot/vmlinuz-6.1.0-17-amd64", Entry: "old"},
		{Version: "6.1.0-18-amd64", Image: "/boot/vmlinuz-6.1.0-18-amd64", Initrd: "/boot/initrd.img-6.1.0-18-amd64",
			Config: "/boot/config-6.1.0-18-amd64", Modules: "/usr/lib/modules/6.1.0-18-amd64", Entry: "Debian", Options: "root=UUID=x ro", Default: true,
			Virtio: map[string]string{"virtio_pci": "builtin", "virtio_blk": "module", "virtio_scsi": "absent", "virtio_net": "absent"}},
	}
	sameKernels(t, "debian", debian.Kernels, want)

	arch, _ := one(t, base(fstest.MapFS{
		"boot/vmlinuz-linux": file(""), "boot/initramfs-linux.img": file(""),
		"usr/lib/modules/6.9.1-arch1-1/pkgbase": file("linux\n"), "usr/lib/modules/6.9.1-arch1-1/vmlinuz": file(""),
		"usr/lib/modules/6.9.1-arch1-1/modules.order":   file("kernel/drivers/block/virtio_blk.ko\n"),
		"usr/lib/modules/6.9.1-arch1-1/modules.builtin": file("kernel/drivers/virtio/virtio_pci.ko\n"),
	}))
	sameKernels(t, "arch", arch.Kernels, []Kernel{{Version: "6.9.1-arch1-1", Image: "/boot/vmlinuz-linux", Initrd: "/boot/initramfs-linux.img",
		Modules: "/usr/lib/modules/6.9.1-arch1-1",
		Virtio:  map[string]string{"virtio_pci": "builtin", "virtio_blk": "module", "virtio_scsi": "absent", "virtio_net": "absent"}}})

	alpine, _ := one(t, base(fstest.MapFS{"boot/vmlinuz-lts": file(""), "boot/initramfs-lts": file(""), "lib/modules/6.6.31-0-lts/kernel": dir()}))
	sameKernels(t, "alpine", alpine.Kernels, []Kernel{{Version: "6.6.31-0-lts", Image: "/boot/vmlinuz-lts", Initrd: "/boot/initramfs-lts", Modules: "/lib/modules/6.6.31-0-lts"}})

	fedora, _ := one(t, base(fstest.MapFS{
		"boot/vmlinuz-6.8.5-301.fc40.x86_64": file(""), "boot/initramfs-6.8.5-301.fc40.x86_64.img": file(""),
		"boot/loader/entries/abc-6.8.5-301.fc40.x86_64.conf": file("title Fedora Linux\nversion 6.8.5-301.fc40.x86_64\nlinux /boot/vmlinuz-6.8.5-301.fc40.x86_64\ninitrd /boot/initramfs-6.8.5-301.fc40.x86_64.img\noptions root=UUID=x ro\n"),
		"boot/grub2/grubenv": file("# GRUB Environment Block\nsaved_entry=abc-6.8.5-301.fc40.x86_64\n###"),
	}))
	sameKernels(t, "fedora", fedora.Kernels, []Kernel{{Version: "6.8.5-301.fc40.x86_64", Image: "/boot/vmlinuz-6.8.5-301.fc40.x86_64",
		Initrd: "/boot/initramfs-6.8.5-301.fc40.x86_64.img", Entry: "abc-6.8.5-301.fc40.x86_64", Options: "root=UUID=x ro", Default: true}})
}

func sameKernels(t *testing.T, name string, got, want []Kernel) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s:\ngot  %s\nwant %s", name, g, w)
	}
}

func TestDpkg(t *testing.T) {
	const status = `Package: libc6
Status: install ok installed
Priority: optional
Section: libs
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9+deb12u7
Conffiles:
 /etc/ld.so.conf.d/x86_64-linux-gnu.conf d4e7a7b88a71b5ffd9e2644e71a0cfab
Description: GNU C Library: Shared libraries
 Contains the standard libraries that are used by nearly all programs.
 .
 Version: 9 is not a field here

Package: libc6
Status: install ok installed
Architecture: i386
Source: glibc
Version: 2.36-9+deb12u7

Package: bash
Status: hold ok triggers-pending
Architecture: amd64
Version: 5.2.15-2+b7
Source: bash (5.2.15-2)

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: never
Status: purge ok not-installed

Package: half
Status: install ok half-installed
Version: 1

Package: odd
Status: install ok installed
Architecture: all
Version: 1:2.3-4-5ubuntu1` // no line end, no blank line
	s, rep := one(t, base(fstest.MapFS{"var/lib/dpkg/status": file(status), "usr/bin/apt-get": file("")}))
	p := s.Packages
	if p.Status != PackagesRead || p.Format != "deb" || p.Database != "/var/lib/dpkg/status" || s.PackageFormat != "deb" || s.PackageManager != "apt" {
		t.Errorf("%+v, format %s, manager %s", p, s.PackageFormat, s.PackageManager)
	}
	const glibc = "GNU Libc Maintainers <debian-glibc@lists.debian.org>"
	want := []Package{
		{Name: "libc6", Version: "2.36-9+deb12u7", Upstream: "2.36", Revision: "9+deb12u7", Arch: "amd64", Source: "glibc", SourceVersion: "2.36-9+deb12u7",
			Section: "libs", Maintainer: glibc, Summary: "GNU C Library: Shared libraries"},
		{Name: "libc6", Version: "2.36-9+deb12u7", Upstream: "2.36", Revision: "9+deb12u7", Arch: "i386", Source: "glibc", SourceVersion: "2.36-9+deb12u7"},
		{Name: "bash", Version: "5.2.15-2+b7", Upstream: "5.2.15", Revision: "2+b7", Arch: "amd64", Source: "bash", SourceVersion: "5.2.15-2", State: "triggers-pending"},
		{Name: "odd", Version: "1:2.3-4-5ubuntu1", Epoch: 1, Upstream: "2.3-4", Revision: "5ubuntu1", Arch: "all", Source: "odd", SourceVersion: "1:2.3-4-5ubuntu1", SourceEpoch: 1},
	}
	if !reflect.DeepEqual(p.Items, want) {
		t.Errorf("got  %+v\nwant %+v", p.Items, want)
	}
	if len(rep.Problems()) > 0 {
		t.Errorf("problems: %v", rep.Problems())
	}
}

func TestOtherDatabases(t *testing.T) {
	distroless, _ := one(t, base(fstest.MapFS{
		"var/lib/dpkg/status.d/base":         file("Package: base-files\nVersion: 12.4\nArchitecture: amd64\n"),
		"var/lib/dpkg/status.d/base.md5sums": file("d41d8cd98f00b204e9800998ecf8427e  etc/x\n"),
		"var/lib/dpkg/status.d/tz":           file("Package: tzdata\nVersion: 2024a-0\n"),
	}))
	if n := names(distroless.Packages); n != "base-files tzdata" || distroless.PackageManager != Unknown {
		t.Errorf("status.d: %s %+v", n, distroless.Packages)
	}
	alpine, _ := one(t, base(fstest.MapFS{
		"lib/apk/db/installed": file("C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:407278\nT:the musl c library (libc) implementation\nL:MIT\no:musl\nm:Timo <t@example.org>\nF:lib\nR:libc.musl-x86_64.so.1\na:0:0:777\n\nP:zlib\nV:1.3.1-r1\nA:x86_64\n\n"),
		"sbin/apk":             file(""),
	}))
	if want := []Package{
		{Name: "musl", Version: "1.2.5-r0", Upstream: "1.2.5", Revision: "r0", Arch: "x86_64", Source: "musl", SourceVersion: "1.2.5-r0", Maintainer: "Timo <t@example.org>", Summary: "the musl c library (libc) implementation", License: "MIT"},
		{Name: "zlib", Version: "1.3.1-r1", Upstream: "1.3.1", Revision: "r1", Arch: "x86_64"},
	}; !reflect.DeepEqual(alpine.Packages.Items, want) || alpine.PackageManager != "apk" {
		t.Errorf("apk: %+v", alpine.Packages)
	}
	arch, _ := one(t, base(fstest.MapFS{
		"var/lib/pacman/local/ALPM_DB_VERSION":    file("9\n"),
		"var/lib/pacman/local/shadow-4.15-1/desc": file("%NAME%\nshadow\n\n%VERSION%\n4.15-1\n\n%BASE%\nshadow\n\n%DESC%\nPassword suite\n\n%ARCH%\nx86_64\n\n%LICENSE%\nBSD-3-Clause\nGPL-2.0-only\n\n"),
		"var/lib/pacman/local/vi-1:070224-6/desc": file("%NAME%\nvi\n\n%VERSION%\n1:070224-6\n"),
		"var/lib/pacman/local/broken-1-1/desc":    file("%NAME%\nbroken\n"),
		"usr/bin/pacman":                          file(""),
		"var/lib/swupd/x":                         file(""), "usr/share/clear/bundles/x": file(""),
		"usr/lib/os-release": file("ID=arch\n"),
	}))
	if p := arch.Packages; p.Status != PackagesPartial || p.Reason == "" || names(p) != "shadow vi" || p.Items[1].Epoch != 1 || p.Items[1].Upstream != "070224" || p.Items[0].License != "BSD-3-Clause AND GPL-2.0-only" {
		t.Errorf("pacman: %+v", p)
	}
	if o := arch.OtherPackages; len(o) != 1 || o[0].Format != "swupd" || names(o[0]) != "x" {
		t.Errorf("others: %+v", o)
	}
	fedora, _ := one(t, base(fstest.MapFS{
		"etc/os-release": file("ID=fedora\n"), "usr/lib/sysimage/rpm/rpmdb.sqlite": file("SQLite format 3\x00"),
		"var/lib/rpm": link("../../usr/lib/sysimage/rpm"), "usr/bin/dnf": link("dnf5"), "usr/bin/dnf5": file(""),
		"var/lib/dpkg/status": file("Package: a\nStatus: install ok installed\nVersion: 1\n"), // a tool of another distribution
	}))
	if p := fedora.Packages; p.Status != PackagesNotRead || p.Format != "rpm" || p.Reason == "" || p.Items != nil || fedora.PackageManager != "dnf" || len(fedora.OtherPackages) != 1 {
		t.Errorf("rpm: %+v, others %+v", p, fedora.OtherPackages)
	}
	none, _ := one(t, base(fstest.MapFS{"etc/os-release": file("ID=debian\n")}))
	if none.Packages.Status != PackagesNone || none.PackageFormat != "deb" {
		t.Errorf("no database: %+v", none.Packages)
	}
}

func names(p Packages) string {
	var out []string
	for _, x := range p.Items {
		out = append(out, x.Name)
	}
	return strings.Join(out, " ")
}

func TestOtherSystems(t *testing.T) {
	pe := make([]byte, 256)
	copy(pe, "MZ")
	pe[0x3c] = 0x80
	copy(pe[0x80:], "PE\x00\x00\x64\xaa")
	win, _ := one(t, fstest.MapFS{
		"WINDOWS/system32/CONFIG/SOFTWARE": file("regf"), "WINDOWS/system32/CONFIG/SYSTEM": file(""), "WINDOWS/system32/cmd.exe": {Data: pe}, "Program Files": dir(),
	})
	if win.Type != TypeWindows || win.SystemRoot != "/WINDOWS" || win.Arch != "aarch64" || win.Packages.Status != PackagesNotRead || win.Version != Unknown {
		t.Errorf("windows: %+v", win)
	}
	bsd, _ := one(t, fstest.MapFS{"etc/rc.conf": file("hostname=\"fb\"\n"), "bin/freebsd-version": file("#!/bin/sh\nUSERLAND_VERSION=\"14.1-RELEASE-p2\"\n"), "bin/sh": elf(2, 1, 62)})
	if bsd.Type != TypeFreeBSD || bsd.Version != "14.1-RELEASE-p2" || bsd.Hostname != "fb" || bsd.Arch != "x86_64" {
		t.Errorf("freebsd: %+v", bsd)
	}
	dos, _ := one(t, fstest.MapFS{"dos/command.com": file("")})
	if dos.Type != TypeDOS {
		t.Errorf("dos: %+v", dos)
	}
	rep := guestOf(t, vol(t, "data", fstest.MapFS{"System Volume Information": dir(), "x": file("")}))
	if len(rep.Systems) != 0 || rep.Volumes[0].Role != RoleWindowsData {
		t.Errorf("windows data: %+v", rep.Volumes[0])
	}
}

// TestHostileFiles gives each detector what it must not trust.
func TestHostileFiles(t *testing.T) {
	many := strings.Repeat("\n", 1<<20) + strings.Repeat("Status: x\n\n", 1000) + "Package: last\nStatus: install ok installed\nVersion: 1\n"
	for name, c := range map[string]struct {
		tree  fstest.MapFS
		class error
		check func(*System) bool
	}{
		"fifo": {fstest.MapFS{"etc/os-release": {Mode: fs.ModeNamedPipe}}, block.ErrUnsupported, func(s *System) bool { return s.Distro == Unknown }},
		"directory": {fstest.MapFS{"etc/os-release": dir(), "usr/lib/os-release": file("ID=x")}, block.ErrUnsupported,
			func(s *System) bool { return s.Distro == "x" }},
		"too large": {fstest.MapFS{"etc/os-release": file(strings.Repeat("#", 1<<20+1))}, block.ErrLimit, func(s *System) bool { return s.Distro == Unknown }},
		"link loop": {fstest.MapFS{"etc/os-release": link("os-release")}, block.ErrLoop, func(s *System) bool { return s.Distro == Unknown }},
		"M09": {fstest.MapFS{"etc/os-release": file("ID=x\nPRETTY_NAME=\"a\x1b]0;title\x07\nb\"\nVERSION_ID=1\n")}, nil,
			func(s *System) bool { return s.ProductName == "a\x1b]0;title\x07\nb" && s.VersionID == "1" }},
		"open quote": {fstest.MapFS{"etc/os-release": file("PRETTY_NAME=\"a\nID=x\n")}, block.ErrCorrupt, func(s *System) bool { return s.Distro == "x" }},
		"long value": {fstest.MapFS{"etc/os-release": file("ID=x\nPRETTY_NAME=" + strings.Repeat("y", 5000) + "\n")}, block.ErrLimit,
			func(s *System) bool { return s.ProductName == Unknown }},
		"many variables": {fstest.MapFS{"etc/os-release": file("ID=x\n" + strings.Repeat("A", 1) + "=1\n" + variables(300))}, block.ErrLimit,
			func(s *System) bool { return s.Distro == "x" && len(s.OSRelease) <= 256 }},
		"M07": {fstest.MapFS{"var/lib/dpkg/status": file("Package: a\nStatus: install ok installed\nVersion: 1\nDepends: " + strings.Repeat("b, ", 1<<20) + "\n\nPackage: c\nStatus: install ok installed\nVersion: 2\n")},
			nil, func(s *System) bool { return names(s.Packages) == "a c" && s.Packages.Status == PackagesRead }},
		"M07 in a field": {fstest.MapFS{"var/lib/dpkg/status": file("Package: " + strings.Repeat("b", 1<<20) + "\nStatus: install ok installed\nVersion: 1\n\nPackage: c\nStatus: install ok installed\nVersion: 2\n")},
			block.ErrLimit, func(s *System) bool { return names(s.Packages) == "c" && s.Packages.Status == PackagesPartial }},
		"M08": {fstest.MapFS{"var/lib/dpkg/status": file(many)}, block.ErrCorrupt, func(s *System) bool { return names(s.Packages) == "last" }},
		"huge status": {fstest.MapFS{"var/lib/dpkg/status": {Data: make([]byte, 64<<20+1)}}, block.ErrLimit,
			func(s *System) bool { return s.Packages.Status == PackagesNotRead && s.Packages.Items == nil }},
		"fifo status": {fstest.MapFS{"var/lib/dpkg/status": {Mode: fs.ModeNamedPipe}}, block.ErrUnsupported,
			func(s *System) bool { return s.Packages.Status == PackagesNotRead }},
		"no version": {fstest.MapFS{"var/lib/dpkg/status": file("Package: a\nStatus: install ok installed\n")}, block.ErrCorrupt,
			func(s *System) bool { return s.Packages.Status == PackagesPartial }},
		"hostname link outside": {fstest.MapFS{"etc/hostname": link("../../../../etc/passwd"), "etc/passwd": file("inside\n")}, nil,
			func(s *System) bool { return s.Hostname == "inside" }},
		"fstab of many lines": {fstest.MapFS{"etc/fstab": file(strings.Repeat("tmpfs /x tmpfs\n", 2000))}, block.ErrLimit,
			func(s *System) bool { return len(s.Mounts) == 1000 }},
		"NUL in fstab": {fstest.MapFS{"etc/fstab": file("UUID=\x00 /a\x00b/\xff ext4\n")}, ErrUnresolved, func(s *System) bool { return len(s.Mounts) == 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			s, rep := one(t, base(c.tree))
			if !c.check(s) {
				t.Errorf("%+v", s)
			}
			found := c.class == nil
			for _, err := range rep.Problems() {
				if c.class == nil || len(err.Error()) > 1000 {
					t.Errorf("problem: %.200v", err)
				}
				found = found || errors.Is(err, c.class)
			}
			if !found {
				t.Errorf("no problem of class %v: %v", c.class, rep.Problems())
			}
		})
	}
}

func variables(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "V%d=x\n", i)
	}
	return b.String()
}

func TestPackageLimitMakesTheListPartial(t *testing.T) {
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, "Package: p%d\nStatus: install ok installed\nVersion: 1\n\n", i)
	}
	for limit, want := range map[int]PackageStatus{19: PackagesPartial, 20: PackagesRead, 21: PackagesRead} {
		rep := &Report{Volumes: []*Volume{vol(t, "disk", base(fstest.MapFS{"var/lib/dpkg/status": file(b.String())}))}}
		if err := rep.findSystems(context.Background(), rep.Volumes[0], &Options{MaxPackages: limit}); err != nil {
			t.Fatal(err)
		}
		if p := rep.Systems[0].Packages; p.Status != want || len(p.Items) != min(limit, 20) {
			t.Errorf("limit %d: %s, %d packages", limit, p.Status, len(p.Items))
		}
	}
}

func TestContextEndsTheInspection(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	v := vol(t, "disk", base(fstest.MapFS{"var/lib/dpkg/status": file("Package: a\nStatus: install ok installed\nVersion: 1\n")}))
	rep := &Report{Volumes: []*Volume{v}}
	if err := rep.findSystems(ctx, v, &Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}
