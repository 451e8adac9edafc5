package inspect

import (
	"io/fs"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// A packageDB is where a package manager keeps what is installed.
type packageDB struct {
	format string
	path   string // the last element may hold a "*"
	// read reads it; nil if this version does not, as the format says.
	read func(r *root, p *Packages, name string) error
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
	{"xbps", "var/db/xbps/pkgdb-*.plist", nil},
	{"nix", "nix/var/nix/db/db.sqlite", nil},
	{"opkg", "usr/lib/opkg/status", (*root).readDpkg},
	{"opkg", "var/lib/opkg/status", (*root).readDpkg},
	{"pkg", "var/db/pkg/local.sqlite", nil},
	{"ebuild", "var/db/pkg", nil},
	{"pkgtools", "var/lib/pkgtools/packages", nil},
	{"pkgtools", "var/log/packages", nil},
	{"eopkg", "var/lib/eopkg/package", nil},
	{"swupd", "usr/share/clear/bundles", nil},
	{"snap", "var/lib/snapd/snaps/*.snap", nil},
	{"flatpak", "var/lib/flatpak/app/*", nil},
}

// managers are the programs that manage packages of a format; the first that
// is there is the system's. A family narrows a row.
var managers = [...]struct {
	format, name string
	family       Family
	paths        []string
}{
	{"deb", "apt", "", []string{"usr/bin/apt-get", "usr/bin/apt"}},
	{"deb", "dpkg", "", []string{"usr/bin/dpkg"}},
	{"rpm", "rpm-ostree", "", []string{"usr/bin/rpm-ostree"}},
	{"rpm", "zypper", FamilySUSE, []string{"usr/bin/zypper"}},
	{"rpm", "urpmi", FamilyMandriva, []string{"usr/sbin/urpmi"}},
	{"rpm", "tdnf", "", []string{"usr/bin/tdnf"}},
	{"rpm", "dnf", "", []string{"usr/bin/dnf", "usr/bin/dnf5"}},
	{"rpm", "microdnf", "", []string{"usr/bin/microdnf"}},
	{"rpm", "yum", "", []string{"usr/bin/yum"}},
	{"rpm", "apt", "", []string{"usr/bin/apt-get"}},
	{"rpm", "up2date", "", []string{"usr/sbin/up2date"}},
	{"rpm", "rpm", "", []string{"usr/bin/rpm", "bin/rpm"}},
	{"apk", "apk", "", []string{"sbin/apk", "usr/sbin/apk", "usr/bin/apk"}},
	{"pacman", "pacman", "", []string{"usr/bin/pacman"}},
	{"xbps", "xbps", "", []string{"usr/bin/xbps-install"}},
	{"ebuild", "portage", "", []string{"usr/bin/emerge"}},
	{"nix", "nix", "", []string{"nix/var/nix/profiles/system/sw/bin/nix", "usr/bin/nix"}},
	{"opkg", "opkg", "", []string{"bin/opkg", "usr/bin/opkg"}},
	{"pkg", "pkg", "", []string{"usr/local/sbin/pkg", "usr/sbin/pkg"}},
	{"pkgtools", "pkgtools", "", []string{"sbin/installpkg"}},
	{"eopkg", "eopkg", "", []string{"usr/bin/eopkg"}},
	{"swupd", "swupd", "", []string{"usr/bin/swupd"}},
}

// findPackages reads the package databases that are there, and tells the
// format and the manager by them.
func (r *root) findPackages() error {
	var found []Packages
	seen := map[string]bool{}
	for _, db := range packageDBs {
		name, ok := r.findDatabase(db)
		if !ok || seen[r.real(name)] {
			continue
		}
		seen[r.real(name)] = true
		p := Packages{Status: PackagesRead, Format: db.format, Database: shown(name)}
		switch {
		case r.o.NoPackages:
			p.Status, p.Reason = PackagesNotRead, "packages were not asked for"
		case db.read == nil:
			p.Status, p.Reason = PackagesNotRead, "databases of "+db.format+" are not read by this version"
		default:
			if err := db.read(r, &p, name); err != nil {
				if r.ctx.Err() != nil {
					return r.ctx.Err()
				}
				r.problem(named(shown(name), err))
				p.Status, p.Reason = PackagesPartial, err.Error()
				if len(p.Items) == 0 {
					p.Status = PackagesNotRead
				}
			}
		}
		found = append(found, p)
	}
	r.choosePackages(found)
	return nil
}

// findDatabase returns the path of a database that exists.
func (r *root) findDatabase(db packageDB) (string, bool) {
	dir, last := path.Split(db.path)
	if !strings.Contains(last, "*") {
		return db.path, r.stat(db.path) != nil && !(db.format == "ebuild" && !r.isPortage(db.path))
	}
	for _, e := range r.list(strings.TrimSuffix(dir, "/")) {
		if ok, _ := path.Match(last, e.Name()); ok {
			return path.Join(dir, e.Name()), true
		}
	}
	return "", false
}

// isPortage tells Portage's /var/db/pkg, whose directories are categories,
// from that of FreeBSD.
func (r *root) isPortage(name string) bool {
	for _, e := range r.list(name) {
		if e.IsDir() && (strings.Contains(e.Name(), "-") || e.Name() == "virtual") {
			return true
		}
	}
	return false
}

// choosePackages decides which of the databases is the system's own: the one
// of the format that its distribution is made of, with something in it.
func (r *root) choosePackages(found []Packages) {
	s := r.sys
	hint, _ := knownDistro(append([]string{s.Distro}, s.IDLike...)...)
	best, score := -1, -1
	for i, p := range found {
		n := 0
		if p.Format == hint.format {
			n += 2
		}
		if p.Status == PackagesNotRead || len(p.Items) > 0 {
			n++
		}
		if p.Format == "snap" || p.Format == "flatpak" { // never a whole system's
			n = -1
		}
		if n > score {
			best, score = i, n
		}
	}
	for i, p := range found {
		if i == best {
			s.Packages, s.PackageFormat = p, p.Format
			r.because("package_format", guestPath(p.Database), 0, "")
			r.because("packages", guestPath(p.Database), 0, "")
		} else {
			s.OtherPackages = append(s.OtherPackages, p)
		}
	}
	if best < 0 && hint.format != "" {
		s.PackageFormat = hint.format
		for _, e := range s.Because("distro") {
			e.Field, e.Detail = "package_format", "by the distribution; no database was found"
			s.Evidence = append(s.Evidence, e)
		}
	}
	for _, m := range managers {
		if m.format != s.PackageFormat || m.family != "" && m.family != s.Family {
			continue
		}
		if name, ok := r.firstFile(m.paths...); ok {
			s.PackageManager = m.name
			r.because("package_manager", name, 0, "")
			return
		}
	}
}

// openDatabase opens the file of a package database within its limit.
func (r *root) openDatabase(name string) (fs.File, error) {
	fi, err := fs.Stat(r.fsys, name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, block.Errorf("", "package database", -1, block.ErrUnsupported, "it is no regular file (%v)", fi.Mode().Type())
	}
	if limit := r.o.maxDatabase(); fi.Size() > limit {
		return nil, block.Errorf("", "package database", -1, block.ErrLimit, "it has %d bytes, more than %d", fi.Size(), limit)
	}
	return r.fsys.Open(name)
}
