package inspect

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/internal/testimg"
)

// detect looks at one volume that holds the files.
func detect(t *testing.T, m fstest.MapFS) *Report {
	v := &Volume{Name: "disk", Content: "ext4", Status: StatusRead, UUID: "u", fsys: testimg.MapFS(t, m, vfs.Info{Type: "ext4"})}
	rep := &Report{Volumes: []*Volume{v}}
	if err := rep.findSystems(context.Background(), v, &Options{Initramfs: true}); err != nil {
		t.Fatal(err)
	}
	return rep
}

// fit checks that text of a guest is valid UTF-8 and bounded.
func fit(t *testing.T, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if !utf8.ValidString(s) || len(s) > 3*guest.MaxValue+256 { // each byte may become a U+FFFD
			t.Fatalf("unfit: %.80q (%d bytes)", s, len(s))
		}
	}
}

func FuzzRelease(f *testing.F) {
	for _, d := range distroTrees {
		for _, file := range d.tree {
			if file.Mode.IsRegular() {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, a := range guest.Assignments(b) {
			if !guest.IsVariable(a.Name) || a.Line < 1 || a.Line > strings.Count(string(b), "\n")+1 {
				t.Fatalf("%+v", a)
			}
		}
		for _, name := range []string{"etc/os-release", "etc/lsb-release", "etc/redhat-release", "etc/SuSE-release", "etc/debian_version", "etc/hostname", "etc/rc.conf"} {
			rep := detect(t, base(fstest.MapFS{name: {Data: b, Mode: 0o644}}))
			if len(rep.Systems) != 1 {
				t.Fatalf("%s: %d systems", name, len(rep.Systems))
			}
			s := rep.Systems[0]
			fit(t, s.Distro, s.ProductName, s.Version, s.VersionID, s.Codename, s.Hostname, s.BuildID, s.Variant)
			for k, v := range s.OSRelease {
				fit(t, k, v)
			}
			if s.Distro == "" || s.Version == "" || s.Hostname == "" {
				t.Fatalf("an empty field: %+v", s)
			}
		}
	})
}

func FuzzFstab(f *testing.F) {
	f.Add([]byte("UUID=u / ext4 defaults 0 1\nLABEL=\"a\\040b\" /usr auto\n/dev/sda1 /home ext4 bind\n"))
	f.Add([]byte("/dev/disk/by-label/a\\x20b /..//x/\xff ext4\n/dev/mapper/a--b-c none swap sw 0 0\n//s/x /m cifs\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rep := detect(t, base(fstest.MapFS{"etc/fstab": {Data: b, Mode: 0o644}, "home": dir(), "m": dir()}))
		s := rep.Systems[0]
		for _, m := range s.Mounts {
			fit(t, m.Spec, m.Path, m.Type, m.Options, m.Reason)
			if m.Path != "" && !fs.ValidPath(guest.Name(m.Path)) {
				t.Fatalf("path %q", m.Path)
			}
			if m.Volume == "" && m.Reason == "" || m.Merged && m.Volume == "" {
				t.Fatalf("neither a volume nor a reason: %+v", m)
			}
		}
		if _, err := s.FS(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzPackages(f *testing.F) {
	f.Add([]byte("Package: a\nStatus: install ok installed\nVersion: 1:2-3\nSource: b (2)\n\nPackage: c\nStatus: x\n"))
	f.Add([]byte("P:musl\nV:1.2.5-r0\nA:x86_64\n\n"))
	f.Add([]byte("%NAME%\na\n\n%VERSION%\n1:2-3\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range []string{"var/lib/dpkg/status", "var/lib/dpkg/status.d/x", "lib/apk/db/installed", "var/lib/pacman/local/x/desc"} {
			p := detect(t, base(fstest.MapFS{name: {Data: b, Mode: 0o644}})).Systems[0].Packages
			if p.Status != PackagesRead && p.Reason == "" || p.Status == PackagesNone {
				t.Fatalf("%s: %+v", name, p)
			}
			for _, x := range p.Items {
				fit(t, x.Name, x.Version, x.Upstream, x.Revision, x.Arch, x.Source, x.SourceVersion, x.Maintainer, x.Summary)
				if x.Name == "" || x.Version == "" || x.Epoch < 0 {
					t.Fatalf("%s: %+v", name, x)
				}
			}
		}
	})
}

func FuzzBoot(f *testing.F) {
	f.Add(elf(2, 1, 62).Data)
	f.Add([]byte("version 6.1\nlinux /vmlinuz-6.1\ninitrd /i\noptions root=x\n"))
	f.Add([]byte("set default=\"0\"\nlinux /boot/vmlinuz-6.1 ro\n"))
	f.Add([]byte("MZ" + strings.Repeat("\x00", 58) + "\x40\x00\x00\x00PE\x00\x00\x64\x86"))
	f.Add([]byte("id:3:initdefault:\nsi::sysinit:/sbin/openrc sysinit\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		data := &fstest.MapFile{Data: b, Mode: 0o644}
		s := detect(t, base(fstest.MapFS{
			"usr/bin/bash": data, "boot/vmlinuz-6.1": data, "boot/initrd.img-6.1": data, "boot/config-6.1": data, "boot/grub/grub.cfg": data, "boot/grub2/grubenv": data,
			"boot/loader/entries/a.conf": data, "etc/inittab": data, "sbin/init": data, "usr/lib/modules/6.2.0/pkgbase": data,
		})).Systems[0]
		for _, k := range s.Kernels {
			fit(t, k.Version, k.Image, k.Initrd, k.Options, k.Entry)
			if k.Version == "" {
				t.Fatalf("%+v", k)
			}
		}
		bootCode(b)
		guest.KernelArch(b)
	})
}
