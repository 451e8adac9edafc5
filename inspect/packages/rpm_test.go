package packages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/rpmdb"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestRPMPackage: the fields of a header as "rpm -q" prints them.
func TestRPMPackage(t *testing.T) {
	at := time.Unix(1700000000, 0)
	for _, c := range []struct {
		x                       rpmdb.Package
		version, source, srcVer string
		installed               *time.Time
	}{
		{rpmdb.Package{Version: "5.2.26", Release: "3.fc40", SourceRPM: "bash-5.2.26-3.fc40.src.rpm", Installed: at}, "5.2.26-3.fc40", "bash", "5.2.26-3.fc40", &at},
		{rpmdb.Package{Version: "9.1", Release: "1", Epoch: 2, HasEpoch: true, SourceRPM: "vim-common-9.1-1.nosrc.rpm"}, "2:9.1-1", "vim-common", "9.1-1", nil},
		{rpmdb.Package{Version: "1", Release: "2", HasEpoch: true}, "0:1-2", "", "", nil},
		{rpmdb.Package{Version: "1", Release: "2", SourceRPM: "(none)"}, "1-2", "", "", nil},
	} {
		p := rpmPackage(c.x)
		if p.Version != c.version || p.Source != c.source || p.SourceVersion != c.srcVer || (p.Installed == nil) != (c.installed == nil) || c.installed != nil && !p.Installed.Equal(*c.installed) {
			t.Errorf("%+v", p)
		}
	}
	for file, want := range map[string][2]string{
		"a-1-2.src.rpm": {"a", "1-2"}, "a-b-1-2.src.rpm": {"a-b", "1-2"}, "a-1.src.rpm": {"a", "1"}, "a.src.rpm": {"a", ""}, "a.rpm": {"a", ""}, "a-1-2.src": {},
		".rpm": {}, "-1-2.src.rpm": {"", "1-2"}, "-1.src.rpm": {"", "1"}, ".a-1-2.rpm": {"", ""},
	} {
		if name, version := sourceOf(file); name != want[0] || version != want[1] {
			t.Errorf("%q: %q, %q, want %q", file, name, version, want)
		}
	}
}

// noReads is a file without reads at an offset.
type noReads struct{ fs.FS }

func (n noReads) Open(name string) (fs.File, error) {
	f, err := n.FS.Open(name)
	return struct{ fs.File }{f}, err
}

// TestOpenRPM opens the file and its log, in the bounds that the options set.
func TestOpenRPM(t *testing.T) {
	const db, other = "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages.db"
	files := fstest.MapFS{db: text("0123456789abcdef"), other: text("0123456789abcdefg"), "dir": {Mode: fs.ModeDir | 0o755}}
	tree := func(fsys fs.FS) *root {
		return &root{Tree: guest.NewTree(context.Background(), fsys, &system.Options{MaxDatabase: 1})} // 16 times as large may one of rpm be
	}
	b := make([]byte, 4)
	r, closeFile, err := tree(files).openAt(db)
	if err != nil || r.Size() != 16 {
		t.Fatal(err)
	}
	if _, err := r.ReadAt(b, 0); err != nil || string(b) != "0123" {
		t.Errorf("%q, %v", b, err)
	}
	if err := closeFile(); err != nil {
		t.Error(err)
	}
	for name, class := range map[string]error{other: block.ErrLimit, "dir": block.ErrUnsupported, "none": fs.ErrNotExist} {
		if _, _, err := tree(files).openAt(name); !errors.Is(err, class) {
			t.Errorf("%s: %v, want %v", name, err, class)
		}
	}
	if _, _, err := tree(noReads{files}).openAt(db); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("no reads: %v", err)
	}
	for _, c := range []struct {
		name, log string
		wal       bool
		class     error
	}{
		{db, "", false, nil}, {db, db + "-wal", true, nil}, {"var/lib/rpm/Packages", "var/lib/rpm/Packages-wal", false, nil}, {db, "dir", false, block.ErrUnsupported},
	} {
		m := fstest.MapFS{db: files[db], "var/lib/rpm/Packages": files[db]}
		switch c.log {
		case "":
		case "dir":
			m[db+"-wal"] = files["dir"]
		default:
			m[c.log] = text("log")
		}
		_, wal, closeAll, err := tree(m).openSQLite(c.name)
		if !errors.Is(err, c.class) || (wal != nil) != c.wal {
			t.Errorf("%+v: %v, %v", c, wal, err)
		}
		if err == nil {
			closeAll()
		}
	}
}

// TestMostRPMs: as many packages as the options allow are listed, and no more.
func TestMostRPMs(t *testing.T) {
	b := testimg.Unpack(t, "../../internal/rpmdb/testdata/rpmdb.sqlite.gz")
	m := fstest.MapFS{"usr/lib/sysimage/rpm/rpmdb.sqlite": {Data: b, Mode: 0o644}}
	count := func(most int) (system.Packages, error) {
		found, err := Read(context.Background(), m, &system.Options{MaxPackages: most})
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		return found[0], err
	}
	all, _ := count(0)
	n := len(all.Items)
	if n < 2 {
		t.Fatalf("%d packages, %s", n, all.Reason)
	}
	if p, _ := count(n); len(p.Items) != n || p.Reason != all.Reason {
		t.Errorf("%d of %d packages: %s", len(p.Items), n, p.Reason)
	}
	if p, _ := count(n - 1); len(p.Items) != n-1 || !strings.Contains(p.Reason, fmt.Sprint(n-1)) {
		t.Errorf("%d of %d packages: %s", len(p.Items), n-1, p.Reason)
	}
}
