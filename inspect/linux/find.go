package linux

import (
	"context"
	"io/fs"
	"path"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// Find lists the roots of Linux in one volume, before anything is mounted: what
// lies on a volume of its own (/usr, /var) is missing, and links into it lead
// nowhere.
func Find(ctx context.Context, fsys fs.FS, o *system.Options) []system.Place {
	t := guest.NewTree(ctx, fsys, o)
	for _, find := range [...]func(*guest.Tree) []system.Place{findOSTree, findRoot, findSubvolumes} {
		if places := find(t); len(places) > 0 {
			return places
		}
	}
	return nil
}

// findRoot takes a volume as a root if it has the folders of one and a file
// that only a root has. The files may be links to a /usr that is not here.
func findRoot(t *guest.Tree) []system.Place {
	if guest.Installer(t) != "" {
		return nil
	}
	if t.IsThere("nix/store") && t.IsThere("nix/var/nix/profiles/system") {
		return []system.Place{{Dir: ".", Type: system.TypeLinux, Marker: "nix/var/nix/profiles/system", Finder: "linux"}}
	}
	if !t.IsDir("etc") || !t.IsDir("usr") {
		return nil
	}
	if !t.IsThere("bin") && !t.IsThere("sbin") && !t.IsDir("usr/bin") {
		return nil
	}
	for _, name := range []string{"etc/os-release", "usr/lib/os-release", "etc/fstab", "etc/passwd", "etc/hosts"} {
		if t.IsThere(name) {
			return []system.Place{{Dir: ".", Type: system.TypeLinux, Marker: name, Finder: "linux"}}
		}
	}
	return nil
}

// findSubvolumes finds the roots in the default subvolume of Btrfs, as openSUSE
// has it ("@/.snapshots/1/snapshot"), and in those at its top level, such as
// "root" of Fedora and "@" of Ubuntu. Each is a folder whose inode is the first
// of a tree of its own.
func findSubvolumes(t *guest.Tree) []system.Place {
	const firstInode = 256
	top, ok := t.FS.(vfs.FS)
	if !ok || top.Info().Type != "btrfs" {
		return nil
	}
	var out []system.Place
	look := func(dir string) {
		sub, err := vfs.Sub(top, dir)
		if err != nil {
			t.Fail(dir, err)
			return
		}
		below := *t
		below.FS = sub
		for _, p := range findRoot(&below) {
			out = append(out, system.Place{Dir: path.Join(dir, p.Dir), Type: p.Type, Marker: path.Join(dir, p.Marker), Finder: "subvolume"})
		}
	}
	main, err := vfs.DefaultSubvolume(top)
	if err != nil {
		t.Fail(".", err)
	}
	if main != "." {
		look(main)
	}
	for _, e := range t.List(".") {
		fi := t.Lstat(e.Name())
		if fi == nil || !fi.IsDir() {
			continue
		}
		if st, ok := fi.Sys().(*vfs.Stat); !ok || st.Ino != firstInode {
			continue
		}
		if e.Name() != main {
			look(e.Name())
		}
	}
	return out
}

// findOSTree finds the deployments of ostree: roots of their own in
// /ostree/deploy/NAME/deploy/CHECKSUM.N.
func findOSTree(t *guest.Tree) []system.Place {
	var out []system.Place
	for _, osname := range t.List("ostree/deploy") {
		dir := path.Join("ostree/deploy", osname.Name(), "deploy")
		for _, e := range t.List(dir) {
			at := path.Join(dir, e.Name())
			if e.IsDir() && (t.IsThere(at+"/usr/lib/os-release") || t.IsThere(at+"/usr/etc/os-release") || t.IsThere(at+"/etc/os-release")) {
				out = append(out, system.Place{Dir: at, Type: system.TypeLinux, Marker: at, Finder: "ostree"})
			}
		}
	}
	return out
}
