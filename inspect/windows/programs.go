package windows

import (
	"fmt"
	"time"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// uninstallKeys list the installed programs: those of the system's own width,
// and those of 32 bits on one of 64.
var uninstallKeys = [...]struct{ path, arch string }{
	{`Microsoft\Windows\CurrentVersion\Uninstall`, ""},
	{`WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall`, "x86"},
}

// findPrograms reads what is installed for all users. It returns what it found.
func (r *Windows) findPrograms() []system.Package {
	s := r.Sys
	s.Packages = system.Packages{Status: system.PackagesNotRead, Format: "windows"}
	s.PackageFormat = "windows"
	g := r.software
	switch {
	case r.O.NoPackages:
		s.Packages.Reason = "packages were not asked for"
		return nil
	case g == nil:
		s.Packages.Reason = "the registry could not be read"
		return nil
	}
	s.Packages.Status, s.Packages.Database = system.PackagesRead, guest.Shown(g.file)
	for _, u := range uninstallKeys {
		r.addPrograms(g, u.path, u.arch, "")
	}
	r.Because("package_format", g.file, 0, "")
	return s.Packages.Items
}

// addPrograms adds the programs of a key, those that one user has if it is named.
func (r *Windows) addPrograms(g *hive, key, arch, user string) {
	list := &r.Sys.Packages
	faults := g.faults
	all := g.key(key)
	if all != nil {
		all.because("packages", "", "")
	}
	for k := range all.keys() {
		vs := k.read("DisplayName", "DisplayVersion", "Publisher", "InstallDate", "InstallLocation", "URLInfoAbout", "Comments", "WinGetPackageIdentifier")
		name := vs.text("DisplayName")
		if name == "" {
			continue // a part of something else, or left behind
		}
		if len(list.Items) == r.O.MaxPackages {
			list.Status, list.Reason = system.PackagesPartial, fmt.Sprintf("more than %d programs", r.O.MaxPackages)
			break
		}
		p := system.Package{Name: name, Version: vs.text("DisplayVersion"), Arch: arch, Vendor: vs.text("Publisher"), ID: k.label(k.k.Name()), User: user,
			Location: vs.text("InstallLocation"), URL: vs.text("URLInfoAbout"), Summary: vs.text("Comments"), WinGet: vs.text("WinGetPackageIdentifier")}
		if p.Version == "" {
			p.Version = system.Unknown
		}
		p.Upstream = p.Version
		if t, err := time.Parse("20060102", vs.text("InstallDate")); err == nil {
			p.Installed = &t
		}
		list.Items = append(list.Items, p)
	}
	if g.faults > faults || g.spent() {
		r.partial(unreadPart)
	}
}

// unreadPart is why a list is not whole where keys or values are damaged.
const unreadPart = "a part of the registry could not be read"

// partial says why the list of programs is not whole, if it was thought to be.
func (r *Windows) partial(reason string) {
	if list := &r.Sys.Packages; list.Status == system.PackagesRead {
		list.Status, list.Reason = system.PackagesPartial, reason
	}
}
