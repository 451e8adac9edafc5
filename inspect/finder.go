package inspect

import (
	"path"
	"strings"

	"github.com/guestkit/guestkit/fs/vfs"
)

// A place is a directory of a volume that an operating system has as its root.
type place struct {
	dir    string // "." if the volume is the root
	typ    Type
	marker string // the file that gave it away
}

// A finder knows the roots of one kind of operating system by their files. It
// sees one volume, before anything is mounted: what lies on a volume of its
// own (/usr, /var) is missing, and links into it lead nowhere.
type finder struct {
	name string
	find func(t *tree) []place
	// identify says what is known of a system, once its mounts are merged.
	identify func(r *root) error
}

// finders are in order: the first that finds something in a volume is right.
var finders = [...]finder{
	{"windows", findWindows, (*root).identifyWindows},
	{"freebsd", findBSD, (*root).identifyBSD},
	{"ostree", findOSTree, (*root).identifyLinux},
	{"linux", findLinux, (*root).identifyLinux},
	{"subvolume", findSubvolumes, (*root).identifyLinux},
	{"dos", findDOS, (*root).identifyDOS},
}

// findLinux takes a volume as a root if it has the folders of one and a file
// that only a root has. The files may be links to a /usr that is not here.
func findLinux(t *tree) []place {
	if isInstaller(t) != "" {
		return nil
	}
	if t.isThere("nix/store") && t.isThere("nix/var/nix/profiles/system") {
		return []place{{".", TypeLinux, "nix/var/nix/profiles/system"}}
	}
	if !t.isDir("etc") || !t.isDir("usr") {
		return nil
	}
	if !t.isThere("bin") && !t.isThere("sbin") && !t.isDir("usr/bin") {
		return nil
	}
	for _, name := range []string{"etc/os-release", "usr/lib/os-release", "etc/fstab", "etc/passwd", "etc/hosts"} {
		if t.isThere(name) {
			return []place{{".", TypeLinux, name}}
		}
	}
	return nil
}

// findSubvolumes finds the roots in the subvolumes at the top level of Btrfs,
// such as "root" of Fedora and "@" of Ubuntu. Each is a folder whose inode is
// the first of a tree of its own.
func findSubvolumes(t *tree) []place {
	const firstInode = 256
	top, ok := t.fsys.(vfs.FS)
	if !ok || top.Info().Type != "btrfs" {
		return nil
	}
	var out []place
	for _, e := range t.list(".") {
		fi := t.lstat(e.Name())
		if fi == nil || !fi.IsDir() {
			continue
		}
		if st, ok := fi.Sys().(*vfs.Stat); !ok || st.Ino != firstInode {
			continue
		}
		sub, err := vfs.Sub(top, e.Name())
		if err != nil {
			t.fail(e.Name(), err)
			continue
		}
		below := *t
		below.fsys = sub
		for _, p := range findLinux(&below) {
			out = append(out, place{path.Join(e.Name(), p.dir), p.typ, path.Join(e.Name(), p.marker)})
		}
	}
	return out
}

// findOSTree finds the deployments of ostree: roots of their own in
// /ostree/deploy/NAME/deploy/CHECKSUM.N.
func findOSTree(t *tree) []place {
	var out []place
	for _, osname := range t.list("ostree/deploy") {
		dir := path.Join("ostree/deploy", osname.Name(), "deploy")
		for _, e := range t.list(dir) {
			at := path.Join(dir, e.Name())
			if e.IsDir() && (t.isThere(at+"/usr/lib/os-release") || t.isThere(at+"/usr/etc/os-release") || t.isThere(at+"/etc/os-release")) {
				out = append(out, place{at, TypeLinux, at})
			}
		}
	}
	return out
}

// findBSD knows the BSDs by the files that their base systems install.
func findBSD(t *tree) []place {
	if !t.isDir("etc") || !t.isDir("bin") {
		return nil
	}
	for _, m := range [...]struct {
		name string
		typ  Type
	}{{"bin/freebsd-version", TypeFreeBSD}, {"etc/freebsd-update.conf", TypeFreeBSD}, {"netbsd", TypeNetBSD}, {"bsd", TypeOpenBSD}} {
		if t.isFile(m.name) {
			return []place{{".", m.typ, m.name}}
		}
	}
	return nil
}

// identifyBSD reads what the BSDs have in common with each other.
func (r *root) identifyBSD() error {
	if b, ok := r.text("bin/freebsd-version"); ok {
		for _, a := range assignments(b) {
			if a.name == "USERLAND_VERSION" {
				r.set(&r.sys.Version, "version", a.value, "bin/freebsd-version", a.line)
			}
		}
	}
	r.findArch()
	r.findHostname()
	return r.findPackages()
}

// findDOS knows FreeDOS and MS-DOS by the folder of their shell.
func findDOS(t *tree) []place {
	for _, name := range []string{"FDOS/FREEDOS.BSS", "DOS/COMMAND.COM"} {
		if at := t.fold(name); at != "" {
			return []place{{".", TypeDOS, at}}
		}
	}
	return nil
}

func (r *root) identifyDOS() error {
	r.sys.Packages = Packages{Status: PackagesNone}
	return nil
}

// installers are files that only installation and live media have.
var installers = [...]string{
	".disk/info", ".treeinfo", ".discinfo", "media.1/media", "casper", "live/filesystem.squashfs", "LiveOS/squashfs.img",
	"LiveOS/rootfs.img", "arch/version", "sources/install.wim", "sources/install.esd", "images/install.img",
}

// isInstaller returns the file that makes a volume an installation medium, or
// "".
func isInstaller(t *tree) string {
	for _, name := range installers {
		if t.isThere(name) {
			return name
		}
	}
	return ""
}

// role says what a volume without a root is for, by its content.
func role(t *tree, v *Volume) Role {
	switch {
	case v.Content == "vfat" && (v.isESP() || t.fold("EFI/BOOT") != ""):
		return RoleESP
	case isInstaller(t) != "":
		return RoleInstaller
	case t.isDir("grub") || t.isDir("grub2") || t.isDir("loader/entries") || t.isDir("extlinux") || hasKernel(t):
		return RoleBoot
	case t.isDir("lib") && t.isDir("bin") && t.isDir("share"):
		return RoleUsr
	case t.isDir("lib") && t.isDir("log") && (t.isDir("cache") || t.isDir("spool")):
		return RoleVar
	case t.fold("System Volume Information") != "":
		return RoleWindowsData
	}
	return RoleUnknown
}

func hasKernel(t *tree) bool {
	for _, e := range t.list(".") {
		if strings.HasPrefix(e.Name(), "vmlinuz-") {
			return true
		}
	}
	return false
}
