package system

import "testing"

// TestPURL makes the URLs that the specification has as examples (PURL-TYPES), with
// the qualifiers that are known here.
func TestPURL(t *testing.T) {
	for want, c := range map[string]struct {
		distro, version, format string
		p                       Package
	}{
		"pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=debian-8":       {"debian", "8", "deb", Package{Name: "curl", Version: "7.50.3-1", Arch: "i386"}},
		"pkg:deb/ubuntu/dpkg@1.19.0.4?arch=amd64":                      {"ubuntu", Unknown, "deb", Package{Name: "dpkg", Version: "1.19.0.4", Arch: "amd64"}},
		"pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64":               {"debian", Unknown, "deb", Package{Name: "attr", Version: "1:2.4.47-2+b1", Arch: "amd64"}},
		"pkg:rpm/fedora/curl@7.50.3-1.fc25?arch=i386&distro=fedora-25": {"fedora", "25", "rpm", Package{Name: "curl", Version: "7.50.3-1.fc25", Upstream: "7.50.3", Revision: "1.fc25", Arch: "i386"}},
		"pkg:rpm/centerim/centerim@4.22.10-1.el6?arch=i686&epoch=1":    {"centerim", Unknown, "rpm", Package{Name: "centerim", Version: "1:4.22.10-1.el6", Upstream: "4.22.10", Revision: "1.el6", Epoch: 1, Arch: "i686"}},
		"pkg:apk/alpine/apk@2.12.9-r3?arch=x86":                        {"alpine", Unknown, "apk", Package{Name: "apk", Version: "2.12.9-r3", Arch: "x86"}},
		"pkg:alpm/arch/python-pip@21.0-1?arch=any":                     {"arch", Unknown, "pacman", Package{Name: "python-pip", Version: "21.0-1", Arch: "any"}},
		"pkg:rpm/redhat/a@1-2?distro=rhel-9.4&upstream=a-1-2.src.rpm":  {"rhel", "9.4", "rpm", Package{Name: "a", Version: "1-2", Upstream: "1", Revision: "2", SourceRPM: "a-1-2.src.rpm"}},
	} {
		s := New(TypeLinux)
		s.Distro, s.VersionID = c.distro, c.version
		if got := s.PURL(c.format, c.p); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	s := New(TypeLinux)
	if got := s.PURL("snap", Package{Name: "a", Version: "1"}) + s.PURL("deb", Package{Name: "a", Version: "1"}); got != "" {
		t.Errorf("%s", got)
	}
}
