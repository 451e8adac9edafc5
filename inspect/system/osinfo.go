package system

import (
	"fmt"
	"strconv"
	"strings"
)

// Number sets what follows from the version: Major, Minor and OSInfo.
func (s *System) Number() {
	version := s.Version
	if version == Unknown {
		version = s.VersionID
	}
	parts := strings.Split(strings.TrimLeft(version, "vV"), ".")
	s.Major = leading(parts[0])
	if len(parts) > 1 {
		s.Minor = leading(parts[1])
	}
	if s.TimeZone == Unknown && s.Windows != nil {
		s.TimeZone = s.Windows.TimeZone
		for _, e := range s.Because("windows.time_zone") {
			e.Field = "time_zone"
			s.Evidence = append(s.Evidence, e)
		}
	}
	if id := s.osinfo(); id != "" {
		s.OSInfo = id
	}
}

// leading is the number that a text begins with, 0 if it is none or too long.
func leading(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	v, err := strconv.ParseInt(s[:n], 10, 32)
	if err != nil {
		return 0
	}
	return int(v)
}

// osinfoForms are the short IDs of libosinfo for the distributions, in the order
// major, minor.
var osinfoForms = map[string]string{
	"almalinux": "almalinux%d", "alpine": "alpinelinux%d.%d", "altlinux": "altlinux%d.%d", "arch": "archlinux", "centos": "centos%d", "circle": "circle%d",
	"debian": "debian%d", "fedora": "fedora%d", "freebsd": "freebsd%d.%d", "gentoo": "gentoo", "mageia": "mageia%d", "netbsd": "netbsd%d.%d",
	"ol": "ol%d.%d", "openbsd": "openbsd%d.%d", "opensuse": "opensuse%d.%d", "opensuse-leap": "opensuse%d.%d", "opensuse-tumbleweed": "opensusetumbleweed",
	"rhel": "rhel%d.%d", "rocky": "rocky%d", "scientific": "scientificlinux%d.%d", "sled": "sled%d", "sles": "sles%d", "ubuntu": "ubuntu%d.%02d", "void": "voidlinux",
}

func (s *System) osinfo() string {
	if s.Type == TypeWindows {
		return s.osinfoWindows()
	}
	form, ok := osinfoForms[s.Distro]
	numbers := strings.Count(form, "%")
	switch {
	case !ok || numbers > 0 && s.Major == 0:
		return ""
	case numbers == 0:
		return form
	case s.Distro == "centos" && s.Major == 7:
		return "centos7.0"
	case s.Distro == "centos" && s.Major < 7:
		return fmt.Sprintf("centos%d.%d", s.Major, s.Minor)
	case s.Distro == "centos" && strings.Contains(s.ProductName, "Stream"):
		return fmt.Sprintf("centos-stream%d", s.Major)
	case (s.Distro == "sles" || s.Distro == "sled") && s.Minor > 0:
		return fmt.Sprintf(form+"sp%d", s.Major, s.Minor)
	case numbers == 1:
		return fmt.Sprintf(form, s.Major)
	}
	return fmt.Sprintf(form, s.Major, s.Minor)
}

// osinfoReleases are the short IDs of the releases of Windows, by VersionID.
var osinfoReleases = map[string]string{
	"2000": "win2k", "XP": "winxp", "2003": "win2k3", "2003 R2": "win2k3r2", "Vista": "winvista", "2008": "win2k8", "7": "win7", "2008 R2": "win2k8r2",
	"8": "win8", "2012": "win2k12", "8.1": "win8.1", "2012 R2": "win2k12r2", "10": "win10", "11": "win11",
	"2016": "win2k16", "2019": "win2k19", "2022": "win2k22", "2025": "win2k25",
}

func (s *System) osinfoWindows() string { return osinfoReleases[s.VersionID] }
