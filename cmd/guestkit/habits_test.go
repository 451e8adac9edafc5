package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// counted is a disk whose sectors all differ.
func counted(t *testing.T, path string, sectors int) []byte {
	t.Helper()
	b := make([]byte, sectors*512)
	for i := range b {
		b[i] = byte(i>>9) ^ byte(i>>17) | 1
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

func must(t *testing.T, args ...string) result {
	t.Helper()
	return exits(t, exitDone, args...)
}

// exits runs a command that ends with a code.
func exits(t *testing.T, code int, args ...string) result {
	t.Helper()
	r := gk(t, args...)
	if r.code != code {
		t.Fatalf("guestkit %s: %+v, want code %d", strings.Join(args, " "), r, code)
	}
	return r
}

// TestDd copies parts in the words of dd.
func TestDd(t *testing.T) {
	dir := t.TempDir()
	raw, out := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "out")
	b := counted(t, raw, 4096)
	image := filepath.Join(dir, "disk.qcow2")
	must(t, "convert", raw, image)
	for args, want := range map[string][]byte{
		"":                      b,
		"bs=1K count=3":         b[:3<<10],
		"bs=1KiB count=1K":      b[:1<<20],
		"bs=4k skip=2 count=1":  b[8<<10 : 12<<10],
		"skip=4000 count=4096":  b[4000*512:],
		"bs=1M count=1 skip=1":  b[1<<20:],
		"bs=512 skip=7 count=1": b[7*512 : 8*512],
	} {
		must(t, append([]string{"dd", "--force", "if=" + image, "of=" + out}, strings.Fields(args)...)...)
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
			t.Errorf("dd %s: %d bytes, %v, want %d", args, len(got), err, len(want))
		}
	}
	must(t, "dd", "-f", "qcow2", "-O", "vmdk", "if="+image, "of="+out+".vmdk")
	if r := gk(t, "dd", "--force", "if="+image, "of="+out, "bs=1M", "skip=100000"); r.code != exitDone || !strings.Contains(r.err, "the output is empty") {
		t.Errorf("a part past the end: %+v", r)
	}
	must(t, "compare", raw, out+".vmdk")
	for _, args := range []string{"if=x", "if=" + image + " of=" + out, "if=" + image + " of=y seek=1", "if=" + image + " of=y bs=0", "if=" + image + " of=y count=-1", "if=" + image + " of=y bs=1kB", "if=" + image + " of=y bs=2b", "if=" + image + " of=y skip=1.5", "if=" + image + " of=y bs=1KK", "if=" + image + " of=y bs=iB", "if=" + image + " of=y x"} {
		if r := gk(t, append([]string{"dd"}, strings.Fields(args)...)...); r.code == 0 {
			t.Errorf("dd %s: %+v", args, r)
		}
	}
}

// TestConvertSeveral lays disks one after the other.
func TestConvertSeveral(t *testing.T) {
	dir := t.TempDir()
	a, b, out := filepath.Join(dir, "a.raw"), filepath.Join(dir, "b.raw"), filepath.Join(dir, "out.qcow2")
	first, second := counted(t, a, 100), counted(t, b, 300)
	image := filepath.Join(dir, "b.qcow2")
	must(t, "convert", b, image)
	must(t, "convert", a, image, a, out)
	must(t, "convert", out, filepath.Join(dir, "out.raw"))
	want := append(append(bytes.Clone(first), second...), first...)
	if got, err := os.ReadFile(filepath.Join(dir, "out.raw")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v, want %d", len(got), err, len(want))
	}
	if r := gk(t, "convert", a, b, filepath.Join(dir, "x.ova")); r.code == 0 {
		t.Errorf("an OVA: %+v", r)
	}
	if r := gk(t, "convert", a, filepath.Join(dir, "none.raw"), filepath.Join(dir, "x.raw")); r.code == 0 {
		t.Errorf("a source that is missing: %+v", r)
	}
}

// TestBitmapsCopied: bitmaps go with their image, and map shows what they say.
func TestBitmapsCopied(t *testing.T) {
	dir := t.TempDir()
	raw, image, out := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.qcow2"), filepath.Join(dir, "out.qcow2")
	counted(t, raw, 4096)
	must(t, "convert", raw, image)
	must(t, "bitmap", "--add", "-g", "64k", image, "b0")
	must(t, "bitmap", "--add", "--disable", image, "b1")
	must(t, "snapshot", "-c", "s", image)
	must(t, "snapshot", "-a", "s", image) // b0 is all dirty now
	must(t, "convert", "--bitmaps", image, out)
	for _, name := range []string{"b0", "b1"} {
		if got, want := gk(t, "bitmap", out, name), gk(t, "bitmap", image, name); got.out != want.out || got.code != 0 {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	srv := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer srv.Close()
	far := filepath.Join(t.TempDir(), "far.qcow2")
	must(t, "convert", "--bitmaps", srv.URL+"/disk.qcow2", far)
	if got, want := must(t, "bitmap", far, "b0"), must(t, "bitmap", image, "b0"); got.out != want.out {
		t.Errorf("from an address: %+v, want %+v", got, want)
	}
	var doc mapDoc
	if err := json.Unmarshal([]byte(must(t, "map", "--json", "--bitmap", "b0", "--offset", "64k", "--length", "128k", out).out), &doc); err != nil || len(doc.Extents) != 1 || doc.Extents[0].Start != 64<<10 || doc.Extents[0].Length != 128<<10 {
		t.Errorf("map of b0: %+v %v", doc, err)
	}
	if err := json.Unmarshal([]byte(must(t, "map", "--json", "--bitmap", "b1", out).out), &doc); err != nil || len(doc.Extents) != 0 {
		t.Errorf("map of b1: %+v %v", doc, err)
	}
	must(t, "resize", out, "+1M")
	if r := gk(t, "bitmap", out, "b1"); r.out != "0+3145728\n" {
		t.Errorf("after resize: %+v", r)
	}
	if r := gk(t, "check", out); r.code != 0 {
		t.Errorf("after resize: %+v", r)
	}
	for _, args := range []string{"RAW NEW.qcow2", "SRC NEW.raw", "-o compat=0.10 SRC NEW.qcow2", "--offset 64k SRC NEW.qcow2", "SRC RAW NEW.qcow2", "-l s SRC NEW.qcow2"} {
		sub := t.TempDir()
		args = strings.NewReplacer("RAW", raw, "SRC", image, "NEW", filepath.Join(sub, "new")).Replace(args)
		if r := gk(t, append([]string{"convert", "--bitmaps"}, strings.Fields(args)...)...); r.code != exitUsage {
			t.Errorf("convert --bitmaps %s: %+v", args, r)
		}
		if left, _ := os.ReadDir(sub); len(left) > 0 {
			t.Errorf("convert --bitmaps %s leaves %v", args, left)
		}
	}
	want, _, _ := strings.Cut(must(t, "digest", raw).out, " ")
	if r := must(t, "info", "--digest", image); !strings.Contains(r.out, want) {
		t.Errorf("info --digest: %+v", r)
	}
}

// TestChain shows a chain, and what is wrong with one.
func TestChain(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	counted(t, at("base.raw"), 4096)
	must(t, "create", "-f", "qcow2", "-b", "base.raw", "-F", "raw", at("mid.qcow2"))
	must(t, "create", "-f", "qcow2", "-b", "mid.qcow2", "-F", "qcow2", at("top.qcow2"))
	stamp := func(name string, ago time.Duration) {
		if err := os.Chtimes(at(name), time.Time{}, time.Now().Add(-ago)); err != nil {
			t.Fatal(err)
		}
	}
	stamp("base.raw", 3*time.Hour)
	stamp("mid.qcow2", 2*time.Hour)
	stamp("top.qcow2", time.Hour)
	chain := func(name string, code int, words ...string) chainDoc {
		t.Helper()
		r := gk(t, "chain", at(name))
		for _, w := range words {
			if !strings.Contains(r.out, w) {
				t.Errorf("chain %s does not say %q: %+v", name, w, r)
			}
		}
		if r.code != code {
			t.Errorf("chain %s: %+v, want code %d", name, r, code)
		}
		var doc chainDoc
		if err := json.Unmarshal([]byte(gk(t, "chain", "--json", at(name)).out), &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	if doc := chain("top.qcow2", 0, "sound: 3 images"); !doc.Sound || len(doc.Links) != 3 || doc.Links[2].Format != "raw" {
		t.Errorf("%+v", doc)
	}
	stamp("mid.qcow2", time.Minute)
	chain("top.qcow2", chainOdd, "written to after")
	stamp("mid.qcow2", 2*time.Hour)
	must(t, "resize", at("base.raw"), "+512")
	stamp("base.raw", 3*time.Hour)
	chain("top.qcow2", chainOdd, "only 2097152")
	if err := os.Rename(at("base.raw"), at("away.raw")); err != nil {
		t.Fatal(err)
	}
	if doc := chain("top.qcow2", chainBroken, "broken: \"base.raw\": no such file"); len(doc.Links) != 3 || doc.Links[2].Error == "" || doc.Links[1].Format != "qcow2" {
		t.Errorf("%+v", doc)
	}
	// A chain that leads in a circle.
	must(t, "create", "-f", "qcow2", at("y.qcow2"), "1M")
	must(t, "create", "-f", "qcow2", "-b", "y.qcow2", "-F", "qcow2", at("x.qcow2"))
	must(t, "create", "-f", "qcow2", "-b", "x.qcow2", "-F", "qcow2", at("z.qcow2"))
	if err := os.Rename(at("z.qcow2"), at("y.qcow2")); err != nil {
		t.Fatal(err)
	}
	chain("x.qcow2", chainBroken, "back to")
}

// TestLiterals holds the parts that decide about a name to the whole pattern.
func TestLiterals(t *testing.T) {
	for _, pattern := range []string{"*7.txt", "a*", "a?c", "[ab]c", `a\*b`, `\a`, `a\]b`, "[]]x", "plain", "", "*", "a*b*c"} {
		begin, end := literals(pattern)
		for _, name := range []string{"17.txt", "7.txt", "abc", "ac", "bc", "a*b", "a", "a]b", "]x", "plain", "", "abbc", "axbyc", "*7.txt"} {
			ok, err := path.Match(pattern, name)
			if err == nil && ok && (!strings.HasPrefix(name, begin) || !strings.HasSuffix(name, end)) {
				t.Errorf("%q: %q and %q refuse %q", pattern, begin, end, name)
			}
		}
	}
}
