package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/convert"
)

// TestScripts passes what scripts pass to qemu-img.
func TestScripts(t *testing.T) {
	dir := t.TempDir()
	disks(t, dir)
	say(t, dir, []said{
		{"create -f qcow2 -o help", exitDone, "cluster_size=size"},
		{"create -f QCOW2 -o ? x.qcow2", exitDone, "refcount_bits=number"},
		{"convert -O vmdk -o help", exitDone, "subformat=monolithicSparse|"},
		{"convert -O nosuch -o help", exitUsage, "supported: raw"},
		{"measure -O vdi -o help", exitDone, "static=on|off"},
		{"convert -t none -T writeback -C -W -f RAW -O QCOW2 a.raw a.qcow2", exitDone, "qcow2"},
		{"convert -t sometimes a.raw no.qcow2", exitUsage, "directsync"},
		{"create -f raw e.raw 3M", exitDone, "raw"},
		{"convert -n --target-is-zero -O qcow2 e.raw a.qcow2", exitUsage, "same size"},
		{"convert -n --target-is-zero -O qcow2 a.raw a.qcow2", exitDone, "qcow2"},
		{"compare -T none -f raw -F QCOW2 a.raw a.qcow2", exitDone, "same"},
		{"info --output=json a.qcow2", exitDone, `"virtual-size"`},
		{"info --output=human a.qcow2", exitDone, "virtual size"},
		{"info --output=xml a.qcow2", exitUsage, "json or human"},
		{"map --output=json --start-offset 4096 --max-length 1024 a.qcow2", exitDone, `"start": 4096`},
		{"check -T none --output=json a.qcow2", exitDone, `"check-errors"`},
		{"measure --output=json -T none -O qcow2 a.raw", exitDone, `"fully-allocated"`},
		{"create -O qcow2 c.qcow2 1M", exitDone, "1 MiB"},
		{"create -u -f qcow2 -F raw -b a.raw d.qcow2", exitDone, "qcow2"},
		{"convert --json a.raw -", exitDone, `"output":"-"`},
	})
	nothingElse(t, dir)
}

// TestTargetName: a platform and a name that says another format contradict each
// other.
func TestTargetName(t *testing.T) {
	dir := t.TempDir()
	disks(t, dir)
	say(t, dir, []said{
		{"convert --target azure a.raw no.qcow2", exitUsage, "Azure takes vhd"},
		{"convert --target gcp a.raw no.vhd", exitUsage, "tar.gz"},
		{"convert --target gcp a.raw no.raw", exitUsage, "tar.gz"},
		{"convert --target azure -O vhd a.raw a.qcow2", exitDone, "vhd"},
		{"convert --target azure a.raw a.image", exitDone, "vhd"},
	})
	nothingElse(t, dir)
}

// TestForceLinks: --force replaces files, never what a link to a device stands
// for, and a link to a file stays a link.
func TestForceLinks(t *testing.T) {
	dir := t.TempDir()
	disks(t, dir)
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
	}
	link("/dev/null", "null.raw")
	link("nowhere", "dangling.raw")
	link("real.raw", "file.raw")
	if err := os.WriteFile(filepath.Join(dir, "real.raw"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	say(t, dir, []said{
		{"convert --force a.raw null.raw", exitFailed, "character device"},
		{"convert --force a.raw dangling.raw", exitFailed, "leads nowhere"},
		{"convert a.raw file.raw", exitFailed, "--force replaces it"},
		{"convert --force a.raw file.raw", exitDone, "raw"},
		{"compare a.raw real.raw", exitDone, "same"},
	})
	for name, to := range map[string]string{"null.raw": "/dev/null", "file.raw": "real.raw"} {
		if got, err := os.Readlink(filepath.Join(dir, name)); err != nil || got != to {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	r := gk(t, "convert", "-O", "raw", "--force", filepath.Join(dir, "a.raw"), "/dev/null")
	if r.code != exitFailed || strings.Contains(r.err, "reference refused") {
		t.Errorf("%+v", r)
	}
}

// TestOptionHelp: every option is in the list of its format.
func TestOptionHelp(t *testing.T) {
	r := gk(t, "convert", "-o", "help")
	for _, f := range convert.Formats() {
		for _, o := range convert.FormatOptions(f) {
			if !strings.Contains(r.out, "  "+o.Name+"=") || !strings.Contains(r.out, o.Help) {
				t.Errorf("-o help lacks %s of %s", o.Name, f)
			}
		}
	}
	var out, errs bytes.Buffer
	if code := run([]string{"__complete", "convert", "-O", "qcow2", "a.raw", "-o", "compat=1.1,pre"}, streams{strings.NewReader(""), &out, &errs}, nil); code != 0 || !strings.Contains(out.String(), "compat=1.1,preallocation=full") {
		t.Errorf("completion: %d, %s", code, out.String())
	}
}
