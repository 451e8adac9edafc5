package main

import (
	"bytes"
	"encoding/binary"
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
	// Blocks are larger than what is free in the filesystem: let it be in a
	// partition, with garbage behind it.
	b, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	table := make([]byte, 1<<20)
	entry := table[0x1be:]
	entry[4] = 0x83
	binary.LittleEndian.PutUint32(entry[8:], 1<<20/512)
	binary.LittleEndian.PutUint32(entry[12:], uint32(len(b)/512))
	table[510], table[511] = 0x55, 0xaa
	parted, partedClean := filepath.Join(dir, "parted.raw"), filepath.Join(dir, "parted-clean.raw")
	if err := os.WriteFile(parted, append(append(table, b...), bytes.Repeat([]byte("garbage."), 512<<10)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := gk(t, "convert", "--skip-free", parted, partedClean); r.code != 0 {
		t.Fatal(r.err)
	}
	partedManifest := gk(t, "manifest", parted).out
	images := []string{image, raw}
	for name, options := range map[string]string{"disk.vhdx": "block_size=1M", "disk.vhd": "block_size=512k", "disk.vmdk": "", "disk.vdi": ""} {
		path := filepath.Join(dir, name)
		if r := gk(t, "convert", "-o", options, parted, path); r.code != 0 {
			t.Fatal(r.err)
		}
		images = append(images, path)
	}
	for _, path := range images {
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var dry, done sparsifyDoc
		r := gk(t, "sparsify", "--dry-run", "--json", path)
		if err := json.Unmarshal([]byte(r.out), &dry); err != nil || dry.Held == 0 || dry.Held > dry.Free || path == raw && dry.Held != dry.Free || dry.After != dry.Before {
			t.Fatalf("%s: %+v %v", path, r, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: a dry run has changed the file", path)
		}
		if r := gk(t, "sparsify", "--dry-run", path); r.code != 0 || !strings.Contains(r.out, "#") || !strings.Contains(r.out, "-") {
			t.Errorf("%s: %+v", path, r)
		}
		r = gk(t, "sparsify", "--json", path)
		if path == raw && r.code != 0 && strings.Contains(r.err, "holes") {
			continue // the host cannot
		}
		if err := json.Unmarshal([]byte(r.out), &done); err != nil || r.code != 0 || done.After >= done.Before {
			t.Errorf("%s: %+v %v", path, r, err)
		}
		manifest, clean := manifest, clean
		if path != image && path != raw {
			manifest, clean = partedManifest, partedClean
		}
		if got := gk(t, "manifest", path).out; got != manifest {
			t.Errorf("%s has other files", path)
		}
		if r := gk(t, "compare", "--skip-free", path, clean); r.code != 0 {
			t.Errorf("%s: %+v", path, r)
		}
		if r := gk(t, "check", path); path != raw && r.code != 0 {
			t.Errorf("%s: %+v", path, r)
		}
	}
	fixed := filepath.Join(dir, "fixed.vhdx")
	if r := gk(t, "convert", "-o", "subformat=fixed", raw, fixed); r.code != 0 {
		t.Fatal(r.err)
	}
	if r := gk(t, "sparsify", fixed); r.code != exitUsage || !strings.Contains(r.err, "--skip-free") {
		t.Errorf("a fixed VHDX: %+v", r)
	}
	if r := gk(t, "sparsify", "--dry-run", fixed); r.code != 0 {
		t.Errorf("a fixed VHDX: %+v", r)
	}
}

// TestSparsifyChild refuses an image that another one in its folder lies upon.
func TestSparsifyChild(t *testing.T) {
	dir := t.TempDir()
	base, top := filepath.Join(dir, "base.vmdk"), filepath.Join(dir, "top.vmdk")
	if r := gk(t, "create", base, "1M"); r.code != 0 {
		t.Fatal(r.err)
	}
	if r := gk(t, "create", "-b", "base.vmdk", "-F", "vmdk", top); r.code != 0 {
		t.Fatal(r.err)
	}
	before, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	if r := gk(t, "sparsify", base); r.code == 0 || !strings.Contains(r.err, "top.vmdk lies upon it") {
		t.Errorf("%+v", r)
	}
	if r := gk(t, "sparsify", top); r.code != exitUsage || !strings.Contains(r.err, "lies upon another one") {
		t.Errorf("%+v", r)
	}
	if after, err := os.ReadFile(base); err != nil || !bytes.Equal(before, after) {
		t.Error("the image has changed")
	}
}
