package secondopinion

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/rpmdb"
	"github.com/guestkit/guestkit/internal/testimg"
	otherrpmdb "github.com/knqyf263/go-rpmdb/pkg"
)

// TestRPMDatabases reads the databases that rpm wrote in CentOS 5 to 8, in UBI 8 on
// s390x (Berkeley DB, of both byte orders) and in SLE 15 (ndb), which go-rpmdb
// carries, and compares with what it finds there, and with rpm where that reads
// Berkeley DB.
func TestRPMDatabases(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/knqyf263/go-rpmdb").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "pkg/testdata/*/Packages*"))
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			db, err := otherrpmdb.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			list, err := db.ListPackages()
			if err != nil {
				t.Fatal(err)
			}
			var want, got []string
			for _, p := range list {
				want = append(want, fmt.Sprint(p.Name, "|", p.EpochNum(), "|", p.Version, "|", p.Release, "|", p.Arch, "|", p.SourceRpm, "|", p.Vendor, "|", p.InstallTime, "|", p.Summary))
			}
			var short []string
			err = rpmdb.Read(context.Background(), testimg.File(t, file), nil, func(p rpmdb.Package, err error) error {
				if err != nil {
					return err
				}
				source := p.SourceRPM
				if source == "" {
					source = "(none)" // of keys, which go-rpmdb says as rpm does
				}
				got = append(got, fmt.Sprint(p.Name, "|", p.Epoch, "|", p.Version, "|", p.Release, "|", p.Arch, "|", p.SourceRPM, "|", p.Vendor, "|", p.Installed.Unix(), "|", p.Summary))
				short = append(short, p.Name+"|"+p.Version+"|"+p.Release+"|"+source)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			same(t, "go-rpmdb", got, want)
			t.Logf("%d packages", len(got))
			if filepath.Base(file) != "Packages" {
				return
			}
			peers.Need(t, "rpm")
			dir := t.TempDir() // rpm wants to write
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "Packages"), b, 0o600); err != nil {
				t.Fatal(err)
			}
			says := peers.Run(t, "rpm", "-qa", "--dbpath", dir, "--define", "_db_backend bdb_ro", "--nosignature", "--nodigest", "--qf", "%{NAME}|%{VERSION}|%{RELEASE}|%{SOURCERPM}\n")
			same(t, "rpm", short, strings.Split(strings.TrimSpace(says), "\n"))
		})
	}
}

func same(t *testing.T, who string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return
	}
	n := 0
	for i := range max(len(got), len(want)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("%d: %q, and %s says %q", i, g, who, w)
			if n++; n > 4 {
				return
			}
		}
	}
}
