package inspect

import (
	"fmt"
	"time"
)

// uninstallKeys list the installed programs: those of the system's own width,
// and those of 32 bits on one of 64.
var uninstallKeys = [...]struct{ path, arch string }{
	{`Microsoft\Windows\CurrentVersion\Uninstall`, ""},
	{`WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall`, "x86"},
}

// findPrograms reads what is installed for all users. It returns what it found,
// also where the packages were not asked for.
func (r *root) findPrograms() []Package {
	s := r.sys
	s.Packages = Packages{Status: PackagesNotRead, Format: "windows"}
	s.PackageFormat = "windows"
	g := r.win.software
	switch {
	case r.o.NoPackages:
		s.Packages.Reason = "packages were not asked for"
		return nil
	case g == nil:
		s.Packages.Reason = "the registry could not be read"
		return nil
	}
	s.Packages.Status, s.Packages.Database = PackagesRead, shown(g.file)
	faults := g.faults
	for _, u := range uninstallKeys {
		all := g.key(u.path)
		if all == nil {
			continue
		}
		all.because("packages", "", "")
		for k := range all.keys() {
			vs := k.read("DisplayName", "DisplayVersion", "Publisher", "InstallDate")
			name := vs.text("DisplayName")
			if name == "" {
				continue // a part of something else, or left behind
			}
			if len(s.Packages.Items) == r.o.maxPackages() {
				s.Packages.Status, s.Packages.Reason = PackagesPartial, fmt.Sprintf("more than %d programs", r.o.maxPackages())
				break
			}
			p := Package{Name: name, Version: vs.text("DisplayVersion"), Arch: u.arch, Vendor: vs.text("Publisher"), ID: k.label(k.k.Name())}
			if p.Version == "" {
				p.Version = Unknown
			}
			p.Upstream = p.Version
			if t, err := time.Parse("20060102", vs.text("InstallDate")); err == nil {
				p.Installed = &t
			}
			s.Packages.Items = append(s.Packages.Items, p)
		}
	}
	if g.faults > faults && s.Packages.Status == PackagesRead {
		s.Packages.Status, s.Packages.Reason = PackagesPartial, "a part of the registry could not be read"
	}
	r.because("package_format", g.file, 0, "")
	return s.Packages.Items
}
