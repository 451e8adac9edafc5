package packages

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

func read(t *testing.T, m fstest.MapFS) (system.Packages, []error) {
	t.Helper()
	var problems []error
	found, err := Read(context.Background(), m, &system.Options{Problem: func(err error) { problems = append(problems, err) }})
	if err != nil || len(found) != 1 {
		t.Fatalf("%d databases, %v", len(found), err)
	}
	return found[0], problems
}

func text(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o644} }

func list(p system.Packages) string {
	var out []string
	for _, x := range p.Items {
		out = append(out, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s/%s %d %s %s", x.Name, x.Version, x.Upstream, x.Revision, x.Epoch, x.Arch, x.State)), " "))
	}
	return string(p.Status) + ": " + strings.Join(out, ", ")
}

func TestDatabases(t *testing.T) {
	const xbps = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>_XBPS_ALTERNATIVES_</key>
	<dict>
		<key>sh</key>
		<array>
			<string>dash</string>
		</array>
	</dict>
	<key>acl</key>
	<dict>
		<key>architecture</key>
		<string>x86_64</string>
		<key>automatic-install</key>
		<true/>
		<key>installed_size</key>
		<integer>219407</integer>
		<key>pkgver</key>
		<string>acl-2.3.1_1</string>
		<key>run_depends</key>
		<array>
			<string>glibc&gt;=2.32_1</string>
		</array>
		<key>state</key>
		<string>installed</string>
	</dict>
	<key>xbps-triggers</key>
	<dict>
		<key>architecture</key>
		<string>noarch</string>
		<key>pkgver</key>
		<string>xbps-triggers-0.123_2</string>
		<key>state</key>
		<string>unpacked</string>
	</dict>
</dict>
</plist>
`
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"pkgtools": {fstest.MapFS{"var/lib/pkgtools/packages/aaa_base-14.2-x86_64-2": text(""), "var/lib/pkgtools/packages/xorg-server-1.18.3-x86_64-2_slack14.2": text(""), "var/lib/pkgtools/packages/broken": text("")},
			"partial: aaa_base 14.2-2 14.2/2 0 x86_64, xorg-server 1.18.3-2_slack14.2 1.18.3/2_slack14.2 0 x86_64"},
		"xbps":       {fstest.MapFS{"var/db/xbps/pkgdb-0.38.plist": text(xbps)}, "read: acl 2.3.1_1 2.3.1/1 0 x86_64, xbps-triggers 0.123_2 0.123/2 0 noarch unpacked"},
		"xbps, cut":  {fstest.MapFS{"var/db/xbps/pkgdb-0.38.plist": text(xbps[:800])}, "partial: acl 2.3.1_1 2.3.1/1 0 x86_64"},
		"xbps, deep": {fstest.MapFS{"var/db/xbps/pkgdb-0.38.plist": text("<plist>" + strings.Repeat("<dict>", 1000))}, "not_read: "},
		"portage": {fstest.MapFS{"var/db/pkg/sys-libs/glibc-2.38-r10/SLOT": text("2.2\n"), "var/db/pkg/sys-libs/glibc-2.38-r10/BUILD_TIME": text("1700000000\n"), "var/db/pkg/app-editors/nano-7.2/DESCRIPTION": text("GNU\n"),
			"var/db/pkg/media-libs/libpng-1.6.40_p1-r1/SLOT": text("0/16\n"), "var/db/pkg/x11-base/-MERGING-x-1/SLOT": text("")},
			"read: app-editors/nano 7.2 7.2/ 0, media-libs/libpng 1.6.40_p1-r1 1.6.40_p1/r1 0, sys-libs/glibc 2.38-r10 2.38/r10 0"},
		"eopkg":   {fstest.MapFS{"var/lib/eopkg/package/bash-completion-2.11-8/metadata.xml": text(""), "var/lib/eopkg/package/zlib-1.3-33/metadata.xml": text("")}, "read: bash-completion 2.11-8 2.11/8 0, zlib 1.3-33 1.3/33 0"},
		"flatpak": {fstest.MapFS{"var/lib/flatpak/app/org.gnome.Maps/x86_64/stable/active/metadata": text(""), "var/lib/flatpak/runtime/org.gnome.Platform/x86_64/45/active/metadata": text(""), "var/lib/flatpak/app/gone/x86_64/stable/x": text("")}, "read: org.gnome.Maps stable stable/ 0 x86_64, org.gnome.Platform 45 45/ 0 x86_64"},
		"snap": {fstest.MapFS{"var/lib/snapd/state.json": text(`{"data":{"auth":{},"snaps":{"lxd":{"type":"app","sequence":[{"name":"lxd","snap-id":"J60k4JY0HppjwOjW8dZdYc8obXKxujRu","revision":"24322"}],"active":true,"current":"24322","channel":"4.0/stable"},"core20":{"type":"base","sequence":[],"active":false,"current":"1974"}}},"changes":{}}`)},
			"read: core20 unknown unknown/1974 0 disabled, lxd unknown unknown/24322 0"},
		"swupd": {fstest.MapFS{"usr/share/clear/bundles/os-core": text(""), "usr/share/clear/bundles/editors": text(""), "usr/share/clear/version": text("41000\n")}, "read: editors 41000 41000/ 0, os-core 41000 41000/ 0"},
		"homebrew": {fstest.MapFS{"home/linuxbrew/.linuxbrew/Cellar/openssl@3/3.2.1_1/INSTALL_RECEIPT.json": text("{}"), "home/linuxbrew/.linuxbrew/Cellar/jq/1.7.1/bin/jq": text("")},
			"read: jq 1.7.1 1.7.1/ 0, openssl@3 3.2.1_1 3.2.1/1 0"},
		"conda": {fstest.MapFS{"home/ada/miniconda3/envs/science/conda-meta/numpy-1.26.4-py312hc5e2394_0.json": text(`{"build":"py312hc5e2394_0","build_number":0,"channel":"https://repo.anaconda.com/pkgs/main/linux-64","files":["lib/x"],"license":"BSD-3-Clause","name":"numpy","subdir":"linux-64","version":"1.26.4"}`),
			"home/ada/miniconda3/envs/science/conda-meta/history": text("==> 2024 <==\n"), "home/ada/miniconda3/envs/science/conda-meta/broken.json": text("{")},
			"partial: numpy 1.26.4 1.26.4/py312hc5e2394_0 0 linux-64"},
		"bottlerocket": {fstest.MapFS{"usr/share/bottlerocket/application-inventory.json": text(`{"Content":[{"Name":"glibc","Publisher":"Bottlerocket","InstalledTime":"2024-02-01T00:00:00Z","ApplicationType":"Unspecified","Architecture":"x86_64","Url":"","Version":"2.38","Release":"1.br1","Epoch":"0","Summary":"The GNU libc libraries"}]}`)}, "read: glibc 2.38-1.br1 2.38/1.br1 0 x86_64"},
		"cos":          {fstest.MapFS{"etc/cos-package-info.json": text(`{"installedPackages":[{"category":"app-admin","name":"google-guest-agent","version":"20230821","ebuild_version":"20230821"}],"buildTimePackages":[]}`)}, "read: app-admin/google-guest-agent 20230821 20230821/ 0"},
		"broken JSON":  {fstest.MapFS{"var/lib/snapd/state.json": text(`{"data":`)}, "not_read: "},
	} {
		p, problems := read(t, c.tree)
		if got := list(p); got != c.want || (p.Status != system.PackagesRead) != (len(problems) > 0) {
			t.Errorf("%s: %q, want %q; %v", name, got, c.want, problems)
		}
	}
}

// pkgSchema is the table that pkg of FreeBSD makes (libpkg/pkgdb.c).
const pkgSchema = `CREATE TABLE packages (id INTEGER PRIMARY KEY,origin TEXT NOT NULL,name TEXT NOT NULL,version TEXT NOT NULL,comment TEXT NOT NULL,desc TEXT NOT NULL,mtree_id INTEGER,message TEXT,arch TEXT NOT NULL,maintainer TEXT NOT NULL, www TEXT,prefix TEXT NOT NULL,flatsize INTEGER NOT NULL,automatic INTEGER NOT NULL,locked INTEGER NOT NULL DEFAULT 0,licenselogic INTEGER NOT NULL,time INTEGER, manifestdigest TEXT NULL, pkg_format_version INTEGER,dep_formula TEXT NULL,vital INTEGER NOT NULL DEFAULT 0);`

// nixSchema is that of Nix (src/libstore/schema.sql).
const nixSchema = `create table if not exists ValidPaths (
    id               integer primary key autoincrement not null,
    path             text unique not null,
    hash             text not null,
    registrationTime integer not null,
    deriver          text,
    narSize          integer,
    ultimate         integer,
    sigs             text,
    ca               text
);`

// TestTables reads databases that sqlite3 makes by the schemas of the managers.
func TestTables(t *testing.T) {
	peers.Need(t, "sqlite3")
	make := func(sql string) *fstest.MapFile {
		file := filepath.Join(t.TempDir(), "db")
		peers.Run(t, "sqlite3", file, sql)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return &fstest.MapFile{Data: b, Mode: 0o644}
	}
	row := func(name, version string) string {
		return fmt.Sprintf("INSERT INTO packages VALUES (NULL,'devel/%s','%s','%s','c','%s',NULL,NULL,'FreeBSD:14:amd64','x@FreeBSD.org',NULL,'/usr/local',1,0,0,1,1700000000,NULL,1,NULL,0);", name, name, version, strings.Repeat("long ", 3000))
	}
	pkg, problems := read(t, fstest.MapFS{"var/db/pkg/local.sqlite": make(pkgSchema + row("pkg", "1.20.9") + row("git", "2.43.0_1") + row("vim", "9.1.0,2") + row("x", "1.0_3,1"))})
	if got := list(pkg); got != "read: pkg 1.20.9 1.20.9/ 0 FreeBSD:14:amd64, git 2.43.0_1 2.43.0/1 0 FreeBSD:14:amd64, vim 9.1.0,2 9.1.0/ 2 FreeBSD:14:amd64, x 1.0_3,1 1.0/3 1 FreeBSD:14:amd64" || len(problems) > 0 {
		t.Errorf("pkg: %q, %v", got, problems)
	}
	path := func(base string) string {
		return "INSERT INTO ValidPaths VALUES (NULL,'/nix/store/" + strings.Repeat("a", 32) + "-" + base + "','sha256:x',1,NULL,1,NULL,NULL,NULL);"
	}
	nix, problems := read(t, fstest.MapFS{"nix/var/nix/db/db.sqlite": make(nixSchema + path("glibc-2.38-44") + path("bash-5.2-p26.drv") + path("etc-hostname") + path("python3.11-pip-23.3.2"))})
	if got := list(nix); got != "read: glibc 2.38-44 2.38-44/ 0, python3.11-pip 23.3.2 23.3.2/ 0" || len(problems) > 0 {
		t.Errorf("nix: %q, %v", got, problems)
	}
}

// TestGuix reads the database that Guix shares with Nix.
func TestGuix(t *testing.T) {
	peers.Need(t, "sqlite3")
	file := filepath.Join(t.TempDir(), "db")
	peers.Run(t, "sqlite3", file, nixSchema+"INSERT INTO ValidPaths VALUES (NULL,'/gnu/store/"+strings.Repeat("a", 32)+"-hello-2.12.1','sha256:x',1,NULL,1,NULL,NULL,NULL);")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, problems := read(t, fstest.MapFS{"var/guix/db/db.sqlite": {Data: b, Mode: 0o644}})
	if got := list(p); got != "read: hello 2.12.1 2.12.1/ 0" || p.Format != "guix" || len(problems) > 0 {
		t.Errorf("%s %q, %v", p.Format, got, problems)
	}
}

// wingetSchema is the part of winget's index that is read (winget-cli, SQLiteIndex 1.7).
const wingetSchema = `CREATE TABLE [ids](rowid INTEGER PRIMARY KEY, [id] TEXT NOT NULL); CREATE TABLE [names](rowid INTEGER PRIMARY KEY, [name] TEXT NOT NULL);
CREATE TABLE [versions](rowid INTEGER PRIMARY KEY, [version] TEXT NOT NULL);
CREATE TABLE [manifest](rowid INTEGER PRIMARY KEY, [id] INT64 NOT NULL, [name] INT64 NOT NULL, [moniker] INT64 NOT NULL, [version] INT64 NOT NULL, [channel] INT64 NOT NULL, [pathpart] INT64 NOT NULL, hash BLOB, arp_min_version INT64, arp_max_version INT64);`

// TestWinGet reads the catalog of a user's winget.
func TestWinGet(t *testing.T) {
	peers.Need(t, "sqlite3")
	file := filepath.Join(t.TempDir(), "db")
	peers.Run(t, "sqlite3", file, wingetSchema+`INSERT INTO ids VALUES (7,'Git.Git'),(3,'Microsoft.PowerToys'); INSERT INTO names VALUES (1,'Git'),(2,'PowerToys'); INSERT INTO versions VALUES (4,'2.44.0'),(9,'0.79.0');
		INSERT INTO manifest VALUES (1,7,1,0,4,0,0,NULL,NULL,NULL),(2,3,2,0,9,0,0,NULL,NULL,NULL);`)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const state = "Users/Ada/AppData/Local/Packages/Microsoft.DesktopAppInstaller_8wekyb3d8bbwe/LocalState/"
	m := fstest.MapFS{state + "Microsoft.Winget.Source_8wekyb3d8bbwe/installed.db": {Data: b, Mode: 0o644}, state + "settings.json": text("{}")}
	found, err := WinGet(context.Background(), m, []string{"Users/Ada", "Users/Gone"}, nil)
	if err != nil || len(found) != 1 || list(found[0]) != "read: Git.Git 2.44.0 2.44.0/ 0, Microsoft.PowerToys 0.79.0 0.79.0/ 0" || found[0].Items[1].Summary != "PowerToys" {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestSnapVersions looks into snaps, which mksquashfs makes.
func TestSnapVersions(t *testing.T) {
	peers.Need(t, "mksquashfs")
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "root/meta"), 0o755); err != nil {
		t.Fatal(err)
	}
	meta := "name: lxd\nversion: '5.0.2-838e1b2'\nsummary: LXD - container manager\nlicense: AGPL-3.0-only\napps:\n  lxc:\n    version: 9\n"
	if err := os.WriteFile(filepath.Join(dir, "root/meta/snap.yaml"), []byte(meta), 0o644); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "mksquashfs", filepath.Join(dir, "root"), filepath.Join(dir, "snap"), "-comp", "xz", "-quiet", "-no-progress")
	b, err := os.ReadFile(filepath.Join(dir, "snap"))
	if err != nil {
		t.Fatal(err)
	}
	state := text(`{"data":{"snaps":{"lxd":{"type":"app","active":true,"current":"24322"},"broken":{"type":"app","active":true,"current":"1"}}}}`)
	fsys := testimg.MapFS(t, fstest.MapFS{"var/lib/snapd/state.json": state, "var/lib/snapd/snaps/lxd_24322.snap": {Data: b, Mode: 0o600}, "var/lib/snapd/snaps/broken_1.snap": text("hsqs")}, vfs.Info{})
	var problems []error
	found, err := Read(context.Background(), fsys, &system.Options{Problem: func(err error) { problems = append(problems, err) }})
	if err != nil || len(found) != 1 || len(problems) != 1 {
		t.Fatalf("%+v, %v, %v", found, err, problems)
	}
	if x := found[0].Items[1]; x.Version != "5.0.2-838e1b2" || x.Summary != "LXD - container manager" || x.License != "AGPL-3.0-only" || found[0].Items[0].Version != system.Unknown {
		t.Errorf("%+v", found[0].Items)
	}
}

func FuzzDocuments(f *testing.F) {
	f.Add([]byte("<plist><dict><key>a</key><dict><key>pkgver</key><string>a-1_1</string></dict></dict></plist>"))
	f.Add([]byte("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: Expat or GPL-2+\n Text.\n"))
	f.Add([]byte(`{"data":{"snaps":{"a":{"current":1,"active":true}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range []string{"var/db/xbps/pkgdb-0.38.plist", "var/lib/snapd/state.json", "usr/share/bottlerocket/application-inventory.json", "etc/cos-package-info.json", "var/db/pkg/local.sqlite",
			"opt/conda/conda-meta/a.json", "usr/share/clear/bundles/a"} {
			p, _ := read(t, fstest.MapFS{name: {Data: b, Mode: 0o644}})
			for _, x := range p.Items {
				if x.Name == "" || x.Version == "" {
					t.Fatalf("%+v", x)
				}
			}
		}
		lists := fstest.MapFS{"var/lib/dpkg/status": text("Package: a\nStatus: install ok installed\nVersion: 1\n"), "var/lib/dpkg/info/a.list": {Data: b, Mode: 0o644},
			"usr/share/doc/a/copyright": {Data: b, Mode: 0o644},
			"lib/apk/db/installed":      {Data: b, Mode: 0o644}, "var/lib/pacman/local/a/desc": text("%NAME%\na\n\n%VERSION%\n1\n"), "var/lib/pacman/local/a/files": {Data: b, Mode: 0o644},
			"var/db/pkg/a-b/c-1/CONTENTS": {Data: b, Mode: 0o644}, "var/lib/pkgtools/packages/a-1-x-1": {Data: b, Mode: 0o644}}
		if _, err := Read(context.Background(), lists, &system.Options{PackageFiles: true, PackageLicenses: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := WinGet(context.Background(), fstest.MapFS{"a/AppData/Local/Packages/Microsoft.DesktopAppInstaller_x/LocalState/y/installed.db": {Data: b, Mode: 0o644}}, []string{"a"}, nil); err != nil {
			t.Fatal(err)
		}
	})
}

// TestPortageLicence takes the licence that an ebuild states.
func TestPortageLicence(t *testing.T) {
	found, err := Read(context.Background(), fstest.MapFS{"var/db/pkg/app-editors/nano-7.2/LICENSE": text("GPL-3+ LGPL-2.1+\n")}, &system.Options{})
	if err != nil || len(found) != 1 || found[0].Items[0].License != "GPL-3+ LGPL-2.1+" {
		t.Errorf("%+v, %v", found, err)
	}
}
