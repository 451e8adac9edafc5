package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vacant"
)

// soiled is a filesystem of the tests with garbage in its free blocks, which come
// to free bytes.
func soiled(t *testing.T, fixture, path string) (free int64) {
	t.Helper()
	b := testimg.Unpack(t, fixture)
	rep, err := vacant.Find(t.Context(), block.Plain(bytes.NewReader(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rep.Runs {
		for i := range b[r.Off:][:r.Len] {
			b[r.Off+int64(i)] = byte(i*i>>4) | 1
		}
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return rep.Free()
}

// TestSkipFree leaves out what a filesystem calls free, and says what it keeps.
func TestSkipFree(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "disk.raw")
	free := soiled(t, "fs/ext4/testdata/ext4.img.gz", raw)
	manifest := gk(t, "manifest", raw).out
	for _, name := range []string{"a.qcow2", "b.vmdk", "c.vhdx", "d.vdi", "e.vhd", "f.raw"} {
		out, all := filepath.Join(dir, name), filepath.Join(dir, "all-"+name)
		r := gk(t, "convert", "--json", "--skip-free", raw, out)
		var doc convertDoc
		if err := json.Unmarshal([]byte(r.out), &doc); err != nil || r.code != 0 || doc.SkippedFree == nil || *doc.SkippedFree != free || len(doc.Kept) != 0 {
			t.Fatalf("%s: %+v %v, want %d free bytes", name, r, err, free)
		}
		if r := gk(t, "convert", raw, all); r.code != 0 {
			t.Fatal(r.err)
		}
		if got := gk(t, "manifest", out).out; got != manifest {
			t.Errorf("%s has other files:\n%s\nwant\n%s", name, got, manifest)
		}
		if r := gk(t, "compare", raw, out); r.code != compareDiffer {
			t.Errorf("compare %s: %+v", name, r)
		}
		if r := gk(t, "compare", "--skip-free", raw, out); r.code != 0 {
			t.Errorf("compare --skip-free %s: %+v", name, r)
		}
		small, large := size(t, out), size(t, all)
		if small > large || small == large && (name == "a.qcow2" || name == "b.vmdk") { // the blocks of others are as large as the disk
			t.Errorf("%s has %d bytes with --skip-free, %d without", name, small, large)
		}
	}
	var with, without measureDoc
	for flag, doc := range map[string]*measureDoc{"--skip-free": &with, "--exact": &without} {
		if err := json.Unmarshal([]byte(gk(t, "measure", "--json", "-O", "qcow2", flag, "--exact", raw).out), doc); err != nil {
			t.Fatal(err)
		}
	}
	if with.Required >= without.Required || with.Required != size(t, filepath.Join(dir, "a.qcow2")) {
		t.Errorf("measure: %+v with --skip-free, %+v without", with, without)
	}

	if err := os.WriteFile(raw, testimg.Unpack(t, "fs/ext4/testdata/dirty.img.gz"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := gk(t, "convert", "--skip-free", raw, filepath.Join(dir, "dirty.qcow2"))
	if r.code != 0 || !strings.Contains(r.err, "disk is kept whole: ") || !strings.Contains(r.err, "journal") {
		t.Errorf("a dirty journal: %+v", r)
	}
	if r := gk(t, "compare", raw, filepath.Join(dir, "dirty.qcow2")); r.code != 0 {
		t.Errorf("a dirty journal: %+v", r)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Size()
}
