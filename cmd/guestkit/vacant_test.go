package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/regftest"
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
	for name, options := range map[string]string{"disk.vhdx": "block_size=1M", "disk.vhd": "block_size=512k", "disk.vmdk": "", "disk.vdi": "", "split.vmdk": "subformat=twoGbMaxExtentSparse", "flat.vmdk": "subformat=monolithicFlat"} {
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
		if (path == raw || strings.HasSuffix(path, "flat.vmdk")) && r.code != 0 && strings.Contains(r.err, "holes") {
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
	link := filepath.Join(t.TempDir(), "link.vmdk")
	if err := os.Symlink(base, link); err != nil {
		t.Fatal(err)
	}
	if r := gk(t, "sparsify", link); r.code == 0 || !strings.Contains(r.err, "top.vmdk lies upon it") {
		t.Errorf("by a link: %+v", r)
	}
	if r := gk(t, "sparsify", top); r.code != exitUsage || !strings.Contains(r.err, "lies upon another one") {
		t.Errorf("%+v", r)
	}
	if after, err := os.ReadFile(base); err != nil || !bytes.Equal(before, after) {
		t.Error("the image has changed")
	}
}

// makeChild makes an image that lies upon another one, of a VDI or VHDX by the bytes
// that say so.
func makeChild(t *testing.T, f, base, top string) {
	t.Helper()
	if f == "vhd" || f == "vmdk" {
		if r := gk(t, "create", "-b", base, "-F", f, top); r.code != 0 {
			t.Fatal(r.err)
		}
		return
	}
	b, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	if f == "vdi" { // a difference, upon that which has this UUID
		own := bytes.Clone(b[0x188:0x198])
		b[0x4c], b[0x188] = 4, b[0x188]^1
		copy(b[0x1a8:], own)
	} else { // MS-VHDX, 2.6.2
		g := bytes.Clone(b[64<<10+0x20 : 64<<10+0x30])
		linkage := fmt.Sprintf("{%08x-%04x-%04x-%x-%x}", le.Uint32(g), le.Uint16(g[4:]), le.Uint16(g[6:]), g[8:10], g[10:])
		table := b[bytes.Index(b, []byte("metadata")):]
		n := int(le.Uint16(table[10:]))
		for i := range n {
			if e := table[32+32*i:]; le.Uint32(e) == 0xCAA16737 { // the parameters
				table[le.Uint32(e[16:])+4] |= 2 // it has a parent
			}
		}
		e := table[32+32*n:]
		copy(e, "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c")
		le.PutUint16(table[10:], uint16(n+1))
		const at = 128 << 10
		l := table[at:]
		copy(l, "\xb7\xef\x4a\xb0\x9e\xd1\x81\x4a\xb7\x89\x25\xb8\xe9\x44\x59\x13")
		end := 20
		texts := []string{"parent_linkage", linkage, "relative_path", `.\` + filepath.Base(base)}
		le.PutUint16(l[18:], uint16(len(texts)/2))
		end += 12 * len(texts) / 2
		for i, s := range texts {
			u := regftest.UTF16(s)
			pair := l[20+12*(i/2):]
			le.PutUint32(pair[4*(i%2):], uint32(end))
			le.PutUint16(pair[8+2*(i%2):], uint16(len(u)))
			end += copy(l[end:], u)
		}
		le.PutUint32(e[16:], at)
		le.PutUint32(e[20:], uint32(end))
		le.PutUint32(e[24:], 4) // it must be understood
	}
	if err := os.WriteFile(top, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if info, _, err := format.DescribeFile(top, nil); err != nil || info.Subformat != "differencing" && info.Backing == nil {
		t.Fatalf("%+v, %v", info, err)
	}
}

// TestSparsifyNames finds children by each ending that a format has.
func TestSparsifyNames(t *testing.T) {
	for _, end := range format.Endings() {
		f := format.Promised("x" + end)
		if shrinks[f] == nil || f == "qcow2" {
			continue
		}
		dir := t.TempDir()
		base := filepath.Join(dir, "base."+f)
		if r := gk(t, "create", base, "4M"); r.code != 0 {
			t.Fatal(r.err)
		}
		made := filepath.Join(dir, "top."+f)
		makeChild(t, f, base, made)
		if err := os.Rename(made, filepath.Join(dir, "child"+end)); err != nil {
			t.Fatal(err)
		}
		if r := gk(t, "sparsify", base); r.code == 0 || !strings.Contains(r.err, "child"+end+" lies upon it") {
			t.Errorf("%s: %+v", end, r)
		}
	}
}

// TestSparsifyRenamed refuses an image that its children know by its identity alone.
func TestSparsifyRenamed(t *testing.T) {
	for _, f := range []string{"vhd", "vhdx", "vmdk", "vdi"} {
		dir := t.TempDir()
		base, moved := filepath.Join(dir, "base."+f), filepath.Join(dir, "moved."+f)
		at := filepath.Join(dir, "Snapshots")
		if f != "vdi" {
			at = dir
		}
		if err := os.MkdirAll(at, 0o700); err != nil {
			t.Fatal(err)
		}
		if r := gk(t, "create", base, "4M"); r.code != 0 {
			t.Fatal(r.err)
		}
		makeChild(t, f, base, filepath.Join(at, "top."+f))
		if err := os.Rename(base, moved); err != nil {
			t.Fatal(err)
		}
		if r := gk(t, "sparsify", moved); r.code == 0 || !strings.Contains(r.err, "top."+f+" lies upon it") {
			t.Errorf("%s: %+v", f, r)
		}
	}
}

// TestSparsifySiblings refuses an image where it cannot tell whether another one lies
// upon it, and knows what does not.
func TestSparsifySiblings(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, args := range [][]string{{"create", path("base.vhdx"), "4M"}, {"create", path("other.vhdx"), "4M"},
		{"create", "-o", "subformat=twoGbMaxExtentSparse", path("split.vmdk"), "4M"}, {"create", path("single.vmdk"), "4M"}, {"create", path("lone.vhd"), "4M"}} {
		if r := gk(t, args...); r.code != 0 {
			t.Fatal(args, r.err)
		}
	}
	makeChild(t, "vhdx", path("base.vhdx"), path("zz.vhdx"))
	write := func(name, text string) {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxSiblings + 100 {
		write(fmt.Sprintf("%d.txt", i), "")
	}
	write("text.vhdx", "no image")
	if err := os.Symlink("nowhere", path("link.vhdx")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"base.vhdx": "zz.vhdx lies upon it", "other.vhdx": "", "single.vmdk": "", "lone.vhd": ""} {
		if r := gk(t, "sparsify", path(name)); (r.code != 0) != (want != "") || !strings.Contains(r.err, want) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	// The beginning of an extent of ESXi: the magic and version of its header.
	write("other-000001-sesparse.vmdk", "\xbe\xba\xfe\xca\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x20"+strings.Repeat("\x00", 1<<20))
	if _, _, err := format.DescribeFile(path("other-000001-sesparse.vmdk"), nil); err == nil || errors.Is(err, block.ErrFormat) {
		t.Errorf("an extent: %v", err)
	}
	if r := gk(t, "sparsify", path("single.vmdk")); r.code != 0 {
		t.Errorf("beside an extent of ESXi: %+v", r)
	}
	write("broken.vhdx", "vhdxfile")
	for name, want := range map[string]string{"other.vhdx": "broken.vhdx", "single.vmdk": ""} {
		if r := gk(t, "sparsify", path(name)); (r.code != 0) != (want != "") || !strings.Contains(r.err, want) || want != "" && !strings.Contains(r.err, "--skip-free") {
			t.Errorf("beside a broken one, %s: %+v", name, r)
		}
	}
	for i := range maxSiblings {
		write(fmt.Sprintf("%d.vdi", i), "")
	}
	if r := gk(t, "sparsify", path("lone.vhd")); r.code == 0 || !strings.Contains(r.err, "more than 4096 images") {
		t.Errorf("%+v", r)
	}
}
