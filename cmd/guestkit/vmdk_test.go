package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestVMDKOutput goes through the commands that write and check VMDK images.
func TestVMDKOutput(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "a.raw")
	if err := os.WriteFile(raw, []byte(strings.Repeat("guest ", 100<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, x := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"convert", raw, file("sparse.vmdk")}, exitDone, "vmdk"},
		{[]string{"convert", "-c", raw, file("stream.vmdk")}, exitDone, "vmdk"},
		{[]string{"convert", "-c=zlib,9", "-O", "vmdk", "-o", "adapter_type=buslogic,compat6=on", raw, file("nine.vmdk")}, exitDone, "vmdk"},
		{[]string{"convert", "--verify", "-o", "subformat=twoGbMaxExtentSparse,toolsversion=7,zeroed_grain=on", raw, file("split.vmdk")}, exitDone, "vmdk"},
		{[]string{"convert", "-o", "subformat=monolithicFlat", raw, file("flat.vmdk")}, exitDone, "vmdk"},
		{[]string{"convert", "-o", "subformat=monolithicFlat", raw, file("flat.vmdk")}, exitFailed, "--force"},
		{[]string{"convert", "-c", "-o", "subformat=monolithicFlat", raw, file("no.vmdk")}, exitUsage, "cannot be compressed"},
		{[]string{"convert", "-c=zstd", "-O", "vmdk", raw, file("no.vmdk")}, exitUsage, "zlib"},
		{[]string{"convert", "-o", "compat6=on,hwversion=4", raw, file("no.vmdk")}, exitUsage, "compat6 means 6"},
		{[]string{"convert", "-o", "adapter_type=pvscsi", raw, file("no.vmdk")}, exitUsage, "lsilogic"},
		{[]string{"info", file("stream.vmdk")}, exitDone, "streamOptimized"},
		{[]string{"check", file("stream.vmdk")}, exitDone, "10 of 10 grains are allocated, 10 of them compressed"},
		{[]string{"check", "--repair=all", file("stream.vmdk")}, checkUnsupported, "repaired"},
		{[]string{"check", raw}, checkUnsupported, "nothing to check"},
		{[]string{"compare", raw, file("nine.vmdk")}, exitDone, "same"},
		{[]string{"measure", "-O", "vmdk", "-c", raw}, exitDone, "required: 731136 bytes"},
		{[]string{"create", file("child.vmdk"), "-b", "split.vmdk"}, exitDone, "600 KiB"},
		{[]string{"create", file("no.vmdk"), "-b", "a.raw", "-F", "raw"}, exitUsage, "a VMDK"},
		{[]string{"create", file("no.vmdk"), "-b", "a.raw"}, exitFailed, "not this format"},
		{[]string{"compare", raw, file("child.vmdk")}, exitDone, "same"},
	} {
		r := gk(t, x.args...)
		if r.code != x.code || !strings.Contains(r.out+r.err, x.says) {
			t.Errorf("%v: code %d, %s%s", x.args, r.code, r.out, r.err)
		}
	}
	if _, err := os.Stat(file("no.vmdk")); err == nil {
		t.Error("a refused image was written")
	}
	if r := gk(t, "info", file("split.vmdk")); !strings.Contains(r.out, "extents       split-s001.vmdk\n") || strings.Contains(r.out, "chain") {
		t.Errorf("info of a disk in several files: %+v", r)
	}
	if r := gk(t, "info", "--json", file("flat.vmdk")); !strings.Contains(r.out, `"kind": "FLAT"`) {
		t.Errorf("info --json of a flat disk: %+v", r)
	}
	if err := os.Rename(file("flat-flat.vmdk"), file("elsewhere")); err != nil {
		t.Fatal(err)
	}
	if r := gk(t, "info", file("flat.vmdk")); r.code != exitDone || !strings.Contains(r.out, `truncated: "flat-flat.vmdk"`) {
		t.Errorf("info without the extent: %+v", r)
	}
	b, err := os.ReadFile(file("split-s001.vmdk"))
	if err != nil {
		t.Fatal(err)
	}
	b[3*512] ^= 0x40 // an entry of the redundant tables
	if err := os.WriteFile(file("split-s001.vmdk"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := gk(t, "check", file("split.vmdk")); r.code != checkCorrupt || !strings.Contains(r.out, "redundant grain") {
		t.Errorf("check of a damaged image: code %d, %s%s", r.code, r.out, r.err)
	}
	peers.Need(t, "qemu-img", "qemu-io")
	peers.Run(t, "qemu-io", "-f", "vmdk", "-c", "write -P 7 100k 64k", file("child.vmdk"))
	peers.Run(t, "qemu-img", "convert", "-O", "raw", file("child.vmdk"), file("child.raw"))
	if r := gk(t, "compare", file("child.raw"), file("child.vmdk")); r.code != exitDone {
		t.Errorf("qemu and guestkit read a child differently: %s%s", r.out, r.err)
	}
	if r := gk(t, "convert", "-B", "split.vmdk", file("child.vmdk"), file("second.vmdk")); r.code != exitDone || !strings.Contains(r.out, "128 KiB of data") {
		t.Errorf("a copy of a child: code %d, %s%s", r.code, r.out, r.err)
	}
	peers.Run(t, "qemu-img", "compare", file("child.raw"), file("second.vmdk"))
}
