package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A batchLine is what the tests look at of a line.
type batchLine struct {
	Schema  string
	Systems []struct {
		Hostname string
		Packages struct{ Items []any }
	}
	Run *runDoc
}

func batchLines(t *testing.T, out string) map[string]batchLine {
	t.Helper()
	got := map[string]batchLine{}
	for line := range strings.Lines(out) {
		var l batchLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v\n%.300s", err, line)
		}
		got[filepath.Base(l.Run.Path)] = l
	}
	return got
}

// folderOfImages has two guests, a chain, a damaged image and what is none.
func folderOfImages(t *testing.T) string {
	dir := t.TempDir()
	for name, from := range map[string]string{"web.qcow2": uefi, "sub/db.img": bios} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if r := gk(t, "create", "-q", "-f", "qcow2", "-b", "web.qcow2", "-F", "qcow2", filepath.Join(dir, "top.qcow2")); r.code != exitDone {
		t.Fatal(r.err)
	}
	os.WriteFile(filepath.Join(dir, "bad.vmdk"), bytes.Repeat([]byte("KDMV"), 512), 0o644)
	os.WriteFile(filepath.Join(dir, "README"), []byte("no image"), 0o644)
	return dir
}

// TestBatch inspects a folder: one bad image keeps no other from its turn, and a
// second run skips what did not change.
func TestBatch(t *testing.T) {
	dir := folderOfImages(t)
	r := gk(t, "inspect", "--json", "--jobs", "2", dir)
	first := batchLines(t, r.out)
	if r.code != exitFailed || len(first) != 4 || !strings.Contains(r.err, "bad.vmdk") || strings.Contains(r.err, "web.qcow2") {
		t.Fatalf("code %d, %d lines\n%s", r.code, len(first), r.err)
	}
	for name, want := range map[string]struct {
		schema, host string
		files        int
	}{"web.qcow2": {"guestkit.inspect/v1", "web-1", 1}, "db.img": {"guestkit.inspect/v1", "db-1", 1}, "top.qcow2": {"guestkit.inspect/v1", "web-1", 2}, "bad.vmdk": {"guestkit.batch/v1", "", 1}} {
		l := first[name]
		host := ""
		if len(l.Systems) > 0 {
			host = l.Systems[0].Hostname
		}
		if l.Schema != want.schema || host != want.host || len(l.Run.Files) != want.files || (l.Run.Error != "") != (host == "") {
			t.Errorf("%s: %s, host %q, files %v, error %q", name, l.Schema, host, l.Run.Files, l.Run.Error)
		}
	}

	// The files were written just before; a run a minute later is told by its lines.
	later := func(out string) string {
		var b strings.Builder
		for line := range strings.Lines(out) {
			var doc map[string]any
			if err := json.Unmarshal([]byte(line), &doc); err != nil {
				t.Fatal(err)
			}
			doc["run"].(map[string]any)["started"] = time.Now().Add(time.Minute).UTC()
			text, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s\n", text)
		}
		name := filepath.Join(t.TempDir(), "former.jsonl")
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	unchanged := func(lines map[string]batchLine) []string {
		var out []string
		for name, l := range lines {
			if l.Run.Unchanged {
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return out
	}
	former := later(r.out)
	r = gk(t, "inspect", "--json", "--since", former, dir)
	second := batchLines(t, r.out)
	if got := unchanged(second); r.code != exitFailed || !slices.Equal(got, []string{"db.img", "top.qcow2", "web.qcow2"}) {
		t.Errorf("code %d, unchanged are %q", r.code, got)
	}
	// A run of skipped images is as good as one that read them.
	r = gk(t, "inspect", "--json", "--since", later(r.out), dir)
	if got := unchanged(batchLines(t, r.out)); !slices.Equal(got, []string{"db.img", "top.qcow2", "web.qcow2"}) {
		t.Errorf("of a run of unchanged images, unchanged are %q", got)
	}
	// A change below an image is one of it.
	if err := os.Chtimes(filepath.Join(dir, "web.qcow2"), time.Now(), time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	r = gk(t, "inspect", "--json", "--since", former, dir)
	if got := unchanged(batchLines(t, r.out)); !slices.Equal(got, []string{"db.img"}) {
		t.Errorf("after a change, unchanged are %q", got)
	}
	// What --fail-on fails at does so again, though nothing has changed.
	for _, severity := range []string{"warning", "critical"} {
		want, code := []string{"db.img", "web.qcow2"}, exitDone
		if severity == "warning" {
			want, code = []string{"web.qcow2"}, exitConcern
		}
		args := []string{"inspect", "--json", "--jobs", "2", "--fail-on", severity}
		images := []string{filepath.Join(dir, "sub", "db.img"), filepath.Join(dir, "web.qcow2")}
		out := gk(t, append(args, images...)...).out
		for range 2 {
			r = gk(t, append(append(args, "--since", later(out)), images...)...)
			if got := unchanged(batchLines(t, r.out)); r.code != code || !slices.Equal(got, want) {
				t.Errorf("--fail-on %s: code %d, unchanged are %q", severity, r.code, got)
			}
			out = r.out
		}
	}
	// Other flags say other things.
	r = gk(t, "inspect", "--json", "-f", "qcow2", "--since", former, dir)
	if got := unchanged(batchLines(t, r.out)); len(got) > 0 {
		t.Errorf("with another flag, unchanged are %q", got)
	}
}

// TestBatchTable: people get a table, sorted, and what failed is said.
// TestPackageFiles lists the files of packages of one image, and of several.
func TestPackageFiles(t *testing.T) {
	for _, args := range [][]string{{bios}, {"--jobs", "1", bios}} {
		args = append([]string{"inspect", "--json", "--package-files"}, args...)
		r := gk(t, args...)
		if !strings.Contains(r.out, `"files"`) || !strings.Contains(r.out, "/bin/dash") {
			t.Errorf("%v: %.300s", args, r.out)
		}
	}
}

func TestBatchTable(t *testing.T) {
	dir := folderOfImages(t)
	r := gk(t, "inspect", dir)
	var rows []string
	for line := range strings.Lines(r.out) {
		if f := strings.Fields(line); len(f) > 0 && strings.HasPrefix(f[0], dir) {
			rows = append(rows, filepath.Base(f[0]))
		}
	}
	if want := []string{"bad.vmdk", "db.img", "top.qcow2", "web.qcow2"}; r.code != exitFailed || !slices.Equal(rows, want) || !strings.Contains(r.out, "4 images, 1 failed") || !strings.Contains(r.err, "bad.vmdk") {
		t.Errorf("code %d, rows %q\n%s%s", r.code, rows, r.out, r.err)
	}
}

// TestBatchUsage: what a batch refuses, and what is no former run.
func TestBatchUsage(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	cut := filepath.Join(dir, "cut")
	os.WriteFile(text, []byte(`{"schema":"guestkit.info/v1"}`), 0o644)
	os.WriteFile(cut, []byte(`{"schema":"guestkit.batch/v1","run":{"path":"x","unchanged":true}}`+"\n"+`{"schema":"guestk`), 0o644)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{dir}, exitNothing, "no images were found"},
		{[]string{"--jobs", "2"}, exitUsage, "no image is given"},
		{[]string{"--jobs", "-1", uefi}, exitUsage, "--jobs is"},
		{[]string{"--jobs", "2", uefi, "-a", bios}, exitUsage, "a batch has many"},
		{[]string{"--since", filepath.Join(dir, "nowhere"), uefi}, exitFailed, "no such file"},
		{[]string{"--since", text, uefi}, exitFailed, "no output of"},
		{[]string{"--since", uefi, uefi}, exitFailed, "no output of"},
		{[]string{"--since", cut, uefi}, exitDone, "cut off"},
		{[]string{"--jobs", "2", filepath.Join(dir, "nowhere.qcow2"), uefi}, exitFailed, "nowhere.qcow2: no such file"},
	} {
		r := gk(t, append([]string{"inspect"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) {
			t.Errorf("%q: code %d, want %d\n%s", c.args, r.code, c.code, r.err)
		}
	}
}

// TestBatchCloses: a guest that is done with is forgotten.
func TestBatchCloses(t *testing.T) {
	var out, errs bytes.Buffer
	a := newApp(streams{strings.NewReader(""), &out, &errs})
	root := newRoot(a, streams{strings.NewReader(""), &out, &errs}, "")
	root.SetArgs([]string{"inspect", "--json", "--jobs", "2", uefi, bios, "nowhere.raw", uefi})
	if err := root.Execute(); err == nil {
		t.Error("no error for a file that is not there")
	}
	if len(a.guests) > 0 {
		t.Errorf("%d guests are still owned", len(a.guests))
	}
}

// TestBatchMany: a thousand images, each of which gets its line.
func TestBatchMany(t *testing.T) {
	dir := t.TempDir()
	const n = 1000
	for i := range n {
		name := filepath.Join(dir, fmt.Sprintf("%d", i%10), fmt.Sprintf("%d.raw", i))
		os.MkdirAll(filepath.Dir(name), 0o755)
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(name, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	r := gk(t, "inspect", "--json", "--jobs", "4", dir)
	if got := batchLines(t, r.out); r.code != exitNothing || len(got) != n {
		t.Errorf("code %d, %d lines\n%.500s", r.code, len(got), r.err)
	}
}

// TestBatchCodes: the exit code depends neither on which image is done first, nor on
// whether a former run has seen them.
func TestBatchCodes(t *testing.T) {
	dir := t.TempDir()
	must(t, "convert", "-q", uefi, filepath.Join(dir, "z.qcow2"))
	must(t, "create", "-q", filepath.Join(dir, "a.qcow2"), "1M")
	for _, jobs := range []string{"1", "2"} {
		if r := gk(t, "inspect", "--jobs", jobs, "--fail-on", "information", dir); r.code != exitConcern {
			t.Errorf("--jobs %s: code %d, want that of the concern", jobs, r.code)
		}
	}
	r := gk(t, "inspect", "--json", dir)
	if r.code != exitNothing {
		t.Fatalf("code %d, want that of the empty disk", r.code)
	}
	// As if the files had been written a minute earlier.
	former := filepath.Join(t.TempDir(), "former.jsonl")
	text := regexp.MustCompile(`"started":"[^"]*"`).ReplaceAllString(r.out, time.Now().Add(time.Minute).UTC().Format(`"started":"`+time.RFC3339+`"`))
	if err := os.WriteFile(former, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r = gk(t, "inspect", "--json", "--since", former, dir)
	if lines := batchLines(t, r.out); r.code != exitNothing || !lines["z.qcow2"].Run.Unchanged || lines["a.qcow2"].Run.Unchanged {
		t.Errorf("after a run of the same: code %d\n%s", r.code, r.out)
	}
}
