package system

import (
	"fmt"
	"strings"
)

// purlTypes are the types of package URLs for the formats that have one, and the
// namespace where it is not that of the distribution.
var purlTypes = map[string]string{"deb": "deb", "rpm": "rpm", "apk": "apk", "pacman": "alpm", "opkg": "opkg"}

// PURL returns the package URL (https://github.com/package-url/purl-spec) of a
// package of one of the system's databases, "" for formats that have no type.
func (s *System) PURL(format string, p Package) string {
	if format == "conda" && p.Name != "" { // of no distribution
		out := "pkg:conda/" + purlEscape(p.Name) + "@" + purlEscape(p.Version)
		if p.Revision != "" && p.Arch != "" {
			out += "?build=" + purlEscape(p.Revision) + "&subdir=" + purlEscape(p.Arch)
		}
		return out
	}
	typ, ok := purlTypes[format]
	if !ok || p.Name == "" || p.Version == "" || p.Version == Unknown {
		return ""
	}
	namespace := strings.ToLower(s.Distro)
	switch {
	case s.Distro == Unknown:
		return ""
	case typ == "rpm" && namespace == "rhel":
		namespace = "redhat"
	}
	name, version := p.Name, p.Version
	if typ != "rpm" {
		name = strings.ToLower(name)
	}
	var q []string
	if p.Arch != "" {
		q = append(q, "arch="+purlEscape(p.Arch))
	}
	if s.VersionID != Unknown {
		q = append(q, "distro="+purlEscape(s.Distro+"-"+s.VersionID))
	}
	if typ == "rpm" { // the epoch is a qualifier there
		version = p.Upstream
		if p.Revision != "" {
			version += "-" + p.Revision
		}
		if p.Epoch > 0 {
			q = append(q, fmt.Sprintf("epoch=%d", p.Epoch))
		}
		if p.SourceRPM != "" {
			q = append(q, "upstream="+purlEscape(p.SourceRPM))
		}
	}
	out := "pkg:" + typ + "/" + purlEscape(namespace) + "/" + purlEscape(name) + "@" + purlEscape(version)
	if len(q) > 0 {
		out += "?" + strings.Join(q, "&")
	}
	return out
}

// purlEscape escapes all but what the specification leaves as it is: letters,
// digits, and ".-_~:".
func purlEscape(s string) string {
	var b strings.Builder
	done := 0
	for i := range len(s) {
		c := s[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte(".-_~:", c) >= 0 {
			continue
		}
		fmt.Fprintf(&b, "%s%%%02X", s[done:i], c)
		done = i + 1
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}
