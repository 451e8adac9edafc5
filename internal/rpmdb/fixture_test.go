package rpmdb_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestFixture reads a database that rpm made (GUESTKIT_MAKE_FIXTURES=1 makes it
// again) of packages without an epoch, with the epoch 0, which is not the same,
// and with others, and compares it with what rpm -qa said.
func TestFixture(t *testing.T) {
	if os.Getenv("GUESTKIT_MAKE_FIXTURES") != "" {
		makeFixture(t)
	}
	got := list(t, bytes.NewReader(testimg.Unpack(t, "testdata/rpmdb.sqlite.gz")), nil)
	says, err := os.ReadFile("testdata/rpmdb.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(says)), "\n")
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nrpm says:\n%s", strings.Join(got, "\n"), says)
	}
}

func makeFixture(t *testing.T) {
	peers.Need(t, "rpm", "rpmbuild")
	var some []string
	for _, p := range buildRPMs(t, t.TempDir()) {
		for _, name := range []string{"base-", "pkg00-", "pkg01-", "pkg03-", "pkg12-"} {
			if strings.HasPrefix(filepath.Base(p), name) {
				some = append(some, p)
			}
		}
	}
	root := t.TempDir()
	rpm := func(args ...string) string {
		return peers.Run(t, "rpm", append([]string{"--root", root, "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite"}, args...)...)
	}
	rpm("--initdb")
	rpm(append([]string{"-i", "--justdb", "--nodeps", "--nosignature"}, some...)...)
	says := rpm("-qa", "--qf", query)
	path := filepath.Join(root, "var/lib/rpm/rpmdb.sqlite")
	if _, err := os.Stat(path + "-wal"); err == nil {
		peers.Run(t, "sqlite3", path, "pragma wal_checkpoint(truncate)")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	testimg.Keep(t, "rpmdb.sqlite.gz", b)
	if err := os.WriteFile("testdata/rpmdb.txt", []byte(says), 0o644); err != nil {
		t.Fatal(err)
	}
}
