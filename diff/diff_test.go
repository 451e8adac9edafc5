package diff_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/diff"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/regftest"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/registry"
)

func TestUnified(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"", "", ""},
		{"a\n", "a\n", ""},
		{"", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n"},
		{"a\n", "a", "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n", "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n"},
	} {
		want := c.want
		if want != "" {
			want = "--- A\n+++ B\n" + want
		}
		if got := string(diff.Unified("A", "B", []byte(c.a), []byte(c.b))); got != want {
			t.Errorf("%q, %q:\n%s\nwant\n%s", c.a, c.b, got, want)
		}
	}
}

// texts are two random texts of few different lines.
func texts(r *rand.Rand, n int) (a, b []byte) {
	for range n {
		line := fmt.Appendf(nil, "line %d\n", r.IntN(6))
		switch r.IntN(4) {
		case 0:
			a = append(a, line...)
		case 1:
			b = append(b, line...)
		default:
			a, b = append(a, line...), append(b, line...)
		}
	}
	if r.IntN(3) == 0 {
		a = bytes.TrimSuffix(a, []byte("\n"))
	}
	if r.IntN(3) == 0 {
		b = bytes.TrimSuffix(b, []byte("\n"))
	}
	return a, b
}

// TestPatch has patch make the second text of the first; where a difference is short
// it has as many lines as that of diff -u, so that it is the shortest.
func TestPatch(t *testing.T) {
	peers.Need(t, "patch", "diff")
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		n := r.IntN(40)
		if i == 59 {
			n = 20_000 // more edits than are looked for
		}
		a, b := texts(r, n)
		if bytes.Equal(a, b) {
			continue
		}
		file := filepath.Join(dir, fmt.Sprint(i))
		want, p := file+".want", file+".patch"
		text := diff.Unified("a", "b", a, b)
		for name, data := range map[string][]byte{file: a, want: b, p: text} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if n < 1000 {
			theirs, _ := peers.Command(t, "diff", "-d", "-U0", file, want).Output()
			edits := func(b string) (n int) {
				for _, l := range strings.Split(b, "\n")[2:] {
					if l != "" && (l[0] == '+' || l[0] == '-') {
						n++
					}
				}
				return n
			}
			if edits(string(text)) != edits(string(theirs)) {
				t.Errorf("%d edits, those of diff are %d:\n%s\n%s", edits(string(text)), edits(string(theirs)), text, theirs)
			}
		}
		peers.Run(t, "patch", "-s", file, p)
		got, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d: patch makes another text, %v\n%s", i, err, text)
		}
	}
}

func FuzzUnified(f *testing.F) {
	f.Add([]byte("a\nb\nc\n"), []byte("a\nx\nc"))
	f.Add([]byte(""), []byte("\n\n"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		text := diff.Unified("A", "B", a, b)
		if (text == nil) != bytes.Equal(a, b) {
			t.Fatal("it is empty, or not")
		}
		if text == nil {
			return
		}
		// Both sides of the hunks are pieces of the texts, in order.
		var old, now []byte
		for i, l := range bytes.SplitAfter(text, []byte("\n"))[2:] {
			switch {
			case len(l) == 0, l[0] == '@':
			case l[0] == '\\':
				_ = i
			default:
				if l[0] != '+' {
					old = append(old, l[1:]...)
				}
				if l[0] != '-' {
					now = append(now, l[1:]...)
				}
			}
		}
		if d := len(a) - len(old); d < -1 || len(b)-len(now) < -1 {
			t.Fatalf("the hunks have more than the texts: %d, %d", len(old), len(now))
		}
	})
}

// pkgs is a database of one package a version.
func pkgs(format string, versions ...string) []system.Packages {
	p := system.Packages{Status: system.PackagesRead, Format: format}
	for _, v := range versions {
		name, version, _ := strings.Cut(v, "=")
		item := system.Package{Name: name, Version: version, Upstream: version}
		if e, rest, ok := strings.Cut(version, ":"); ok {
			fmt.Sscan(e, &item.Epoch)
			item.Upstream = rest
		}
		if i := strings.LastIndex(item.Upstream, "-"); i >= 0 {
			item.Upstream, item.Revision = item.Upstream[:i], item.Upstream[i+1:]
		}
		p.Items = append(p.Items, item)
	}
	return []system.Packages{p}
}

func TestPackages(t *testing.T) {
	changes, unread := diff.Packages(pkgs("deb", "a=1", "b=1.2-3", "c=2:1", "d=1", "k=1", "k=2"), pkgs("deb", "a=1", "b=1.10-1", "c=1:9", "e=1", "k=2", "k=3"))
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.Name, c.From, c.To, c.Change))
	}
	if s := fmt.Sprint(got); s != "[b[1.2-3] [1.10-1]upgraded c[2:1] [1:9]downgraded d[1] []removed e[] [1]added k[1 2] [2 3]changed]" || unread != nil {
		t.Error(s, unread)
	}
	bad := pkgs("rpm", "x=1")
	bad[0].Status, bad[0].Reason = system.PackagesPartial, "a page is damaged"
	if changes, unread := diff.Packages(bad, pkgs("rpm")); len(changes) > 0 || len(unread) != 1 {
		t.Error(changes, unread)
	}
	if changes, _ := diff.Packages(pkgs("snap", "x=1"), pkgs("snap", "x=2")); len(changes) != 1 || changes[0].Change != "changed" {
		t.Error(changes)
	}
}

// TestVersions orders versions as dpkg and rpm do.
func TestVersions(t *testing.T) {
	versions := []string{"1", "1.0", "1.00", "1.0a", "1.a", "1.0~rc1", "1.0~", "1.0+b1", "1.0^git1", "1.0^", "1.0.1", "10", "9", "1.10", "1.9", "a", "1a", "1aa", "1ab", "2.0.0-1", "1.0~~", "00123", "123", "1.0-1", "1.0-1~x", "1.0-1.el9", "0:1"}
	for _, c := range []struct {
		format string
		order  func(a, b string) string // the change from a to b
	}{
		{"deb", func(a, b string) string {
			for op, change := range map[string]string{"lt": "upgraded", "gt": "downgraded", "eq": "changed"} {
				if peers.Command(t, "dpkg", "--force-bad-version", "--compare-versions", a, op, b).Run() == nil {
					return change
				}
			}
			return ""
		}},
		{"rpm", func(a, b string) string {
			n := strings.TrimSpace(peers.Run(t, "rpm", "--eval", fmt.Sprintf(`%%{lua:print(rpm.vercmp("%s","%s"))}`, a, b)))
			return map[string]string{"-1": "upgraded", "1": "downgraded", "0": "changed"}[n]
		}},
	} {
		t.Run(c.format, func(t *testing.T) {
			peers.Need(t, map[string]string{"deb": "dpkg", "rpm": "rpm"}[c.format])
			r := rand.New(rand.NewPCG(3, 4))
			for range 120 {
				a, b := versions[r.IntN(len(versions))], versions[r.IntN(len(versions))]
				if a == b || c.format == "rpm" && strings.ContainsAny(a+b, "-:") || c.format == "deb" && strings.Contains(a+b, "^") {
					continue
				}
				changes, _ := diff.Packages(pkgs(c.format, "x="+a), pkgs(c.format, "x="+b))
				if want := c.order(a, b); len(changes) != 1 || changes[0].Change != want {
					t.Errorf("%s, %s: %v, want %s", a, b, changes, want)
				}
			}
		})
	}
}

// TestPacmanVersions orders versions as vercmp(8) of pacman says, and as libalpm 13
// does.
func TestPacmanVersions(t *testing.T) {
	for _, order := range []string{
		"1.0a 1.0b 1.0beta 1.0p 1.0pre 1.0rc 1.0 1.0.a 1.0.1", "1 1.0 1.1 1.1.1 1.2 2.0 3.0.0", // the manual's
		"1.0rc1 1.0 1.0~", "1.0 1..0", "a 1", "1.0 1.0. 1.0..", "1.0 1.0~rc", "1.9-9 1.10-1", "1.0-1 1.0-2", "1.a 1.0", "1.0 1.0+b", "1.0.a 1.0..a", "2 1:1", "00123 124",
	} {
		list := strings.Fields(order)
		for i := range list[1:] {
			for _, c := range []struct{ from, to, change string }{{list[i], list[i+1], "upgraded"}, {list[i+1], list[i], "downgraded"}} {
				if order == "1.0 1.0. 1.0.." && i == 1 {
					c.change = "changed" // both end there
				}
				changes, _ := diff.Packages(pkgs("pacman", "x="+c.from), pkgs("pacman", "x="+c.to))
				if len(changes) != 1 || changes[0].Change != c.change {
					t.Errorf("%s, %s: %v, want %s", c.from, c.to, changes, c.change)
				}
			}
		}
	}
	for _, same := range [][2]string{{"1.0_1", "1.0.1"}, {"1-1", "1"}, {"1.01", "1.1"}} {
		if changes, _ := diff.Packages(pkgs("pacman", "x="+same[0]), pkgs("pacman", "x="+same[1])); len(changes) != 1 || changes[0].Change != "changed" {
			t.Errorf("%s: %v", same, changes)
		}
	}
}

// tree is one of files in memory.
func tree(t *testing.T, files fstest.MapFS) *vfs.Node {
	t.Helper()
	n, err := vfs.Find(testimg.MapFS(t, files, vfs.Info{}), ".", false)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTrees(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o644} }
	a := fstest.MapFS{"same": file("x"), "gone": file("x"), "dir/deep/gone": file("x"), "text": file("old"), "long": file("x"), "kind": file("x"), "mode": file("x"), "link": {Data: []byte("same"), Mode: os.ModeSymlink | 0o777}}
	b := fstest.MapFS{"same": file("x"), "new": file("x"), "more/deep/new": file("x"), "text": file("new"), "long": file("xx"), "kind/below": file("x"), "mode": {Data: []byte("x"), Mode: 0o600}, "link": {Data: []byte("text"), Mode: os.ModeSymlink | 0o777}}
	var got []string
	var count diff.Count
	err := diff.Trees(context.Background(), tree(t, a), tree(t, b), &diff.Options{Count: &count}, func(c diff.Change) error {
		switch {
		case c.Err != nil:
			t.Error(c.Err)
		case c.Added():
			got = append(got, "+"+c.Path)
		case c.Removed():
			got = append(got, "-"+c.Path)
		default:
			got = append(got, fmt.Sprintf("%s %t %v", c.Path, c.Content, c.Metadata))
		}
		return nil
	})
	want := []string{"-dir", "-dir/deep", "-dir/deep/gone", "-gone", "kind true [type]", "+kind/below", "link true []", "long true []", "mode false [mode]", "+more", "+more/deep", "+more/deep/new", "+new", "text true []"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\n%q\nwant\n%q", err, got, want)
	}
	stop := errors.New("stop")
	if err := diff.Trees(context.Background(), tree(t, a), tree(t, b), nil, func(diff.Change) error { return stop }); err != stop {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := diff.Trees(ctx, tree(t, a), tree(t, b), nil, func(diff.Change) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestShared compares two openings of one file: nothing of it is read.
func TestShared(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.raw")
	if err := os.WriteFile(name, bytes.Repeat([]byte("data"), 1<<18), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(name string) block.Device {
		img, err := format.OpenFile(name, &format.Options{Format: "raw"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { img.Close() })
		return img
	}
	a, b := open(name), open(name)
	for _, c := range []struct {
		a, b block.Device
		same bool
		read bool
	}{
		{a, b, true, false},
		{block.Section(a, 4096, 8192), block.Section(b, 4096, 8192), true, false},
		{block.Section(a, 0, 8192), block.Section(b, 4096, 8192), true, true},
		{block.Section(a, 0, 8192), block.Section(b, 1, 8192), false, true},
		{block.Section(a, 0, 8192), block.Section(b, 0, 8191), false, false},
		{a, block.Plain(bytes.NewReader(bytes.Repeat([]byte("data"), 1<<18))), true, true},
	} {
		var count diff.Count
		same, err := diff.Same(context.Background(), c.a, c.b, &count)
		if err != nil || same != c.same || c.same && (count.Read.Load() > 0) != c.read {
			t.Errorf("%t, %v, read %d, shared %d", same, err, count.Read.Load(), count.Shared.Load())
		}
	}
	if _, err := diff.Same(context.Background(), a, b, nil); err != nil {
		t.Error(err)
	}
}

func TestRegistry(t *testing.T) {
	w := regftest.Releases()["10-22H2"]
	machine := func(soft, user func(*regftest.Key)) *registry.Machine {
		s, u := w.Software(), &regftest.Key{Name: "R"}
		soft(s)
		user(u)
		m, err := registry.OpenMachine(fstest.MapFS{
			"Windows/System32/config/SOFTWARE": {Data: w.Hive(s, "")}, "Windows/System32/config/SYSTEM": {Data: w.Hive(w.System(), "")},
			"Windows/System32/config/DEFAULT": {Data: w.Hive(u, "")},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a := machine(func(k *regftest.Key) {
		k.Set(`Vendor\App`, regftest.SZ("Path", "old"), regftest.DWORD("N", 1), regftest.SZ("Gone", "x"), regftest.DWORD("Kind", 1))
		k.Set(`Vendor\Old\Deep\Deeper`, regftest.SZ("x", "y"))
		k.Set(`Vendor\OldNot`, regftest.SZ("x", "y"))
	}, func(k *regftest.Key) { k.Set("Same", regftest.SZ("", "x")) })
	b := machine(func(k *regftest.Key) {
		k.Set(`vendor\app`, regftest.SZ("PATH", "new"), regftest.DWORD("N", 1), regftest.SZ("", "default"), regftest.SZ("Kind", "1"))
		k.Set(`Vendor\New\Deep`, regftest.SZ("x", "y"))
		k.Set(`Vendor\OldNot`, regftest.SZ("x", "z"))
	}, func(k *regftest.Key) { k.Set("Same", regftest.SZ("", "x")) })
	run := func(a, b *registry.Machine) string {
		var got []string
		err := diff.Registry(context.Background(), a, b, func(c diff.RegistryChange) error {
			line := c.Change + " " + c.Key
			if !c.IsKey {
				line += ":" + c.Value
			}
			got = append(got, line)
			return nil
		}, func(err error) { t.Error(err) })
		if err != nil {
			t.Error(err)
		}
		slices.Sort(got)
		return strings.Join(got, "\n")
	}
	want := `added HKEY_LOCAL_MACHINE\SOFTWARE\Vendor\App:
added HKEY_LOCAL_MACHINE\SOFTWARE\Vendor\New
changed HKEY_LOCAL_MACHINE\SOFTWARE\Vendor\App:Kind
changed HKEY_LOCAL_MACHINE\SOFTWARE\Vendor\App:Path
changed HKEY_LOCAL_MACHINE\SOFTWARE\Vendor\OldNot:x
removed HKEY_LOCAL_MACHINE\SOFTWARE\Vendor\App:Gone
removed HKEY_LOCAL_MACHINE\SOFTWARE\Vendor\Old`
	if got := run(a, b); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := run(a, a); got != "" {
		t.Error(got)
	}
}
