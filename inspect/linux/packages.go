package linux

import (
	"context"
	"io/fs"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// managers are the programs that manage packages of a format; the first that
// is there is the system's. A family narrows a row.
var managers = [...]struct {
	format, name string
	family       system.Family
	paths        []string
}{
	{"deb", "apt", "", []string{"usr/bin/apt-get", "usr/bin/apt"}},
	{"deb", "dpkg", "", []string{"usr/bin/dpkg"}},
	{"rpm", "rpm-ostree", "", []string{"usr/bin/rpm-ostree"}},
	{"rpm", "zypper", system.FamilySUSE, []string{"usr/bin/zypper"}},
	{"rpm", "urpmi", system.FamilyMandriva, []string{"usr/sbin/urpmi"}},
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

// Packages takes the package databases that were found in a system, and tells by
// them and by the programs that are there which is its own, what manages it, and
// the version of its init system. Those of the BSDs are told alike.
func Packages(ctx context.Context, fsys fs.FS, sys *system.System, found []system.Packages, o *system.Options) {
	r := newRoot(ctx, fsys, sys, o)
	r.choose(found)
	r.findInitVersion()
	for _, p := range append([]system.Packages{sys.Packages}, sys.OtherPackages...) {
		for i := range p.Items {
			p.Items[i].PURL = sys.PURL(p.Format, p.Items[i])
		}
	}
}

// usualFormat is the package format of the distribution, as far as the tables know:
// of its family, if it is of several.
func (r *root) usualFormat() string {
	first := ""
	for _, id := range append([]string{r.Sys.Distro}, r.Sys.IDLike...) {
		d, ok := knownDistro(id)
		switch {
		case !ok:
		case d.family == r.Sys.Family:
			return d.format
		case first == "":
			first = d.format
		}
	}
	if r.Sys.Family == system.FamilyRHEL {
		return "rpm"
	}
	return first
}

// choose decides which of the databases is the system's own: the one
// of the format that its distribution is made of, with something in it.
func (r *root) choose(found []system.Packages) {
	s := r.Sys
	hint := r.usualFormat()
	best, score := -1, -1
	for i, p := range found {
		n := 0
		if p.Format == hint {
			n += 2
		}
		if p.Status == system.PackagesNotRead || len(p.Items) > 0 {
			n++
		}
		if (p.Format == "snap" && s.Distro != "ubuntu-core") || p.Format == "flatpak" { // never a whole system's
			n = -1
		}
		if n > score {
			best, score = i, n
		}
	}
	for i, p := range found {
		if i == best {
			s.Packages, s.PackageFormat = p, p.Format
			r.Because("package_format", guest.Name(p.Database), 0, "")
			r.Because("packages", guest.Name(p.Database), 0, "")
		} else {
			s.OtherPackages = append(s.OtherPackages, p)
		}
	}
	if best < 0 && hint != "" {
		s.PackageFormat = hint
		for _, e := range s.Because("distro") {
			e.Field, e.Detail = "package_format", "by the distribution; no database was found"
			s.Evidence = append(s.Evidence, e)
		}
	}
	r.placeFamily(found)
	for _, m := range managers {
		if m.format != s.PackageFormat || m.family != "" && m.family != s.Family {
			continue
		}
		if name, ok := r.FirstFile(m.paths...); ok {
			s.PackageManager = m.name
			r.Because("package_manager", name, 0, "")
			return
		}
	}
	s.PackageManagerGuess = usualManager(s)
}

// usualManager is what a distribution is managed by, where no program tells: "" if that
// is not known.
func usualManager(s *system.System) string {
	switch s.PackageFormat {
	case "deb":
		return "apt"
	case "ebuild":
		return "portage"
	case "apk", "pacman", "xbps", "nix", "opkg", "pkg", "pkgtools", "eopkg", "swupd":
		return s.PackageFormat
	case "rpm":
	default:
		return ""
	}
	number := versionNumber(s.VersionID)
	switch s.Distro {
	case "photon", "mariner", "azurelinux":
		return "tdnf"
	case "altlinux":
		return "apt"
	case "fedora":
		if number >= 22 {
			return "dnf"
		}
		return "yum"
	case "amzn":
		if number >= 2022 { // before 2 it was named by years too, up to 2018.03
			return "dnf"
		}
		return "yum"
	case "openeuler", "openEuler", "opencloudos", "openmandriva":
		return "dnf"
	}
	switch s.Family {
	case system.FamilySUSE:
		return "zypper"
	case system.FamilyMandriva:
		return "urpmi"
	case system.FamilyRHEL:
		switch {
		case number >= 8:
			return "dnf"
		case number >= 5:
			return "yum"
		case number >= 2:
			return "up2date"
		}
	}
	return ""
}

// versionNumber is the number that a version begins with, 0 if there is none.
func versionNumber(version string) int {
	n, _ := strconv.Atoi(version[:len(version)-len(strings.TrimLeft(version, "0123456789"))])
	return n
}
