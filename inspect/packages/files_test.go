package packages

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/peers"
)

// withFiles reads the databases of a tree with the files of each package.
func withFiles(t *testing.T, m fstest.MapFS) (system.Packages, []error) {
	t.Helper()
	var problems []error
	found, err := Read(context.Background(), m, &system.Options{PackageFiles: true, Problem: func(err error) { problems = append(problems, err) }})
	if err != nil || len(found) != 1 {
		t.Fatalf("%d databases, %v", len(found), err)
	}
	return found[0], problems
}

// TestFiles has the lists of files as each manager keeps them.
func TestFiles(t *testing.T) {
	const status = "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\nPackage: b\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\n"
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"dpkg":                 {fstest.MapFS{"var/lib/dpkg/status": text(status), "var/lib/dpkg/info/a.list": text("/.\n/usr\n/usr/bin/a b\n"), "var/lib/dpkg/info/b:amd64.list": text("/.\n/b\n")}, "read a: /. /usr /usr/bin/a b|b: /. /b"},
		"dpkg, a list is gone": {fstest.MapFS{"var/lib/dpkg/status": text(status), "var/lib/dpkg/info/a.list": text("/.\n")}, "partial a: /.|b: "},
		"dpkg, no lists":       {fstest.MapFS{"var/lib/dpkg/status": text(status)}, "partial a: |b: "},
		"apk":                  {fstest.MapFS{"lib/apk/db/installed": text("P:a\nV:1\nF:\nR:root\nF:usr/bin\nM:0:0:755\nR:a\nZ:x\nR:b\n\nP:c\nV:1\nF:etc\n")}, "read a: /root /usr/bin/a /usr/bin/b|c: "},
		"apk, a bad entry":     {fstest.MapFS{"lib/apk/db/installed": text("P:bad\nF:opt/bad\nR:evil\n\nP:c\nV:1\nF:etc\nR:c.conf\n\nP:c\nF:opt\nR:none\n")}, "partial c: /etc/c.conf"},
		"pacman":               {fstest.MapFS{"var/lib/pacman/local/a-1-1/desc": text("%NAME%\na\n\n%VERSION%\n1-1\n"), "var/lib/pacman/local/a-1-1/files": text("%FILES%\nusr/\nusr/bin/a\n\n%BACKUP%\netc/a\tx\n")}, "read a: /usr/ /usr/bin/a"},
		"portage":              {fstest.MapFS{"var/db/pkg/sys-libs/glibc-2/CONTENTS": text("dir /usr\nobj /usr/a b 0123 17\nsym /lib -> usr/lib 17\n")}, "read sys-libs/glibc: /usr /usr/a b /lib"},
		"pkgtools":             {fstest.MapFS{"var/lib/pkgtools/packages/a-1-x86_64-2": text("PACKAGE NAME: a\nFILE LIST:\n./\nusr/\nusr/a\n")}, "read a: /usr/ /usr/a"},
		"conda":                {fstest.MapFS{"opt/miniconda3/conda-meta/a.json": text(`{"name":"a","version":"1","files":["lib/a"]}`)}, "read a: /opt/miniconda3/lib/a"},
		"conda, no list":       {fstest.MapFS{"opt/miniconda3/conda-meta/a.json": text(`{"name":"a","version":"1","files":"lib/a"}`), "opt/miniconda3/conda-meta/b.json": text(`{"name":"b","version":"1","files":null}`)}, "partial a: |b: "},
	} {
		p, problems := withFiles(t, c.tree)
		var got []string
		for _, x := range p.Items {
			got = append(got, x.Name+": "+strings.Join(x.Files, " "))
		}
		if s := string(p.Status) + " " + strings.Join(got, "|"); s != c.want || (len(problems) > 0) != (p.Status == system.PackagesPartial) {
			t.Errorf("%s: %s, want %s; %v", name, s, c.want, problems)
		}
	}
}

// TestHostFiles lists the packages of this machine and their files as dpkg-query does.
func TestHostFiles(t *testing.T) {
	peers.Need(t, "dpkg-query")
	found, err := Read(context.Background(), os.DirFS("/"), &system.Options{PackageFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(found, func(p system.Packages) bool { return p.Format == "deb" })
	if i < 0 || found[i].Status != system.PackagesRead {
		t.Fatalf("%+v", found)
	}
	want := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(peers.Run(t, "dpkg-query", "-W", "-f", "${Package}:${Architecture} ${Version} ${Status}\n")), "\n") {
		if f := strings.Fields(line); f[len(f)-1] == "installed" {
			want[f[0]] = f[1]
		}
	}
	if len(found[i].Items) != len(want) {
		t.Errorf("%d packages, and dpkg-query has %d", len(found[i].Items), len(want))
	}
	for n, p := range found[i].Items {
		if want[p.Name+":"+p.Arch] != p.Version {
			t.Errorf("%s %s, want %s", p.Name, p.Version, want[p.Name+":"+p.Arch])
		}
		if n%20 > 0 {
			continue
		}
		name := p.Name
		if p.Arch != "all" {
			name += ":" + p.Arch
		}
		listed := peers.Run(t, "dpkg-query", "--admindir", "/var/lib/dpkg", "--control-show", name, "md5sums")
		for _, line := range strings.Split(strings.TrimSpace(listed), "\n") {
			if _, file, ok := strings.Cut(line, "  "); ok && !slices.Contains(p.Files, "/"+file) {
				t.Errorf("%s: no /%s", p.Name, file)
			}
		}
	}
}

// TestLongLists: links to one long list do not make work without end.
func TestLongLists(t *testing.T) {
	m := fstest.MapFS{}
	long := text(strings.Repeat("x", 32<<20))
	status := ""
	for i := range 40 {
		name := string(rune('a'+i%26)) + string(rune('a'+i/26))
		status += "Package: " + name + "\nStatus: install ok installed\nVersion: 1\n\n"
		m["var/lib/dpkg/info/"+name+".list"] = long
	}
	m["var/lib/dpkg/status"] = text(status)
	p, problems := withFiles(t, m)
	if p.Status != system.PackagesPartial || len(problems) != 1 || !errors.Is(problems[0], block.ErrLimit) || len(p.Items) != 40 {
		t.Errorf("%s, %d packages, %v", p.Status, len(p.Items), problems)
	}
}

// TestManyFiles: a list is cut while it is read, and a long folder counts for each file.
func TestManyFiles(t *testing.T) {
	folder := strings.Repeat("d", 32<<10)
	for name, m := range map[string]fstest.MapFS{
		"apk":      {"lib/apk/db/installed": text("P:a\nV:1\nF:x\n" + strings.Repeat("R:\n", maxFiles+1))},
		"folder":   {"lib/apk/db/installed": text("P:a\nV:1\nF:" + folder + "\n" + strings.Repeat("R:x\n", 20_000))},
		"pkgtools": {"var/lib/pkgtools/packages/a-1-x86_64-2": text("FILE LIST:\n" + strings.Repeat("x\n", maxFiles+1))},
		"conda":    {"opt/conda/conda-meta/a.json": text(`{"name":"a","version":"1","files":[` + strings.Repeat(`"",`, maxFiles+1) + `""]}`)},
	} {
		p, problems := withFiles(t, m)
		if p.Status != system.PackagesPartial && p.Status != system.PackagesNotRead || len(problems) != 1 || !errors.Is(problems[0], block.ErrLimit) {
			t.Errorf("%s: %s, %v", name, p.Status, problems)
		}
		for _, x := range p.Items {
			if len(x.Files) > maxFiles || name == "folder" && len(x.Files) > 10_000 {
				t.Errorf("%s: %d files", name, len(x.Files))
			}
		}
	}
}

// TestUnreadableLists: a list that cannot be read leaves the packages partial.
func TestUnreadableLists(t *testing.T) {
	for list, m := range map[string]fstest.MapFS{
		"var/lib/pacman/local/a-1-1/files":       {"var/lib/pacman/local/a-1-1/desc": text("%NAME%\na\n\n%VERSION%\n1-1\n")},
		"var/db/pkg/sys-libs/glibc-2/CONTENTS":   {"var/db/pkg/sys-libs/glibc-2/SLOT": text("2")},
		"var/lib/pkgtools/packages/a-1-x86_64-2": {},
	} {
		m[list] = text(strings.Repeat("x", 100))
		found, err := Read(context.Background(), m, &system.Options{PackageFiles: true, MaxDatabase: 50})
		if err != nil || len(found) != 1 || found[0].Status != system.PackagesPartial || len(found[0].Items) != 1 {
			t.Errorf("%s: %+v, %v", list, found, err)
		}
	}
}

// TestManyDatabases: what is left out of many databases is said.
func TestManyDatabases(t *testing.T) {
	condas, catalogs, snaps := fstest.MapFS{}, fstest.MapFS{}, []string{}
	for i := range max(maxCondas, maxCatalogs, maxSnaps) + 1 {
		condas[fmt.Sprintf("opt/conda/envs/e%d/conda-meta/history", i)] = text("")
		catalogs[fmt.Sprintf("a/AppData/Local/Packages/Microsoft.DesktopAppInstaller_x/LocalState/s%d/installed.db", i)] = text("")
		snaps = append(snaps, fmt.Sprintf(`"s%d":{"current":"1","active":true}`, i))
	}
	limits := 0
	o := &system.Options{Problem: func(err error) {
		if errors.Is(err, block.ErrLimit) {
			limits++
		}
	}}
	if found, err := Read(context.Background(), condas, o); err != nil || len(found) != maxCondas || limits != 1 {
		t.Errorf("%d environments, %d said, %v", len(found), limits, err)
	}
	limits = 0
	if found, err := WinGet(context.Background(), catalogs, []string{"a"}, o); err != nil || len(found) != maxCatalogs || limits != 1 {
		t.Errorf("%d catalogs, %d said, %v", len(found), limits, err)
	}
	limits = 0
	found, err := Read(context.Background(), fstest.MapFS{"var/lib/snapd/state.json": text(`{"data":{"snaps":{` + strings.Join(snaps, ",") + `}}}`)}, o)
	if err != nil || len(found) != 1 || found[0].Status != system.PackagesPartial || limits != 1 {
		t.Errorf("%v, %d said, %v", found, limits, err)
	}
}

const modularSpec = `
Name: modular
Version: 1.2
Release: 3
Epoch: 4
Summary: x
License: MIT
BuildArch: noarch
ModularityLabel: nodejs:18:8090020231018070010:a75119d5
%description
x
%package none
Summary: y
%description none
y
%install
mkdir -p %{buildroot}/usr/share/modular/sub %{buildroot}/etc
touch "%{buildroot}/usr/share/modular/a b" %{buildroot}/usr/share/modular/sub/c %{buildroot}/etc/modular.conf
%files
/usr/share/modular
%config /etc/modular.conf
%files none
`

// TestRPMFiles lists the files of packages and their module as rpm does, of a database
// that rpm makes.
func TestRPMFiles(t *testing.T) {
	peers.Need(t, "rpm", "rpmbuild")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.spec"), []byte(modularSpec), 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, "--define", "_rpmdir "+dir, filepath.Join(dir, "x.spec"))
	built, err := filepath.Glob(filepath.Join(dir, "noarch/*.rpm"))
	if err != nil || len(built) != 2 {
		t.Fatal(built, err)
	}
	rpm := func(args ...string) string {
		return peers.Run(t, "rpm", append([]string{"--root", filepath.Join(dir, "root"), "--dbpath", "/db", "--define", "_db_backend sqlite"}, args...)...)
	}
	rpm(append([]string{"-i", "--nodeps", "--justdb"}, built...)...)
	b, err := os.ReadFile(filepath.Join(dir, "root/db/rpmdb.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	m := fstest.MapFS{"usr/lib/sysimage/rpm/rpmdb.sqlite": {Data: b, Mode: 0o644}}
	if wal, err := os.ReadFile(filepath.Join(dir, "root/db/rpmdb.sqlite-wal")); err == nil {
		m["usr/lib/sysimage/rpm/rpmdb.sqlite-wal"] = &fstest.MapFile{Data: wal, Mode: 0o644}
	}
	p, problems := withFiles(t, m)
	if len(p.Items) != 2 || len(problems) > 0 {
		t.Fatalf("%+v, %v", p, problems)
	}
	for _, x := range p.Items {
		lines := strings.Split(strings.TrimSpace(rpm("-q", "--qf", "[%{FILENAMES}\n]%{MODULARITYLABEL}", x.Name)), "\n")
		if got := append(slices.Clone(x.Files), x.Modularity); !slices.Equal(got, lines) || x.SourceEpoch != 4 {
			t.Errorf("%s: %q, source epoch %d, want %q", x.Name, got, x.SourceEpoch, lines)
		}
		if x.Name == "modular" && len(x.Files) != 5 {
			t.Errorf("%q", x.Files)
		}
	}
}

// TestHostLicences compares the licences of this machine's packages with what awk finds
// in their copyright files.
func TestHostLicences(t *testing.T) {
	peers.Need(t, "dpkg-query", "awk")
	found, err := Read(context.Background(), os.DirFS("/"), &system.Options{PackageLicenses: true})
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, p := range found[0].Items {
		name := filepath.Join("/usr/share/doc", p.Name, "copyright")
		if fi, err := os.Stat(name); err != nil || fi.Size() > 1<<20 {
			continue
		}
		want := peers.Run(t, "awk", `BEGIN {RS = ""; FS = "\n"} /(^|\n)Format/ {form = 1}
form && /(^|\n)Files:/ {for (i = 1; i <= NF; i++) if (sub(/^License:[ \t]*/, "", $i)) {sub(/[ \t]+$/, "", $i)
if ($i != "" && !seen[$i]++) printf "%s%s", n++ ? " and " : "", $i ~ / or / ? "(" $i ")" : $i; break}}`, name)
		if want = strings.TrimSpace(want); want != p.License {
			t.Errorf("%s: %q, awk says %q", p.Name, p.License, want)
		}
		if want != "" {
			said++
		}
	}
	if said < 20 {
		t.Errorf("%d packages have licences", said)
	}
}

// TestLicences has copyright files of all forms.
func TestLicences(t *testing.T) {
	const form = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: x\nLicense: all\n\n"
	for text, want := range map[string]string{
		form + "Files: *\nCopyright: a\nLicense: Expat\n\nFiles: debian/*\nLicense: GPL-2+\n text\n .\n more\n\nFiles: c\nLicense: Expat\n\nLicense: GPL-2+\n the text\n": "Expat and GPL-2+",
		form + "Files: *\r\nLicense: Artistic or GPL-1+\r\n\r\nFiles: x\r\nLicense: Zlib\r\n":                                                                             "(Artistic or GPL-1+) and Zlib",
		form: "",
		"This package was debianized by x.\n\nFiles: *\nLicense: Expat\n": "",
		"": "",
	} {
		m := fstest.MapFS{"var/lib/dpkg/status": {Data: []byte("Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: ../x\nStatus: install ok installed\nVersion: 1\n"), Mode: 0o644},
			"usr/share/doc/a": {Data: []byte("a-common"), Mode: os.ModeSymlink | 0o777}, "usr/share/doc/a-common/copyright": {Data: []byte(text), Mode: 0o644}}
		for _, asked := range []bool{false, true} {
			found, err := Read(context.Background(), m, &system.Options{PackageLicenses: asked, Problem: func(err error) { t.Error(err) }})
			if err != nil || len(found) != 1 {
				t.Fatalf("%v, %v", found, err)
			}
			if got := found[0].Items[0].License; asked && got != want || !asked && got != "" {
				t.Errorf("%q: %q, want %q", text, got, want)
			}
		}
	}
	var many strings.Builder
	for i := range maxLicences + 1 {
		fmt.Fprintf(&many, "Files: %d\nLicense: L%d\n\n", i, i)
	}
	var problems []error
	found, err := Read(context.Background(), fstest.MapFS{"var/lib/dpkg/status": {Data: []byte("Package: a\nStatus: install ok installed\nVersion: 1\n"), Mode: 0o644},
		"usr/share/doc/a/copyright": {Data: []byte(form + many.String()), Mode: 0o644}}, &system.Options{PackageLicenses: true, Problem: func(err error) { problems = append(problems, err) }})
	if err != nil || len(problems) != 1 || !errors.Is(problems[0], block.ErrLimit) || strings.Count(found[0].Items[0].License, " and ") != maxLicences-1 {
		t.Errorf("%v, %v", err, problems)
	}
}

// TestHostPages compares the pages of this machine's packages with what dpkg-query says,
// and has those of apk and pacman.
func TestHostPages(t *testing.T) {
	peers.Need(t, "dpkg-query")
	found, err := Read(context.Background(), os.DirFS("/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(peers.Run(t, "dpkg-query", "-W", "-f", "${Package}\t${Homepage}\n")) {
		name, page, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		want[name] = page
	}
	said := 0
	for _, p := range found[0].Items {
		if p.URL != want[p.Name] {
			t.Errorf("%s: %q, want %q", p.Name, p.URL, want[p.Name])
		}
		if p.URL != "" {
			said++
		}
	}
	if said < 20 {
		t.Errorf("%d packages have pages", said)
	}
	m := fstest.MapFS{"lib/apk/db/installed": {Data: []byte("P:musl\nV:1.2.5-r0\nU:https://musl.libc.org/\n\n"), Mode: 0o644},
		"var/lib/pacman/local/bash-5.2-1/desc": {Data: []byte("%NAME%\nbash\n\n%VERSION%\n5.2-1\n\n%URL%\nhttps://www.gnu.org/software/bash/bash.html\n"), Mode: 0o644}}
	found, err = Read(context.Background(), m, nil)
	if err != nil || len(found) != 2 || found[0].Items[0].URL != "https://musl.libc.org/" || found[1].Items[0].URL != "https://www.gnu.org/software/bash/bash.html" {
		t.Errorf("%+v, %v", found, err)
	}
}
