// Package packages reads the databases of package managers from an [fs.FS]: that of
// a guest, or of a container.
package packages

import (
	"context"
	"io/fs"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// A packageDB is where a package manager keeps what is installed.
type packageDB struct {
	format string
	path   string // the last element may hold a "*"
	// read reads it; nil if this version does not, as the format says.
	read func(r *root, p *system.Packages, name string) error
	// find finds all where there may be several, beside path.
	find func(r *root) []string
}

// packageDBs are all databases that are known. Of several that are one file
// (links between them) the first counts.
var packageDBs = [...]packageDB{
	{format: "deb", path: "var/lib/dpkg/status", read: (*root).readDpkg},
	{format: "deb", path: "var/lib/dpkg/status.d", read: (*root).readDpkgDir},
	{format: "rpm", path: "usr/lib/sysimage/rpm/rpmdb.sqlite", read: (*root).readRPM},
	{format: "rpm", path: "usr/share/rpm/rpmdb.sqlite", read: (*root).readRPM},
	{format: "rpm", path: "var/lib/rpm/rpmdb.sqlite", read: (*root).readRPM},
	{format: "rpm", path: "usr/lib/sysimage/rpm/Packages.db", read: (*root).readRPM},
	{format: "rpm", path: "var/lib/rpm/Packages.db", read: (*root).readRPM},
	{format: "rpm", path: "usr/share/rpm/Packages", read: (*root).readRPM},
	{format: "rpm", path: "var/lib/rpm/Packages", read: (*root).readRPM},
	{format: "apk", path: "usr/lib/apk/db/installed", read: (*root).readApk},
	{format: "apk", path: "lib/apk/db/installed", read: (*root).readApk},
	{format: "pacman", path: "var/lib/pacman/local", read: (*root).readPacman},
	{format: "xbps", path: "var/db/xbps/pkgdb-*.plist", read: (*root).readXbps},
	{format: "nix", path: "nix/var/nix/db/db.sqlite", read: (*root).readNix},
	{format: "opkg", path: "usr/lib/opkg/status", read: (*root).readDpkg},
	{format: "opkg", path: "var/lib/opkg/status", read: (*root).readDpkg},
	{format: "pkg", path: "var/db/pkg/local.sqlite", read: (*root).readPkg},
	{format: "ebuild", path: "var/db/pkg", read: (*root).readPortage},
	{format: "pkgtools", path: "var/lib/pkgtools/packages", read: (*root).readPkgtools},
	{format: "pkgtools", path: "var/log/packages", read: (*root).readPkgtools},
	{format: "eopkg", path: "var/lib/eopkg/package", read: (*root).readEopkg},
	{format: "bottlerocket", path: "usr/share/bottlerocket/application-inventory.json", read: (*root).readBottlerocket},
	{format: "cos", path: "etc/cos-package-info.json", read: (*root).readCOS},
	{format: "guix", path: "var/guix/db/db.sqlite", read: (*root).readNix},
	{format: "swupd", path: "usr/share/clear/bundles", read: (*root).readSwupd},
	{format: "snap", path: "var/lib/snapd/state.json", read: (*root).readSnap},
	{format: "flatpak", path: "var/lib/flatpak/app", read: (*root).readFlatpak},
	{format: "conda", read: (*root).readConda, find: (*root).findConda},
	{format: "homebrew", path: "home/linuxbrew/.linuxbrew/Cellar", read: (*root).readHomebrew},
	{format: "homebrew", path: "opt/homebrew/Cellar", read: (*root).readHomebrew},
	{format: "homebrew", path: "usr/local/Cellar", read: (*root).readHomebrew},
}

// root is a system while its package databases are read.
type root struct {
	*guest.Tree
	listed int // files of packages so far
	left   int // packages that may still be listed
}

func newRoot(ctx context.Context, fsys fs.FS, o *system.Options) *root {
	t := guest.NewTree(ctx, fsys, o)
	return &root{Tree: t, left: t.O.MaxAllPackages}
}

// Read reads the package databases that are there, in the order of a table in
// which the system's own come first. The error is one of ctx; what is wrong with
// a database is in its Reason.
func Read(ctx context.Context, fsys fs.FS, o *system.Options) ([]system.Packages, error) {
	r := newRoot(ctx, fsys, o)
	var found []system.Packages
	seen := map[string]bool{}
	for _, db := range packageDBs {
		for _, name := range r.findDatabases(db) {
			if seen[r.Real(name)] {
				continue
			}
			seen[r.Real(name)] = true
			p, err := r.readDatabase(db, name)
			if err != nil {
				return nil, err
			}
			found = append(found, p)
		}
	}
	return found, nil
}

// readDatabase reads one database. The error is that of the context.
func (r *root) readDatabase(db packageDB, name string) (system.Packages, error) {
	p := system.Packages{Status: system.PackagesRead, Format: db.format, Database: guest.Shown(name)}
	switch {
	case r.O.NoPackages:
		p.Status, p.Reason = system.PackagesNotRead, "packages were not asked for"
	case db.read == nil:
		p.Status, p.Reason = system.PackagesNotRead, "databases of "+db.format+" are not read by this version"
	case r.left <= 0:
		err := block.Errorf("", "package list", -1, block.ErrLimit, "the other databases of the guest have all the packages that are listed")
		r.Problem(guest.Named(guest.Shown(name), err))
		p.Status, p.Reason = system.PackagesNotRead, err.Error()
	default:
		r.O.MaxPackages = min(r.O.MaxPackages, r.left)
		err := db.read(r, &p, name)
		r.left -= p.Cost()
		if err != nil {
			if r.Ctx.Err() != nil {
				return p, r.Ctx.Err()
			}
			r.Problem(guest.Named(guest.Shown(name), err))
			p.Status, p.Reason = system.PackagesPartial, err.Error()
			if len(p.Items) == 0 {
				p.Status = system.PackagesNotRead
			}
		}
	}
	return p, nil
}

// findDatabases returns the paths of those databases that exist.
func (r *root) findDatabases(db packageDB) []string {
	if db.find != nil {
		return db.find(r)
	}
	if name, ok := r.findDatabase(db); ok {
		return []string{name}
	}
	return nil
}

// findDatabase returns the path of a database that exists.
func (r *root) findDatabase(db packageDB) (string, bool) {
	dir, last := path.Split(db.path)
	if !strings.Contains(last, "*") {
		return db.path, r.Stat(db.path) != nil && !(db.format == "ebuild" && !r.isPortage(db.path))
	}
	for _, e := range r.List(strings.TrimSuffix(dir, "/")) {
		if ok, _ := path.Match(last, e.Name()); ok {
			return path.Join(dir, e.Name()), true
		}
	}
	return "", false
}

// isPortage tells Portage's /var/db/pkg, whose directories are categories,
// from that of FreeBSD.
func (r *root) isPortage(name string) bool {
	for _, e := range r.List(name) {
		if e.IsDir() && (strings.Contains(e.Name(), "-") || e.Name() == "virtual") {
			return true
		}
	}
	return false
}

// openDatabase opens the file of a package database within its limit.
func (r *root) openDatabase(name string) (fs.File, error) {
	fi, err := fs.Stat(r.FS, name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, block.Errorf("", "package database", -1, block.ErrUnsupported, "it is no regular file (%v)", fi.Mode().Type())
	}
	if limit := r.O.MaxDatabase; fi.Size() > limit {
		return nil, block.Errorf("", "package database", -1, block.ErrLimit, "it has %d bytes, more than %d", fi.Size(), limit)
	}
	return r.FS.Open(name)
}
