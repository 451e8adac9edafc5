package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A said is what a command line is to do.
type said struct {
	args string // in words; file names are relative to the folder of the test
	code int
	text string // a part of what it prints
}

// say runs command lines in which words with a dot are files in dir.
func say(t *testing.T, dir string, lines []said) {
	t.Helper()
	for _, l := range lines {
		args := strings.Fields(l.args)
		for i, w := range args {
			if strings.Contains(w, ".") && (i == 0 || args[i-1] != "-b" && args[i-1] != "-B") {
				args[i] = filepath.Join(dir, w)
			}
		}
		r := gk(t, args...)
		if r.code != l.code || !strings.Contains(r.out+r.err, l.text) {
			t.Errorf("%s: code %d, not %d, or %q is missing\n%s%s", l.args, r.code, l.code, l.text, r.out, r.err)
		}
		if helped := strings.Contains(r.err, "--help"); helped && r.code != exitUsage {
			t.Errorf("%s: --help is no remedy\n%s", l.args, r.err)
		}
	}
}

// disks writes two raw disks of a MiB and a little, the second of which differs from
// the first in its middle.
func disks(t *testing.T, dir string) {
	t.Helper()
	b := make([]byte, 1<<20+512)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 << 10 {
		b[i] = byte(r.Uint32())
	}
	for name, at := range map[string]int{"a.raw": 0, "b.raw": 1 << 19} {
		b[at] ^= 0xff
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		b[at] ^= 0xff
	}
}

// nothingElse fails if a file that is not wanted, or is not finished, lies in dir.
func nothingElse(t *testing.T, dir string) {
	t.Helper()
	for _, p := range []string{"no*", ".*"} {
		if left, _ := filepath.Glob(filepath.Join(dir, p)); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// TestPackages goes through the commands that write packages and read their disks.
func TestPackages(t *testing.T) {
	dir := t.TempDir()
	disks(t, dir)
	say(t, dir, []said{
		{"convert a.raw two.ova -a b.raw --verify", exitDone, "ova"},
		{"convert a.raw no.qcow2 -a b.raw", exitUsage, "hold one disk"},
		{"info two.ova", exitDone, "two-disk2.vmdk"},
		{"check two.ova", exitDone, "nothing is wrong"},
		{"convert two.ova no.raw", exitFailed, "choose with --disk"},
		{"convert two.ova --disk 3 no.raw", exitFailed, "there is no disk"},
		{"convert a.raw --disk 1 no.qcow2", exitUsage, "a disk of an OVA"},
		{"map a.raw --disk 1", exitUsage, "a disk of an OVA"},
		{"measure a.raw -O raw --disk 1", exitUsage, "a disk of an OVA"},
		{"inspect a.raw --disk 1", exitUsage, "a disk of an OVA"},
		{"convert two.ova --disk 2 second.qcow2", exitDone, "qcow2"},
		{"compare second.qcow2 b.raw", exitDone, "same"},
		{"compare two.ova b.raw --disk vmdisk2", exitDone, "same"},
		{"compare two.ova b.raw --disk two-disk1.vmdk", compareFailed, "there is no disk"}, // a name of no file here
		{"compare two.ova b.raw --disk 1", compareDiffer, "differ"},
		{"compare a.raw b.raw --disk 1", exitUsage, "a disk of an OVA"},
		{"compare a.raw missing.raw", compareFailed, "no such file"},
		{"convert two.ova again.ova", exitDone, "ova"},
		{"compare again.ova b.raw --disk 2", exitDone, "same"},
		{"measure a.raw -a b.raw -O qcow2", exitUsage, "an OVA takes several"},
		{"measure a.raw b.raw -O ova", exitUsage, "with -a"},
		{"convert a.raw -a b.raw -O raw -o split_size=512K no.raw", exitUsage, "hold one disk"},
		{"convert a.raw -O raw -o split_size=512K cut.raw --verify", exitDone, "raw"},
		{"convert b.raw -O raw -o split_size=512K cut.raw", exitFailed, "already exists"},
		{"convert b.raw -O raw -o split_size=512K cut.raw --force", exitDone, "raw"},
		{"compare cut.raw.001 b.raw", exitDone, "same"},
		{"convert a.raw -O raw -o split_size=512K -", exitUsage, "cannot be split"},
		{"convert a.raw -o split_size=1M no.vmdk", exitUsage, "are not split"},
		{"convert a.raw -o subformat=twoGbMaxExtentFlat,split_size=1M cut.vmdk", exitDone, "vmdk"},
		{"compare cut.vmdk a.raw", exitDone, "same"},
	})
	// A measure of several disks: exact, and a bound, and of a package as well.
	fi, err := os.Stat(filepath.Join(dir, "two.ova"))
	if err != nil {
		t.Fatal(err)
	}
	a, second := filepath.Join(dir, "a.raw"), filepath.Join(dir, "b.raw")
	for _, args := range [][]string{{a, "-a", second}, {filepath.Join(dir, "two.ova")}} {
		for _, exact := range []string{"--exact", "--exact=false"} {
			r := gk(t, append([]string{"measure", "--json", "-O", "ova", "-o", "name=two", exact}, args...)...)
			var doc measureDoc
			if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
				t.Fatal(err, r)
			}
			if doc.Required < fi.Size() || doc.FullyAllocated < doc.Required || exact == "--exact" && doc.Required != fi.Size() {
				t.Errorf("%q %s: measured %+v, and it has %d bytes", args, exact, doc, fi.Size())
			}
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "two.ova"))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(filepath.Join(dir, "bad.ova"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	say(t, dir, []said{{"check bad.ova", checkCorrupt, "the manifest says"}, {"info bad.ova --verify", exitFailed, "the manifest says"}})
	nothingElse(t, dir)
}

// TestPackageFolder verifies and checks a descriptor beside its files, and the
// disks in a package that is as its manifest says.
func TestPackageFolder(t *testing.T) {
	dir := t.TempDir()
	disks(t, dir)
	say(t, dir, []said{{"convert a.raw two.ova -a b.raw", exitDone, "ova"}})
	unpack := func(edit func(name string, b []byte) []byte) {
		f, err := os.Open(filepath.Join(dir, "two.ova"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for r := tar.NewReader(f); ; {
			h, err := r.Next()
			if err != nil {
				return
			}
			b, err := io.ReadAll(r)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, h.Name), edit(h.Name, b), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	same := func(_ string, b []byte) []byte { return b }
	unpack(same)
	if err := os.WriteFile(filepath.Join(dir, "two.cert"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	say(t, dir, []said{
		{"check two.ovf", exitDone, "3 checksums"},
		{"check two.ovf", exitDone, "two.cert, whose signature is not judged"},
		{"check --json two.ovf", exitDone, `"state": "checked"`},
		{"info --verify two.ovf", exitDone, "is not judged"},
		{"info --verify a.raw", exitFailed, ""},
	})
	// The manifest tells that a file has changed, and the check of the disk
	// where, which without a manifest is all that tells.
	damage := func(name string, b []byte) []byte {
		if name == "two-disk2.vmdk" {
			copy(b[len(b)-9*512:], []byte{0xff, 0xff, 0xff, 0x7f}) // the grain table, before the directory, the footer and their markers
		}
		return b
	}
	unpack(damage)
	say(t, dir, []said{
		{"check two.ovf", checkCorrupt, "the manifest says"},
		{"info --verify two.ovf", exitFailed, "the manifest says"},
	})
	if err := os.Remove(filepath.Join(dir, "two.mf")); err != nil {
		t.Fatal(err)
	}
	r := gk(t, "check", filepath.Join(dir, "two.ovf"))
	if r.code != checkCorrupt && r.code != checkUnfinished || !strings.Contains(r.out+r.err, "vmdisk2") || strings.Contains(r.out, "disk vmdisk1: ") {
		t.Errorf("a damaged disk, and no manifest: %+v", r)
	}
	unpack(same)
	os.Remove(filepath.Join(dir, "two.mf"))
	say(t, dir, []said{
		{"check two.ovf", exitDone, "manifest: none"},
		{"info --verify two.ovf", exitFailed, "there is no manifest"},
	})
	os.Remove(filepath.Join(dir, "two-disk1.vmdk"))
	say(t, dir, []said{{"check two.ovf", checkUnfinished, "not all of it was checked"}, {"check --json two.ovf", checkUnfinished, `"unfinished"`}})
}

// TestOverlays goes through the commands that write overlays.
func TestOverlays(t *testing.T) {
	dir := t.TempDir()
	disks(t, dir)
	say(t, dir, []said{
		{"convert a.raw base.vhd", exitDone, "vhd"},
		{"create -b base.vhd child.vhd", exitDone, "1 MiB"},
		{"info child.vhd", exitDone, "differencing"},
		{"check child.vhd", exitDone, "nothing is wrong"},
		{"compare child.vhd a.raw", exitDone, "same"},
		{"create -b missing.vhd no.vhd", exitFailed, "no such file"},
		{"create -b a.raw -F raw no.vhd", exitUsage, "the parent of a VHD"},
		{"create -b a.raw no.qcow2", exitUsage, "-F"},
		{"create -b a.raw -F raw no.vdi", exitUsage, "no backing file"},
		{"create -b a.raw -F raw no.raw", exitUsage, "no backing file"},
		{"convert -B base.vhd b.raw changed.vhd", exitDone, "vhd"},
		{"compare changed.vhd b.raw", exitDone, "same"},
		{"convert a.raw base.qcow2", exitDone, "qcow2"},
		{"convert -B base.qcow2 -F qcow2 b.raw changed.qcow2", exitDone, "qcow2"},
		{"compare changed.qcow2 b.raw", exitDone, "same"},
		{"convert -B base.qcow2 changed.qcow2 again.qcow2", exitDone, "qcow2"},
		{"compare again.qcow2 b.raw", exitDone, "same"},
		{"convert -B base.qcow2 b.raw no.qcow2", exitUsage, "-F"},
		{"convert -B base.qcow2 -F qcow2 --flatten b.raw no.qcow2", exitUsage, "--flatten"},
	})
	nothingElse(t, dir)
}

// TestTargets goes through the commands that know what platforms take.
func TestTargets(t *testing.T) {
	dir := t.TempDir()
	disks(t, dir)
	for _, x := range [][3]string{ // another output than that of the platform is refused
		{"azure", "vhd", "vdi"}, {"aws", "vmdk", "qcow2"}, {"esxi", "ova", "vhd"}, {"hyperv", "vhdx", "qcow2"},
		{"virtualbox", "vdi", "qcow2"}, {"proxmox", "qcow2", "vhd"}, {"kubevirt", "qcow2", "ova"},
	} {
		name, file := x[0], x[0]+"."+x[1]
		say(t, dir, []said{
			{"convert --target " + name + " a.raw " + file, exitDone, x[1]},
			{"check --target " + name + " " + file, exitDone, "keeps every rule"},
			{"compare a.raw " + file, exitDone, "same"},
			{"convert --target " + name + " -O " + x[2] + " a.raw no.image", exitFailed, "takes no " + x[2]},
			{"convert a.raw wrong." + x[2] + " --force", exitDone, x[2]},
			{"check --target " + name + " wrong." + x[2], checkCorrupt, "convert --target " + name},
			{"check --json --target " + name + " wrong." + x[2], checkCorrupt, `"rule"`},
		})
	}
	say(t, dir, []said{
		{"check --target mars a.raw", exitUsage, "unknown target"},
		{"check --target azure missing.vhd", checkUnfinished, "no such file"},
		{"check --target azure --untrusted azure.vhd", exitUsage, "exclude each other"},
		{"check --target azure --repair all azure.vhd", exitUsage, "exclude each other"},
		{"check --untrusted --repair all proxmox.qcow2", exitUsage, "exclude each other"},
		{"convert --target azure -o subformat=dynamic a.raw no.vhd", exitUsage, "the subformat fixed"},
		{"convert --target azure - no.vhd", exitUsage, "a pipe"},
		{"convert - no.ova", exitUsage, "a pipe"},
	})
	nothingElse(t, dir)
}

// TestConvertDocument holds the sizes in the document of convert to the files.
func TestConvertDocument(t *testing.T) {
	dir := t.TempDir()
	disks(t, dir)
	for name, args := range map[string][]string{
		"a.qcow2": nil, "b.qcow2": {"-o", "data_file=data.raw"}, "c.ova": nil, "d.tar.gz": nil,
		"e.vmdk": {"-o", "subformat=twoGbMaxExtentSparse"}, "f.vmdk": {"-o", "subformat=monolithicFlat"},
	} {
		out := filepath.Join(dir, name)
		r := gk(t, append([]string{"convert", "--json", filepath.Join(dir, "a.raw"), out}, args...)...)
		var doc convertDoc
		if err := json.Unmarshal([]byte(r.out), &doc); err != nil || r.code != 0 {
			t.Fatal(err, r)
		}
		want := int64(0)
		for _, p := range []string{out, filepath.Join(dir, "e-s001.vmdk"), filepath.Join(dir, "f-flat.vmdk"), filepath.Join(dir, "data.raw")} {
			belongs := p == out || strings.Contains(p, "-") && filepath.Base(p)[0] == name[0] || name == "b.qcow2" && strings.HasSuffix(p, "data.raw")
			if fi, err := os.Stat(p); err == nil && belongs {
				want += fi.Size()
			}
		}
		if doc.OutputSize != want || want < 300<<10 {
			t.Errorf("%s: output_size is %d, its files have %d", name, doc.OutputSize, want)
		}
		// A measure that is not exact is never too small.
		m := gk(t, append([]string{"measure", "--json", "-O", doc.OutputFormat, filepath.Join(dir, "a.raw")}, args...)...)
		var measured measureDoc
		if err := json.Unmarshal([]byte(m.out), &measured); err != nil {
			t.Fatal(err, m)
		}
		if measured.Required < doc.OutputSize || measured.FullyAllocated < measured.Required {
			t.Errorf("%s: measured %d, fully allocated %d; it has %d", name, measured.Required, measured.FullyAllocated, doc.OutputSize)
		}
	}
}

// TestParts copies parts of a disk, and refuses those that pass its end.
func TestParts(t *testing.T) {
	dir := t.TempDir()
	disks(t, dir)
	say(t, dir, []said{
		{"convert --offset 512 --length 1M a.raw part.raw", exitDone, "raw"},
		{"convert --offset 2M a.raw no.raw", exitFailed, "ends at 1049088"},
		{"convert --length 2M a.raw no.raw", exitFailed, "ends at 1049088"},
		{"convert --workers -1 a.raw no.raw", exitUsage, "--workers"},
		{"convert a.raw missing/no.raw", exitFailed, "missing/no.raw: no such file"},
		{"convert a.raw part.raw", exitFailed, "part.raw: file already exists (--force"},
		{"convert a.raw a.raw --force", exitFailed, "the same file as the source"},
	})
	disk, err := os.ReadFile(filepath.Join(dir, "a.raw"))
	if err != nil {
		t.Fatal(err)
	}
	if part, err := os.ReadFile(filepath.Join(dir, "part.raw")); err != nil || !bytes.Equal(part, disk[512:]) {
		t.Error("a part differs", err)
	}
	nothingElse(t, dir)
}

// TestOddSize says that a disk which does not end with a sector gets one that is
// whole: QEMU would not see the rest.
func TestOddSize(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "odd.raw"), bytes.Repeat([]byte("odd"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	say(t, dir, []said{
		{"convert --verify odd.raw odd.qcow2", exitDone, "qcow2"},
		{"info odd.qcow2", exitDone, "(3072 bytes)"},
		{"compare odd.raw odd.qcow2", exitDone, "same"},
		{"resize odd.qcow2 3500", exitDone, "qcow2"},
		{"info odd.qcow2", exitDone, "(3584 bytes)"},
	})
}
