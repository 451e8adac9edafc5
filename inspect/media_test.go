package inspect

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/internal/peers"
)

// squash makes a squashfs of some files with mksquashfs.
func squash(t *testing.T, files map[string]string) *fstest.MapFile {
	t.Helper()
	peers.Need(t, "mksquashfs")
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, "root", name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	img := filepath.Join(dir, "img")
	peers.Run(t, "mksquashfs", filepath.Join(dir, "root"), img, "-quiet", "-no-progress")
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: b, Mode: 0o644}
}

// TestImagesInVolumes identifies roots that are images in a file.
func TestImagesInVolumes(t *testing.T) {
	root := func(release string) map[string]string {
		return map[string]string{"etc/os-release": release, "etc/passwd": "", "usr/bin/x": "", "bin/sh": "",
			"var/lib/dpkg/status": "Package: a\nStatus: install ok installed\nVersion: 1\n"}
	}
	vyos := guestOf(t, vol(t, "gpt3", fstest.MapFS{
		"boot/1.3.2/1.3.2.squashfs": squash(t, root("PRETTY_NAME=\"VyOS 1.3.2 (equuleus)\"\nID=vyos\nVERSION_ID=\"1.3.2\"\n")),
		"boot/1.4.0/1.4.0.squashfs": squash(t, root("PRETTY_NAME=\"VyOS 1.4.0 (sagitta)\"\nID=vyos\nVERSION_ID=\"1.4.0\"\n")),
		"boot/grub/grub.cfg":        file(""), "persistence.conf": file("/ union\n")}))
	if len(vyos.Systems) != 2 {
		t.Fatalf("%d systems: %v", len(vyos.Systems), vyos.Problems())
	}
	for i, version := range []string{"1.4.0", "1.3.2"} {
		if s := vyos.Systems[i]; s.Distro != "vyos" || s.Version != version || s.Image != "/boot/"+version+"/"+version+".squashfs" || len(s.Packages.Items) != 1 || s.Kind != KindInstalled {
			t.Errorf("%+v", s)
		}
	}
	if vyos.tree == nil { // as in tests only
		for _, c := range vyos.opened {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	live, _ := one(t, fstest.MapFS{".disk/info": file("Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 LIVE\n"),
		"live/filesystem.squashfs": squash(t, root("ID=debian\nVERSION_ID=\"12\"\n"))})
	if live.Kind != KindLive || live.Distro != "debian" || live.VersionID != "12" || len(live.Packages.Items) != 1 {
		t.Errorf("%+v", live)
	}
	broken, rep := one(t, fstest.MapFS{".disk/info": file("Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 LIVE\n"), "live/filesystem.squashfs": file("no")})
	if broken.Kind != KindLive || broken.ProductName == Unknown || len(rep.Problems()) != 1 {
		t.Errorf("%+v, %v", broken, rep.Problems())
	}
}

// TestMedia names installation media by what they say.
func TestMedia(t *testing.T) {
	for name, c := range map[string]struct {
		tree                                   fstest.MapFS
		typ                                    Type
		kind                                   SystemKind
		distro, version, codename, arch, title string
	}{
		"debian netinst": {fstest.MapFS{".disk/info": file("Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST with firmware 20240210-11:27\n"), "install.amd/vmlinuz": file("")},
			TypeLinux, KindInstaller, "debian", "12.5.0", "Bookworm", "x86_64", "Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST with firmware 20240210-11:27"},
		"ubuntu server": {fstest.MapFS{".disk/info": file("Ubuntu-Server 24.04.1 LTS \"Noble Numbat\" - Release amd64 (20240827)"), "casper/vmlinuz": file(""), "etc/fstab": file(""), "usr/bin": dir(), "bin": dir()},
			TypeLinux, KindInstaller, "ubuntu", "24.04.1", "Noble Numbat", "x86_64", "Ubuntu-Server 24.04.1 LTS \"Noble Numbat\" - Release amd64 (20240827)"},
		"rhel": {fstest.MapFS{".treeinfo": file("[header]\ntype = productmd.treeinfo\nversion = 1.2\n\n[release]\nname = Red Hat Enterprise Linux\nshort = RHEL\nversion = 9.4\n\n[general]\narch = x86_64\nfamily = Red Hat Enterprise Linux\nname = Red Hat Enterprise Linux 9.4\nversion = 9.4\n"), "images/install.img": file("")},
			TypeLinux, KindInstaller, "rhel", "9.4", Unknown, "x86_64", "Red Hat Enterprise Linux"},
		"openEuler":  {fstest.MapFS{".disk/info": file("openEuler 22.03 \"x\" - Release arm64\n")}, TypeLinux, KindInstaller, "openeuler", "22.03", "x", "aarch64", "openEuler 22.03 \"x\" - Release arm64"},
		"rhel 5":     {fstest.MapFS{".discinfo": file("1209608466.515430\nRed Hat Enterprise Linux Server 5.11\nx86_64\n1,2,3\nServer/base\n")}, TypeLinux, KindInstaller, "rhel", "5.11", Unknown, "x86_64", "Red Hat Enterprise Linux Server 5.11"},
		"fedora":     {fstest.MapFS{".discinfo": file("1713295200.123\nFedora-S-40\naarch64\n")}, TypeLinux, KindInstaller, "fedora", "40", Unknown, "aarch64", "Fedora-S-40"},
		"leap":       {fstest.MapFS{"media.1/media": file("openSUSE - openSUSE-Leap-15.5-DVD-x86_64-Build491.1-Media\nopenSUSE-Leap-15.5-DVD-x86_64-Build491.1\n1\n")}, TypeLinux, KindInstaller, "opensuse-leap", "15.5", Unknown, "x86_64", "openSUSE Leap 15.5"},
		"tumbleweed": {fstest.MapFS{"media.1/media": file("openSUSE - openSUSE-Tumbleweed-DVD-aarch64-Snapshot20240501-Media\nopenSUSE-Tumbleweed-DVD-aarch64-Snapshot20240501\n1\n")}, TypeLinux, KindInstaller, "opensuse-tumbleweed", "20240501", Unknown, "aarch64", "openSUSE Tumbleweed"},
		"sles":       {fstest.MapFS{"media.1/media": file("SUSE - SLE-15-SP5-Full-x86_64-Build50.1-Media\nSLE-15-SP5-Full-x86_64-Build50.1\n1\n")}, TypeLinux, KindInstaller, "sles", "15.5", Unknown, "x86_64", "SLE 15 SP5"},
		"arch":       {fstest.MapFS{"arch/version": file("2024.05.01\n"), "arch/boot/x86_64/vmlinuz-linux": file("")}, TypeLinux, KindInstaller, "arch", "2024.05.01", Unknown, Unknown, "Arch Linux"},
		"windows":    {fstest.MapFS{"sources/install.wim": file(""), "bootmgr": file("")}, TypeWindows, KindInstaller, Unknown, Unknown, Unknown, Unknown, Unknown},
	} {
		s, rep := one(t, c.tree)
		if s.Type != c.typ || s.Kind != c.kind || s.Distro != c.distro || s.Version != c.version || s.Codename != c.codename || s.Arch != c.arch || s.ProductName != c.title || rep.Volumes[0].Role != RoleInstaller {
			t.Errorf("%s: %+v; %v", name, s, rep.Problems())
		}
	}
}

// TestAppliances names systems that have no release file.
func TestAppliances(t *testing.T) {
	for name, c := range map[string]struct {
		tree            fstest.MapFS
		distro, version string
	}{
		"ubuntu core": {fstest.MapFS{"system-data/var/lib/snapd/modeenv": file("mode=run\nrecovery_system=20240101\nbase=core22_1380.snap\nmodel=canonical/ubuntu-core-22-amd64\ngrade=dangerous\n")}, "ubuntu-core", "22"},
		"android":     {fstest.MapFS{"system/build.prop": file("# begin build properties\nro.build.id=PI\nro.build.version.release=9\nro.product.cpu.abi=x86_64\n")}, "android", "9"},
		"talos":       {fstest.MapFS{"grub/grub.cfg": file("set default=\"A - Talos v1.7.0\"\nmenuentry \"A - Talos v1.7.0\" {\n}\n"), "A/vmlinuz": file("")}, "talos", "v1.7.0"},
	} {
		if s, rep := one(t, c.tree); s.Type != TypeLinux || s.Distro != c.distro || s.Version != c.version {
			t.Errorf("%s: %+v, %v", name, s, rep.Problems())
		}
	}
}
