package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/internal/peers"
)

// bzImage is the head of a kernel of x86 of a version (Documentation/arch/x86/boot.rst).
func bzImage(version string) *fstest.MapFile {
	b := make([]byte, 0x4000)
	copy(b[0x202:], "HdrS")
	b[0x206], b[0x207] = 0x0f, 2
	b[0x20e], b[0x20f] = 0x00, 0x30 // at 0x3200
	b[0x236] = 1
	copy(b[0x3200:], version+" (root@host) #1 SMP\x00")
	return &fstest.MapFile{Data: b, Mode: 0o644}
}

// TestKernelVersions names kernels by what uname prints, not by their files.
func TestKernelVersions(t *testing.T) {
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"genkernel":      {fstest.MapFS{"boot/kernel-genkernel-x86_64-4.9.16-gentoo": bzImage("4.9.16-gentoo"), "boot/initramfs-genkernel-x86_64-4.9.16-gentoo": file(""), "lib/modules/4.9.16-gentoo/kernel": dir()}, "4.9.16-gentoo kernel-genkernel-x86_64-4.9.16-gentoo initrd modules"},
		"slackware":      {fstest.MapFS{"boot/vmlinuz-huge-5.15.19": bzImage("5.15.19"), "boot/vmlinuz": link("vmlinuz-huge-5.15.19"), "boot/vmlinuz-huge": link("vmlinuz-huge-5.15.19")}, "5.15.19 vmlinuz-huge-5.15.19"},
		"rescue":         {fstest.MapFS{"boot/vmlinuz-0-rescue-abc": bzImage("5.14.0-70.el9.x86_64"), "boot/vmlinuz-5.14.0-70.el9.x86_64": bzImage("5.14.0-70.el9.x86_64"), "lib/modules/5.14.0-70.el9.x86_64/kernel": dir()}, "5.14.0-70.el9.x86_64 vmlinuz-0-rescue-abc modules; 5.14.0-70.el9.x86_64 vmlinuz-5.14.0-70.el9.x86_64 modules"},
		"plain":          {fstest.MapFS{"boot/vmlinuz": bzImage("2.6.32"), "boot/initrd.img": file("")}, "2.6.32 vmlinuz initrd"},
		"plain, no text": {fstest.MapFS{"boot/vmlinuz": file("x")}, ""},
		"arch":           {fstest.MapFS{"boot/vmlinuz-linux": bzImage("6.9.1-arch1-1"), "boot/initramfs-linux.img": file(""), "usr/lib/modules/6.9.1-arch1-1/pkgbase": file("linux\n")}, "6.9.1-arch1-1 vmlinuz-linux initrd modules"},
	} {
		s, _ := one(t, base(c.tree))
		var got []string
		for _, k := range s.Kernels {
			text := k.Version + " " + filepath.Base(k.Image)
			if k.Initrd != "" {
				text += " initrd"
			}
			if k.Modules != "" {
				text += " modules"
			}
			got = append(got, text)
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestInstalledRoots tells installed systems from the media that they came from.
func TestInstalledRoots(t *testing.T) {
	installed := fstest.MapFS{"etc/fstab": file("UUID=a / ext4\n"), "etc/passwd": file(""), "usr/bin": dir(), "bin": dir()}
	for _, marker := range []string{"casper/x", ".disk/info", ".discinfo", ".treeinfo", "media.1/media", "arch/version", "images/install.img"} {
		m := fstest.MapFS{marker: file("x")}
		for name, f := range installed {
			m[name] = f
		}
		if rep := guestOf(t, vol(t, "gpt1", m)); len(rep.Systems) != 1 {
			t.Errorf("%s: no system", marker)
		}
	}
	busybox := fstest.MapFS{"etc/fstab": file(""), "bin/busybox": elf(1, 1, 40), "etc/inittab": file("::sysinit:/x\n"), "sbin/init": link("../bin/busybox")}
	if s, _ := one(t, busybox); s.Arch != "arm" || s.Init.Name != "busybox" {
		t.Errorf("BusyBox: %+v", s)
	}
}

// TestOtherKinds tells what is neither Linux nor Windows.
func TestOtherKinds(t *testing.T) {
	for name, c := range map[string]struct {
		tree                     fstest.MapFS
		typ                      Type
		distro, version, product string
	}{
		"hurd": {base(fstest.MapFS{"hurd/console": file(""), "hurd/hello": file(""), "hurd/null": file(""), "servers": dir(),
			"etc/os-release": file("PRETTY_NAME=\"Debian GNU/Hurd 13 (trixie)\"\nNAME=\"Debian GNU/Hurd\"\nVERSION_ID=\"13\"\nVERSION=\"13 (trixie)\"\nID=debian\n")}), TypeHurd, "debian", "13", "Debian GNU/Hurd 13 (trixie)"},
		"freebsd 14": {fstest.MapFS{"etc/rc.conf": file(""), "bin/freebsd-version": file("#!/bin/sh\nUSERLAND_VERSION=\"14.1-RELEASE-p2\"\n"),
			"etc/os-release": link("../var/run/os-release"), "var/run/os-release": file("NAME=FreeBSD\nVERSION=\"14.1-RELEASE-p2\"\nVERSION_ID=\"14.1\"\nID=freebsd\nPRETTY_NAME=\"FreeBSD 14.1-RELEASE-p2\"\n")}, TypeFreeBSD, "freebsd", "14.1-RELEASE-p2", "FreeBSD 14.1-RELEASE-p2"},
		"openbsd":     {fstest.MapFS{"bsd": file(""), "etc/myname": file("ob.example\n"), "bin/sh": file(""), "etc/motd": file("OpenBSD 7.5 (GENERIC.MP) #82: Wed Mar 20 15:48:40 MDT 2024\n\nWelcome\n")}, TypeOpenBSD, "openbsd", "7.5", "OpenBSD 7.5"},
		"netbsd":      {fstest.MapFS{"netbsd": file(""), "etc/release": file("NetBSD 8.2/amd64\n"), "bin/sh": file("")}, TypeNetBSD, "netbsd", "8.2/amd64", "NetBSD 8.2/amd64"},
		"omnios":      {fstest.MapFS{"etc/release": file("  OmniOS v11 r151012\n  Copyright 2014 OmniTI Computer Consulting, Inc. All rights reserved.\n  Use is subject to license terms.\n"), "kernel": dir(), "platform": dir()}, TypeIllumos, "omnios", "r151012", "OmniOS v11 r151012"},
		"solaris":     {fstest.MapFS{"etc/release": file("                             Oracle Solaris 11.3 X86\n  Copyright (c) 1983, 2015, Oracle and/or its affiliates.  All rights reserved.\n"), "kernel": dir(), "platform": dir()}, TypeIllumos, "solaris", "11.3", "Oracle Solaris 11.3 X86"},
		"openindiana": {fstest.MapFS{"etc/release": file("             OpenIndiana Development oi_151.1.9 X86 (powered by illumos)\n        Copyright 2011 Oracle and/or its affiliates. All rights reserved.\n"), "kernel": dir(), "platform": dir()}, TypeIllumos, "openindiana", "oi_151.1.9", "OpenIndiana Development oi_151.1.9 X86 (powered by illumos)"},
		"minix":       {fstest.MapFS{"service/vm": file(""), "etc/version": file("3.3.0\n"), "etc/fstab": file(""), "bin/sh": file("")}, TypeMinix, "minix", "3.3.0", "3.3.0"},
		"freedos":     {fstest.MapFS{"KERNEL.SYS": file(""), "COMMAND.COM": file(""), "FDCONFIG.SYS": file("")}, TypeDOS, "freedos", Unknown, "FreeDOS"},
		"msdos":       {fstest.MapFS{"IO.SYS": file(""), "MSDOS.SYS": file(""), "COMMAND.COM": file("")}, TypeDOS, "msdos", Unknown, "MS-DOS"},
		"macos": {fstest.MapFS{"System/Library/CoreServices/SystemVersion.plist": file("<plist version=\"1.0\">\n<dict>\n\t<key>ProductBuildVersion</key>\n\t<string>20G71</string>\n\t<key>ProductName</key>\n\t<string>macOS</string>\n\t<key>ProductVersion</key>\n\t<string>11.5.1</string>\n</dict>\n</plist>\n")},
			TypeMacOS, "macos", "11.5.1", "macOS"},
	} {
		s, rep := one(t, c.tree)
		if s.Type != c.typ || s.Distro != c.distro || s.Version != c.version || s.ProductName != c.product {
			t.Errorf("%s: %s, %s, %s, %q; %v", name, s.Type, s.Distro, s.Version, s.ProductName, rep.Problems())
		}
	}
}

// TestBootedDeployment lists the deployment of ostree first that boots.
func TestBootedDeployment(t *testing.T) {
	const d = "ostree/deploy/fedora/deploy/"
	m := fstest.MapFS{"ostree/boot.1": link("boot.1.1"), "ostree/boot.1.1/fedora/sum/0": link("../../../deploy/fedora/deploy/bbb.0"), "ostree/boot.1.1/fedora/sum/1": link("../../../deploy/fedora/deploy/aaa.0")}
	for dep, version := range map[string]string{"aaa.0": "39", "bbb.0": "40", "ccc.0": "38"} {
		m[d+dep+"/usr/lib/os-release"] = file("ID=fedora\nVERSION_ID=" + version + "\n")
	}
	boot := func(first, second string) *Volume {
		return part(vol(t, "gpt2", fstest.MapFS{
			"loader/entries/ostree-2.conf": file("title Fedora\nversion 2\nlinux /ostree/vmlinuz\noptions root=UUID=x ostree=/ostree/boot.1/fedora/sum/" + first + " rw\n"),
			"loader/entries/ostree-1.conf": file("title Fedora\nversion 1\nlinux /ostree/vmlinuz\noptions root=UUID=x ostree=/ostree/boot.1/fedora/sum/" + second + "\n")}), 0, 2, "", "")
	}
	for name, c := range map[string]struct {
		boot *Volume
		want string
	}{"the newest": {boot("0", "1"), "40 39 38"}, "rolled back": {boot("1", "0"), "39 40 38"}, "no entries": {nil, "40 39 38"}} {
		vols := []*Volume{part(vol(t, "gpt3", m), 0, 3, "", "")}
		if c.boot != nil {
			vols = append(vols, c.boot)
		}
		var got []string
		rep := guestOf(t, vols...)
		for _, s := range rep.Systems {
			got = append(got, s.VersionID)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if ev := rep.Systems[0].Because("root"); len(ev) != 1 || c.boot != nil && (ev[0].Volume != "gpt2" || ev[0].Path != "/loader/entries/ostree-2.conf") {
			t.Errorf("%s: %+v", name, ev)
		}
	}
}

// TestDpkgUpdates applies what an interrupted run of dpkg left, as dpkg-query does.
func TestDpkgUpdates(t *testing.T) {
	stanza := func(name, status, version string) string {
		return fmt.Sprintf("Package: %s\nStatus: %s\nMaintainer: x <x@example.org>\nArchitecture: amd64\nVersion: %s\nDescription: x\n\n", name, status, version)
	}
	const ok, gone = "install ok installed", "deinstall ok config-files"
	files := map[string]string{
		"status":       stanza("a", ok, "1") + stanza("b", ok, "1") + stanza("c", gone, "1"),
		"updates/0000": stanza("a", ok, "2"), "updates/0001": stanza("b", gone, "1"), "updates/0002": stanza("d", "install ok unpacked", "1"), "updates/0003": stanza("a", ok, "3"),
	}
	m := fstest.MapFS{}
	for name, text := range files {
		m["var/lib/dpkg/"+name] = file(text)
	}
	m["var/lib/dpkg/updates/tmp.i"] = file(stanza("tmp", ok, "1"))
	s, rep := one(t, base(m))
	var got []string
	for _, p := range s.Packages.Items {
		got = append(got, p.Name+" "+p.Version)
	}
	if strings.Join(got, ", ") != "a 3, d 1" || s.Packages.Status != PackagesRead || len(rep.Problems()) != 0 {
		t.Errorf("%v, %+v, %v", got, s.Packages.Status, rep.Problems())
	}
	peers.Need(t, "dpkg-query")
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := peers.Run(t, "dpkg-query", "--admindir="+dir, "-W", "-f", "${db:Status-Status} ${Package} ${Version}, ")
	var want []string
	for _, line := range strings.Split(strings.TrimSuffix(out, ", "), ", ") {
		if f := strings.Fields(line); len(f) == 3 && f[0] != "config-files" {
			want = append(want, f[1]+" "+f[2])
		}
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("%v, and dpkg-query says %v", got, want)
	}
}

// TestLongLists reads databases of more entries than a detector looks at elsewhere.
func TestLongLists(t *testing.T) {
	const n = 5000
	m := fstest.MapFS{}
	for i := range n {
		m[fmt.Sprintf("var/lib/pacman/local/p%d-1-1/desc", i)] = file(fmt.Sprintf("%%NAME%%\np%d\n\n%%VERSION%%\n1-1\n", i))
	}
	if s, rep := one(t, base(m)); len(s.Packages.Items) != n || s.Packages.Status != PackagesRead || len(rep.Problems()) != 0 {
		t.Errorf("pacman: %d, %s, %v", len(s.Packages.Items), s.Packages.Status, rep.Problems())
	}
	m = fstest.MapFS{}
	for i := range n {
		m[fmt.Sprintf("var/lib/dpkg/status.d/p%d", i)] = file(fmt.Sprintf("Package: p%d\nVersion: 1\n", i))
	}
	if s, _ := one(t, base(m)); len(s.Packages.Items) != n || s.Packages.Status != PackagesRead {
		t.Errorf("status.d: %d, %s", len(s.Packages.Items), s.Packages.Status)
	}
}
