package system

import "strings"

// GenericPURL returns a package URL of the type generic, for packages of formats that
// have no type of their own: it is an ID that stays, and names the format and the
// system. It is "" for a package without a name.
func (s *System) GenericPURL(format string, p Package) string {
	if p.Name == "" {
		return ""
	}
	out := "pkg:generic/" + purlEscape(p.Name)
	if p.Version != "" && p.Version != Unknown {
		out += "@" + purlEscape(p.Version)
	}
	var q []string // in the order of their names
	if p.Arch != "" {
		q = append(q, "arch="+purlEscape(p.Arch))
	}
	if s.Distro != Unknown && s.Distro != "" {
		distro := s.Distro
		if s.VersionID != Unknown && s.VersionID != "" {
			distro += "-" + s.VersionID
		}
		q = append(q, "distro="+purlEscape(distro))
	}
	if format != "" {
		q = append(q, "format="+purlEscape(format))
	}
	if len(q) > 0 {
		out += "?" + strings.Join(q, "&")
	}
	return out
}
