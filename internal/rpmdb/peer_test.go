package rpmdb_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/rpmdb"
	"github.com/guestkit/guestkit/internal/testimg"
)

// buildRPMs makes packages with rpmbuild: with and without an epoch, of two
// architectures, and one whose header is large.
func buildRPMs(t *testing.T, dir string) []string {
	t.Helper()
	var spec strings.Builder
	spec.WriteString("Name: base\nVersion: 1.0\nRelease: 1.el9\nSummary: Base of the tests\nLicense: MIT\nURL: https://example.org/base\nVendor: Test Vendor\nBuildArch: noarch\n%description\nx\n%files\n")
	for i := range 40 {
		fmt.Fprintf(&spec, "%%package -n pkg%02d\nSummary: Package %d\nVersion: %d.%d~rc1\nRelease: %d.el9_4\n", i, i, i/7+1, i, i*3+1)
		if i%3 == 0 {
			fmt.Fprintf(&spec, "Epoch: %d\n", i)
		}
		fmt.Fprintf(&spec, "%%description -n pkg%02d\n%s\n%%files -n pkg%02d\n", i, strings.Repeat("long text\n", i*i), i)
	}
	path := filepath.Join(dir, "test.spec")
	if err := os.WriteFile(path, []byte(spec.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, "--define", "_rpmdir "+dir, "--define", "source_date_epoch_from_changelog 0", path)
	out, err := filepath.Glob(filepath.Join(dir, "noarch", "*.rpm"))
	if err != nil || len(out) != 41 {
		t.Fatalf("rpmbuild made %d packages, %v", len(out), err)
	}
	return out
}

const query = "%{NAME}|%{EPOCH}|%{VERSION}|%{RELEASE}|%{ARCH}|%{SOURCERPM}|%{VENDOR}|%{INSTALLTIME}|%{URL}|%{SUMMARY}\n"

// list reads a database in the form of query.
func list(t *testing.T, r, wal block.Reader) []string {
	t.Helper()
	var out []string
	err := rpmdb.Read(context.Background(), r, wal, func(p rpmdb.Package, err error) error {
		if err != nil {
			t.Error(err)
			return nil
		}
		none := func(s string) string {
			if s == "" {
				return "(none)"
			}
			return s
		}
		epoch := "(none)"
		if p.HasEpoch {
			epoch = fmt.Sprint(p.Epoch)
		}
		out = append(out, strings.Join([]string{p.Name, epoch, p.Version, p.Release, p.Arch, none(p.SourceRPM), none(p.Vendor), fmt.Sprint(p.Installed.Unix()), none(p.URL), p.Summary}, "|"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(out)
	return out
}

func compare(t *testing.T, got []string, rpmSays string) {
	t.Helper()
	want := strings.Split(strings.TrimSpace(rpmSays), "\n")
	sort.Strings(want)
	if len(want) < 30 {
		t.Fatalf("rpm lists %d packages only", len(want))
	}
	for i := range max(len(got), len(want)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("package %d: got %q, rpm says %q (%d and %d in all)", i, g, w, len(got), len(want))
		}
	}
}

// installed makes a SQLite database with rpm, and returns it with its log and
// what rpm lists. Some packages are removed again, so that there are free pages.
func installed(t *testing.T) (db, wal block.Reader, says string) {
	t.Helper()
	peers.Need(t, "rpm", "rpmbuild")
	pkgs := buildRPMs(t, t.TempDir())
	root := t.TempDir()
	rpm := func(args ...string) string {
		return peers.Run(t, "rpm", append([]string{"--root", root, "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite"}, args...)...)
	}
	rpm("--initdb")
	rpm(append([]string{"-i", "--justdb", "--nodeps", "--nosignature"}, pkgs...)...)
	rpm("-e", "--justdb", "--nodeps", "pkg05", "pkg30", "pkg39")
	path := filepath.Join(root, "var/lib/rpm/rpmdb.sqlite")
	if _, err := os.Stat(path + "-wal"); err == nil {
		wal = testimg.File(t, path+"-wal")
	}
	return testimg.File(t, path), wal, rpm("-qa", "--qf", query)
}

// TestPeer compares what is read with what rpm itself says.
func TestPeer(t *testing.T) {
	db, wal, says := installed(t)
	compare(t, list(t, db, wal), says)
}

// TestPeerBerkeley has the headers of a real database loaded into a Berkeley DB
// by its own tool.
func TestPeerBerkeley(t *testing.T) {
	peers.Need(t, "db5.3_load")
	db, wal, says := installed(t)
	blobs, err := rpmdb.Blobs(db, wal)
	if err != nil {
		t.Fatal(err)
	}
	dump := "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n 00000000\n 29000000\n"
	for i, b := range blobs {
		dump += fmt.Sprintf(" %02x000000\n %x\n", i+1, b)
	}
	path := filepath.Join(t.TempDir(), "Packages")
	cmd := peers.Command(t, "db5.3_load", path)
	cmd.Stdin = strings.NewReader(dump + "DATA=END\n")
	peers.RunCmd(t, cmd)
	compare(t, list(t, testimg.File(t, path), nil), says)
}

// TestNDB has the same headers in an ndb file that is built byte by byte:
// Debian's rpm has no backend for it. One that rpm of SLE 15 wrote is in the tests of
// secondopinion.
func TestNDB(t *testing.T) {
	db, wal, says := installed(t)
	blobs, err := rpmdb.Blobs(db, wal)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, list(t, bytes.NewReader(buildNDB(blobs)), nil), says)
}
