package inspect

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"testing"
	"testing/fstest"
)

// TestReleaseFiles identifies systems by the release files that distributions
// installed, as the tests of Ansible, python-distro, syft, trivy, cloud-init,
// go-sysinfo, os_info and osv-scalibr, and the collections of chef and which-distro,
// have them, some without the lines of addresses. What is right was compared with what
// those projects expect.
func TestReleaseFiles(t *testing.T) {
	f, err := os.Open("testdata/releases.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var sets []struct {
		Name string
		Tree map[string]any // text, or {"link": target}
		Want map[string]string
	}
	if err := json.NewDecoder(z).Decode(&sets); err != nil {
		t.Fatal(err)
	}
	if len(sets) < 310 {
		t.Errorf("%d sets", len(sets))
	}
	for _, set := range sets {
		m := fstest.MapFS{"etc/passwd": file(""), "usr/bin": dir(), "bin": link("usr/bin")}
		for name, v := range set.Tree {
			switch v := v.(type) {
			case string:
				m[name] = file(v)
			case map[string]any:
				m[name] = link(v["link"].(string))
			}
		}
		rep := guestOf(t, vol(t, "gpt1", m))
		if len(rep.Systems) != 1 {
			t.Errorf("%s: %d systems", set.Name, len(rep.Systems))
			continue
		}
		s := rep.Systems[0]
		for field, got := range map[string]string{"distro": s.Distro, "version": s.Version, "version_id": s.VersionID, "codename": s.Codename,
			"product_name": s.ProductName, "family": string(s.Family), "variant": s.Variant} {
			want, ok := set.Want[field]
			if !ok {
				want = Unknown
			}
			if got != want {
				t.Errorf("%s: %s is %q, want %q", set.Name, field, got, want)
			}
		}
		checkEvidence(t, s, m)
	}
}

// TestManagers guesses what manages a distribution where no program tells.
func TestManagers(t *testing.T) {
	for release, want := range map[string]string{
		"ID=debian\nVERSION_ID=12\n": "apt", "ID=fedora\nVERSION_ID=40\n": "dnf", "ID=fedora\nVERSION_ID=21\n": "yum", "ID=rhel\nVERSION_ID=7.9\n": "yum", "ID=rocky\nVERSION_ID=9.4\nID_LIKE=\"rhel\"\n": "dnf",
		"ID=sles\nVERSION_ID=15.5\n": "zypper", "ID=mageia\nVERSION_ID=9\n": "urpmi", "ID=amzn\nVERSION_ID=2\n": "yum", "ID=amzn\nVERSION_ID=2018.03\n": "yum", "ID=amzn\nVERSION_ID=2023\n": "dnf",
		"ID=photon\nVERSION_ID=5.0\n": "tdnf", "ID=alpine\n": "apk", "ID=arch\n": "pacman", "ID=void\n": "xbps", "ID=gentoo\n": "portage", "ID=new\n": "", "ID=altlinux\nVERSION_ID=10\n": "apt",
	} {
		s, _ := one(t, base(fstest.MapFS{"etc/os-release": file(release)}))
		if s.PackageManager != Unknown || s.PackageManagerGuess != want {
			t.Errorf("%q: %s, %s, want %s", release, s.PackageManager, s.PackageManagerGuess, want)
		}
	}
	s, _ := one(t, base(fstest.MapFS{"etc/os-release": file("ID=debian\n"), "usr/bin/apt-get": file("")}))
	if s.PackageManager != "apt" || s.PackageManagerGuess != "" {
		t.Errorf("%s, %s", s.PackageManager, s.PackageManagerGuess)
	}
}

// TestFamilies applies the rule of precedence: a database that was read, ID_LIKE,
// PLATFORM_ID, then the table.
func TestFamilies(t *testing.T) {
	deb := fstest.MapFS{"var/lib/dpkg/status": file("Package: a\nStatus: install ok installed\nVersion: 1\n")}
	apk := fstest.MapFS{"lib/apk/db/installed": file("P:a\nV:1\n\n")}
	for name, c := range map[string]struct {
		release string
		db      fstest.MapFS
		family  Family
		format  string
	}{
		"by the table":                      {"ID=kylin\n", nil, FamilyDebian, "deb"},
		"the database outranks the table":   {"ID=kylin\n", apk, FamilyOther, "apk"},
		"PLATFORM_ID outranks the table":    {"ID=uos\nPLATFORM_ID=\"platform:uel20\"\n", nil, FamilyRHEL, "rpm"},
		"the database outranks PLATFORM_ID": {"ID=uos\nPLATFORM_ID=\"platform:uel20\"\n", deb, FamilyDebian, "deb"},
		"ID_LIKE outranks the table":        {"ID=steamos\nID_LIKE=debian\n", nil, FamilyDebian, "deb"},
		"the database outranks ID_LIKE":     {"ID=steamos\nID_LIKE=arch\n", deb, FamilyDebian, "deb"},
		"in no table":                       {"ID=new\n", deb, FamilyDebian, "deb"},
		"nothing":                           {"ID=new\n", nil, FamilyUnknown, Unknown},
	} {
		m := base(fstest.MapFS{"etc/os-release": file(c.release)})
		for n, f := range c.db {
			m[n] = f
		}
		s, _ := one(t, m)
		if s.Family != c.family || s.PackageFormat != c.format || (c.family != FamilyUnknown) != (len(s.Because("family")) > 0) {
			t.Errorf("%s: %s, %s, %v", name, s.Family, s.PackageFormat, s.Because("family"))
		}
	}
}
