package linux

import (
	"cmp"
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// Find lists the roots of Linux in one volume, before anything is mounted: what
// lies on a volume of its own (/usr, /var) is missing, and links into it lead
// nowhere.
func Find(ctx context.Context, fsys fs.FS, o *system.Options) []system.Place {
	t := guest.NewTree(ctx, fsys, o)
	for _, find := range [...]func(*guest.Tree) []system.Place{findOSTree, findImages, findRoot, findSubvolumes, findMedia, findAppliances} {
		if places := find(t); len(places) > 0 {
			return places
		}
	}
	return nil
}

// findRoot takes a volume as a root if it has the folders of one and a file
// that only a root has. The files may be links to a /usr that is not here; where
// there is no /usr at all, as with BusyBox, a file that is always in /etc counts.
func findRoot(t *guest.Tree) []system.Place {
	if guest.Installer(t) != "" && !isInstalled(t) {
		return nil
	}
	root := func(marker string) []system.Place {
		return []system.Place{{Dir: ".", Type: system.TypeLinux, Marker: marker, Finder: "linux"}}
	}
	if t.IsThere("nix/store") && t.IsThere("nix/var/nix/profiles/system") {
		return root("nix/var/nix/profiles/system")
	}
	if !t.IsDir("etc") {
		return nil
	}
	if !t.IsDir("usr") {
		if t.IsThere("bin") && (!t.IsDir("share") || t.IsThere("proc") || t.IsThere("dev")) { // not a /usr with an etc
			for _, name := range [...]string{"etc/fstab", "etc/hosts", "etc/inittab", "etc/os-release"} {
				if t.IsThere(name) {
					return root(name)
				}
			}
		}
		return nil
	}
	if !t.IsThere("bin") && !t.IsThere("sbin") && !t.IsDir("usr/bin") {
		return nil
	}
	for _, name := range [...]string{"etc/os-release", "usr/lib/os-release", "etc/fstab", "etc/passwd", "etc/hosts"} {
		if t.IsThere(name) {
			return root(name)
		}
	}
	return nil
}

// databases are where package managers keep what is installed.
var databases = [...]string{"var/lib/dpkg/status", "var/lib/rpm", "usr/lib/sysimage/rpm", "lib/apk/db/installed", "usr/lib/apk/db/installed",
	"var/lib/pacman/local", "var/db/pkg", "var/db/xbps", "var/lib/pkgtools/packages", "var/log/packages"}

// isInstalled tells a root that was installed, and that holds a mark of the medium
// it came from, from the medium: its fstab mounts a device as the root, or it has
// an fstab and a package database.
func isInstalled(t *guest.Tree) bool {
	const name = "etc/fstab"
	if !t.IsDir("etc") || !t.IsFile(name) {
		return false
	}
	for _, db := range databases {
		if t.IsThere(db) {
			return true
		}
	}
	b, _ := t.Text(name)
	for _, e := range parseFstab(b) {
		if e.path == "/" && (strings.HasPrefix(e.spec, "/dev/") || strings.Contains(e.spec, "=")) {
			return true
		}
	}
	return false
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
		if st, ok := vfs.StatOf(fi); !ok || st.Ino != firstInode {
			continue
		}
		if e.Name() != main {
			look(e.Name())
		}
	}
	return out
}

// findOSTree finds the deployments of ostree: roots of their own in
// /ostree/deploy/NAME/deploy/CHECKSUM.N. Those that a boot entry leads to come
// first, in the order of /ostree/boot.N.
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

// A BootEntry is an entry of the boot loader that starts a deployment of ostree.
type BootEntry struct {
	Path    string // the file, as io/fs names it
	Version string // of the entry: the highest is the default
	Target  string // what the argument ostree= says, from the root of the volume: "/ostree/boot.1/fedora/…/0"
}

// BootEntries lists the entries for deployments of ostree in a volume: that of
// /boot, or the root. The one that boots if nobody chooses comes first.
func BootEntries(ctx context.Context, fsys fs.FS, o *system.Options) []BootEntry {
	t := guest.NewTree(ctx, fsys, o)
	var out []BootEntry
	for _, dir := range [...]string{"loader/entries", "boot/loader/entries"} {
		for _, f := range t.List(dir) {
			name := path.Join(dir, f.Name())
			if !strings.HasSuffix(name, ".conf") || !t.IsFile(name) {
				continue
			}
			if len(out) == maxBootEntries {
				t.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "more than %d entries; this and what follows does not count for the order of deployments", maxBootEntries))
				break
			}
			b, _ := t.Text(name)
			e := readTypeOne(t, b, name)
			if target := OSTreeTarget(e.Options); target != "" {
				out = append(out, BootEntry{name, e.Version, target})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b BootEntry) int {
		return cmp.Or(compareVersions(b.Version, a.Version), strings.Compare(b.Path, a.Path))
	})
	return out
}

// OSTreeTarget is the deployment that a command line starts by its argument ostree=, of
// which the first counts (ostree, src/switchroot/ostree-mount-util.h); "" if it starts none.
func OSTreeTarget(options string) string {
	for arg := range strings.FieldsSeq(options) {
		if target, ok := strings.CutPrefix(arg, "ostree="); ok {
			return target
		}
	}
	return ""
}

// compareVersions orders versions by their numbers and words.
func compareVersions(a, b string) int {
	next := func(s string) (token, rest string, number bool) {
		s = strings.TrimLeft(s, ".-_+~: ")
		n := 0
		digit := func(c byte) bool { return c >= '0' && c <= '9' }
		for n < len(s) && digit(s[n]) == digit(s[0]) && !strings.ContainsRune(".-_+~: ", rune(s[n])) {
			n++
		}
		return s[:n], s[n:], n > 0 && digit(s[0])
	}
	for {
		x, ra, nx := next(a)
		y, rb, ny := next(b)
		if x == "" || y == "" {
			return cmp.Compare(len(x), len(y))
		}
		c := strings.Compare(x, y)
		if nx && ny {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			c = cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
		}
		if c != 0 {
			return c
		}
		a, b = ra, rb
	}
}

// Booted puts the deployments that boot entries lead to first, in their order, and
// names in each the entry. Without entries the links of /ostree/boot.N count, of
// which the one that ends with 0 is the newest.
func Booted(ctx context.Context, fsys fs.FS, places []system.Place, entries []BootEntry, o *system.Options) []system.Place {
	t := guest.NewTree(ctx, fsys, o)
	if len(entries) == 0 {
		for _, e := range t.List("ostree") {
			if len(e.Name()) != len("boot.0") || !strings.HasPrefix(e.Name(), "boot.") {
				continue
			}
			at := path.Join("ostree", e.Name())
			for _, osname := range t.List(at) {
				for _, sum := range t.List(path.Join(at, osname.Name())) {
					dir := path.Join(at, osname.Name(), sum.Name())
					for _, n := range t.List(dir) {
						entries = append(entries, BootEntry{Path: path.Join(dir, n.Name()), Version: n.Name(), Target: path.Join(dir, n.Name())})
					}
				}
			}
		}
		slices.SortStableFunc(entries, func(a, b BootEntry) int { return compareVersions(a.Version, b.Version) })
	}
	var first, rest []system.Place
	taken := map[string]bool{}
	for _, e := range entries {
		at := t.Real(guest.Name(e.Target))
		for _, p := range places {
			if p.Dir == at && !taken[at] {
				taken[at] = true
				p.Entry = e.Path
				first = append(first, p)
			}
		}
	}
	for _, p := range places {
		if !taken[p.Dir] {
			rest = append(rest, p)
		}
	}
	return append(first, rest...)
}
