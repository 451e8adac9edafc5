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
}

// packageDBs are all databases that are known. Of several that are one file
// (links between them) the first counts.
var packageDBs = [...]packageDB{
	{"deb", "var/lib/dpkg/status", (*root).readDpkg},
	{"deb", "var/lib/dpkg/status.d", (*root).readDpkgDir},
	{"rpm", "usr/lib/sysimage/rpm/rpmdb.sqlite", (*root).readRPM},
	{"rpm", "usr/share/rpm/rpmdb.sqlite", (*root).readRPM},
	{"rpm", "var/lib/rpm/rpmdb.sqlite", (*root).readRPM},
	{"rpm", "usr/lib/sysimage/rpm/Packages.db", (*root).readRPM},
	{"rpm", "var/lib/rpm/Packages.db", (*root).readRPM},
	{"rpm", "usr/share/rpm/Packages", (*root).readRPM},
	{"rpm", "var/lib/rpm/Packages", (*root).readRPM},
	{"apk", "usr/lib/apk/db/installed", (*root).readApk},
	{"apk", "lib/apk/db/installed", (*root).readApk},
	{"pacman", "var/lib/pacman/local", (*root).readPacman},
	{"xbps", "var/db/xbps/pkgdb-*.plist", (*root).readXbps},
	{"nix", "nix/var/nix/db/db.sqlite", (*root).readNix},
	{"opkg", "usr/lib/opkg/status", (*root).readDpkg},
	{"opkg", "var/lib/opkg/status", (*root).readDpkg},
	{"pkg", "var/db/pkg/local.sqlite", (*root).readPkg},
	{"ebuild", "var/db/pkg", (*root).readPortage},
	{"pkgtools", "var/lib/pkgtools/packages", (*root).readPkgtools},
	{"pkgtools", "var/log/packages", (*root).readPkgtools},
	{"eopkg", "var/lib/eopkg/package", (*root).readEopkg},
	{"bottlerocket", "usr/share/bottlerocket/application-inventory.json", (*root).readBottlerocket},
	{"cos", "etc/cos-package-info.json", (*root).readCOS},
	{"swupd", "usr/share/clear/bundles", nil},
	{"snap", "var/lib/snapd/state.json", (*root).readSnap},
	{"flatpak", "var/lib/flatpak/app", (*root).readFlatpak},
}

// root is a system while its package databases are read.
type root struct{ *guest.Tree }

// Read reads the package databases that are there, in the order of a table in
// which the system's own come first. The error is one of ctx; what is wrong with
// a database is in its Reason.
func Read(ctx context.Context, fsys fs.FS, o *system.Options) ([]system.Packages, error) {
	r := &root{guest.NewTree(ctx, fsys, o)}
	var found []system.Packages
	seen := map[string]bool{}
	for _, db := range packageDBs {
		name, ok := r.findDatabase(db)
		if !ok || seen[r.Real(name)] {
			continue
		}
		seen[r.Real(name)] = true
		p := system.Packages{Status: system.PackagesRead, Format: db.format, Database: guest.Shown(name)}
		switch {
		case r.O.NoPackages:
			p.Status, p.Reason = system.PackagesNotRead, "packages were not asked for"
		case db.read == nil:
			p.Status, p.Reason = system.PackagesNotRead, "databases of "+db.format+" are not read by this version"
		default:
			if err := db.read(r, &p, name); err != nil {
				if r.Ctx.Err() != nil {
					return nil, r.Ctx.Err()
				}
				r.Problem(guest.Named(guest.Shown(name), err))
				p.Status, p.Reason = system.PackagesPartial, err.Error()
				if len(p.Items) == 0 {
					p.Status = system.PackagesNotRead
				}
			}
		}
		found = append(found, p)
	}
	return found, nil
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
