package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// guests makes the images of two trees, of which the second one is changed.
func guests(t *testing.T) (a, b string) {
	t.Helper()
	peers.Need(t, "mke2fs")
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	write := func(name, text string, mode os.FileMode) {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	pkg := func(name, version string) string {
		return fmt.Sprintf("Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\nMaintainer: x\nDescription: x\n\n", name, version)
	}
	write("etc/os-release", "ID=debian\nNAME=Debian\n", 0o644)
	write("var/lib/dpkg/status", pkg("a", "1.9")+pkg("b", "1")+pkg("same", "1"), 0o644)
	write("etc/app.conf", "one\ntwo\tx\nthree\n", 0o644)
	write("etc/gone", "gone\n", 0o644)
	write("usr/bin/tool", strings.Repeat("tool\n", 100_000), 0o755)
	write("usr/bin/other", strings.Repeat("other\n", 100_000), 0o755)
	write("usr/share/doc", "doc", 0o644)
	os.Symlink("tool", filepath.Join(root, "usr/bin/link"))
	a, b = filepath.Join(dir, "a.img"), filepath.Join(dir, "b.img")
	peers.Run(t, "mke2fs", "-q", "-t", "ext4", "-d", root, a, "32M")
	write("var/lib/dpkg/status", pkg("a", "1.10")+pkg("c", "1")+pkg("same", "1"), 0o644)
	write("etc/app.conf", "one\ntwo\ty\nthree\n", 0o644)
	os.Remove(filepath.Join(root, "etc/gone"))
	write("etc/new/file", "new\n", 0o644)
	write("usr/bin/tool", strings.Repeat("tool\n", 99_999)+"TOOL\n", 0o755)
	write("usr/share/doc", "doc", 0o600)
	os.Remove(filepath.Join(root, "usr/bin/link"))
	os.Symlink("other", filepath.Join(root, "usr/bin/link"))
	peers.Run(t, "mke2fs", "-q", "-t", "ext4", "-d", root, b, "32M")
	return a, b
}

func TestDiff(t *testing.T) {
	a, b := guests(t)
	r := gk(t, "diff", a, b)
	want := `files: 2 added, 1 removed, 4 changed in content, 1 in metadata alone
packages: 1 added, 1 removed, 1 in another version

M package a (amd64) 1.9 -> 1.10 (upgraded)
- package b (amd64) 1
+ package c (amd64) 1
M /etc/app.conf
- /etc/gone
+ /etc/new
+ /etc/new/file
M /usr/bin/link  target tool -> other
M /usr/bin/tool
m /usr/share/doc  mode 0644 -> 0600
M /var/lib/dpkg/status  size 308 -> 309

--- ` + a + `:/etc/app.conf
+++ ` + b + `:/etc/app.conf
@@ -1,3 +1,3 @@
 one
-two	x
+two	y
 three
`
	if r.code != diffDiffer || r.out != want {
		t.Errorf("code %d:\n%s%s\nwant\n%s", r.code, r.out, r.err, want)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{a, a}, 0, "files: 0 added, 0 removed, 0 changed in content, 0 in metadata alone\n"},
		{[]string{"-q", a, b}, diffDiffer, ""},
		{[]string{"--no-text", a, b, "/etc/new"}, diffFailed, ""},
		{[]string{a, b, "/usr/share"}, diffDiffer, "files: 0 added, 0 removed, 0 changed in content, 1 in metadata alone\n\nm /usr/share/doc  mode 0644 -> 0600\n"},
		{[]string{"--no-files", "--no-packages", a, b}, 0, "files: 0 added, 0 removed, 0 changed in content, 0 in metadata alone\n"},
		{[]string{"--metadata-only", "--text", "/usr", a, b, "/usr/bin"}, diffDiffer, "files: 0 added, 0 removed, 1 changed in content, 0 in metadata alone\n\nM /usr/bin/link  target tool -> other\n"},
		{[]string{a, filepath.Join(filepath.Dir(a), "none")}, diffFailed, ""},
		{[]string{a}, exitUsage, ""},
		{[]string{a + "@snap", b}, diffFailed, ""},
	} {
		if r := gk(t, append([]string{"diff"}, c.args...)...); r.code != c.code || r.out != c.want {
			t.Errorf("%q: code %d\n%s%s", c.args, r.code, r.out, r.err)
		}
	}
}

// TestDiffJSON reads the lines of --json.
func TestDiffJSON(t *testing.T) {
	a, b := guests(t)
	r := gk(t, "diff", "--json", a, b)
	var kinds []string
	var sum *diffSumDoc
	for line := range strings.Lines(r.out) {
		var d diffDoc
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, d.Kind)
		sum = d.Summary
		if d.Path == "/usr/share/doc" && (*d.Content || !slices.Equal(d.Meta, []string{"mode"}) || d.A.Mode != "0644" || d.B.Mode != "0600") {
			t.Errorf("%+v", d)
		}
	}
	if s := strings.Join(slices.Compact(kinds), " "); s != "package file text summary" {
		t.Error(s)
	}
	if sum == nil || sum.Same || sum.Files["content"] != 4 || sum.Packages["changed"] != 1 || len(sum.Errors) > 0 {
		t.Errorf("%+v", sum)
	}
}

// TestDiffKernel compares what differs by what diff -r says of the kernel's mounts.
func TestDiffKernel(t *testing.T) {
	peers.Need(t, "diff")
	a, b := guests(t)
	ma, mb := peers.Mount(t, a, "ext4", "ro"), peers.Mount(t, b, "ext4", "ro")
	out, _ := peers.Command(t, "diff", "-rq", "--no-dereference", ma, mb).Output()
	var want []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		only, isOnly := strings.CutPrefix(line, "Only in ")
		dir, name, _ := strings.Cut(only, ": ")
		switch {
		case isOnly && strings.HasPrefix(dir, ma):
			want = append(want, "- "+strings.TrimPrefix(dir, ma)+"/"+name)
		case isOnly:
			want = append(want, "+ "+strings.TrimPrefix(dir, mb)+"/"+name)
		default: // "Files A and B differ", "Symbolic links A and B differ"
			_, rest, _ := strings.Cut(line, ma)
			name, _, _ := strings.Cut(rest, " and ")
			want = append(want, "M "+name)
		}
	}
	var got []string
	added := "\x00"
	for line := range strings.Lines(gk(t, "diff", "--no-packages", "--no-text", a, b).out) {
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if len(line) < 3 || line[1] != ' ' || line[0] == 'm' || strings.HasPrefix(line[2:], added+"/") {
			continue // diff -r does not list what is in a new folder
		}
		if line[0] != 'M' {
			added = line[2:]
		}
		got = append(got, line)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

// TestDiffShared compares two images of one chain, and two snapshots of one image:
// what both share is not read.
func TestDiffShared(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io", "debugfs", "cp")
	a, _ := guests(t)
	dir := filepath.Dir(a)
	in := func(name string) string { return filepath.Join(dir, name) }
	b := in("c.img")
	peers.Run(t, "cp", a, b)
	if err := os.WriteFile(in("tool"), []byte(strings.Repeat("TOOL\n", 20_000)), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"rm /usr/bin/tool", "write " + in("tool") + " /usr/bin/tool", "set_inode_field /usr/bin/tool mode 0100755", "rm /etc/gone", "set_inode_field /usr/share/doc mode 0100600"} {
		peers.Run(t, "debugfs", "-w", "-R", command, b)
	}
	plain := gk(t, "diff", "--no-text", a, b)
	peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", "a.img", "-F", "raw", in("child.qcow2"))
	peers.Run(t, "qemu-img", "convert", "-O", "qcow2", a, in("disk.qcow2"))
	peers.Run(t, "qemu-img", "snapshot", "-c", "before", in("disk.qcow2"))
	for _, image := range []string{"child.qcow2", "disk.qcow2"} {
		writeChanges(t, a, b, in(image))
	}
	for _, pair := range [][2]string{{a, in("child.qcow2")}, {in("disk.qcow2@before"), in("disk.qcow2")}} {
		if r := gk(t, "diff", "--no-text", pair[0], pair[1]); r.code != diffDiffer || r.out != plain.out {
			t.Errorf("%q: code %d\n%s%s\nwant\n%s", pair, r.code, r.out, r.err, plain.out)
		}
		r := gk(t, "diff", "--json", pair[0], pair[1])
		lines := strings.Split(strings.TrimSpace(r.out), "\n")
		var d diffDoc
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &d); err != nil || d.Summary == nil {
			t.Fatal(err)
		}
		if d.Summary.Shared < 500_000 || d.Summary.Read > 100_000 {
			t.Errorf("%q: read %d, shared %d", pair, d.Summary.Read, d.Summary.Shared)
		}
	}
	if r := gk(t, "diff", in("disk.qcow2@before"), in("disk.qcow2@before")); r.code != 0 {
		t.Errorf("code %d: %s%s", r.code, r.out, r.err)
	}
	if r := gk(t, "diff", in("disk.qcow2@none"), in("disk.qcow2")); r.code != diffFailed || !strings.Contains(r.err, "none") {
		t.Errorf("code %d: %s", r.code, r.err)
	}
}

// writeChanges writes into an image that holds the disk a what the disk b has
// otherwise.
func writeChanges(t *testing.T, a, b, image string) {
	t.Helper()
	var sides [2][]byte
	for i, name := range []string{a, b} {
		var err error
		if sides[i], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	const cluster = 64 << 10
	args := []string{"-f", "qcow2"}
	for off := 0; off < len(sides[0]); off += cluster {
		piece := sides[1][off : off+cluster]
		if bytes.Equal(sides[0][off:off+cluster], piece) {
			continue
		}
		file := filepath.Join(t.TempDir(), fmt.Sprint(off))
		if err := os.WriteFile(file, piece, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-c", fmt.Sprintf("write -q -s %s %d %d", file, off, cluster))
	}
	peers.Run(t, "qemu-io", append(args, image)...)
}
