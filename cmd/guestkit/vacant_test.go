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

// TestSparsify shrinks images in place: the files are the same, free blocks are
// zeros, and the file is smaller.
func TestSparsify(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "disk.raw")
	soiled(t, "fs/ext4/testdata/ext4.img.gz", raw)
	manifest := gk(t, "manifest", raw).out
	clean := filepath.Join(dir, "clean.raw")
	if r := gk(t, "convert", "--skip-free", raw, clean); r.code != 0 {
		t.Fatal(r.err)
	}
	image := filepath.Join(dir, "disk.qcow2")
	if r := gk(t, "convert", "-o", "cluster_size=4k", raw, image); r.code != 0 {
		t.Fatal(r.err)
	}
	vhdx := filepath.Join(dir, "disk.vhdx")
	if r := gk(t, "convert", raw, vhdx); r.code != 0 {
		t.Fatal(r.err)
	}
	for _, path := range []string{image, raw} {
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var dry, done sparsifyDoc
		r := gk(t, "sparsify", "--dry-run", "--json", path)
		if err := json.Unmarshal([]byte(r.out), &dry); err != nil || dry.Held == 0 || dry.Held != dry.Free || dry.After != dry.Before {
			t.Fatalf("%s: %+v %v", path, r, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: a dry run has changed the file", path)
		}
		if r := gk(t, "sparsify", "--dry-run", path); r.code != 0 || !strings.Contains(r.out, "#") || !strings.Contains(r.out, "---") {
			t.Errorf("%s: %+v", path, r)
		}
		r = gk(t, "sparsify", "--json", path)
		if path == raw && r.code != 0 && strings.Contains(r.err, "holes") {
			continue // the host cannot
		}
		if err := json.Unmarshal([]byte(r.out), &done); err != nil || r.code != 0 || done.After >= done.Before {
			t.Errorf("%s: %+v %v", path, r, err)
		}
		if got := gk(t, "manifest", path).out; got != manifest {
			t.Errorf("%s has other files", path)
		}
		if r := gk(t, "compare", "--skip-free", path, clean); r.code != 0 {
			t.Errorf("%s: %+v", path, r)
		}
		if r := gk(t, "check", path); path == image && r.code != 0 {
			t.Errorf("%s: %+v", path, r)
		}
	}
	if r := gk(t, "sparsify", vhdx); r.code != exitUsage || !strings.Contains(r.err, "--skip-free") {
		t.Errorf("VHDX: %+v", r)
	}
	if r := gk(t, "sparsify", "--dry-run", vhdx); r.code != 0 {
		t.Errorf("VHDX: %+v", r)
	}
}
