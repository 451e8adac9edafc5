package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// qemuSame compares what guestkit prints with --compat=qemu with what qemu-img
// does, field by field. Keys that newer versions of QEMU have are left out.
func qemuSame(t *testing.T, gkArgs []string, qemuArgs []string) {
	t.Helper()
	out, err := exec.Command("qemu-img", qemuArgs...).Output()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	r := gk(t, gkArgs...)
	var got, want any
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Errorf("%q: %v\n%s%s", gkArgs, err, r.out, r.err)
		return
	}
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatalf("qemu-img %q: %v\n%s", qemuArgs, err, out)
	}
	if qemuArgs[0] == "measure" {
		// What is required is what guestkit writes, and not what qemu-img does:
		// that leaves a table for an empty disk, and it depends on what the
		// drivers tell of zeros.
		for _, v := range []any{got, want} {
			delete(v.(map[string]any), "required")
		}
	}
	if !reflect.DeepEqual(older(got), older(want)) {
		t.Errorf("guestkit %q prints\n%s\nand qemu-img\n%s", gkArgs, r.out, out)
	}
}

// older leaves out what QEMU has since version 8.
func older(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = older(v[i])
		}
	case map[string]any:
		delete(v, "children")
		if _, ok := v["depth"]; ok {
			delete(v, "compressed")
		}
		if s, ok := v["format-specific"].(map[string]any); ok && s["type"] == "file" {
			delete(v, "format-specific")
		}
		for k := range v {
			v[k] = older(v[k])
		}
	}
	return v
}

func TestCompatQemu(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	dir := t.TempDir()
	create := func(name, format, size string, options ...string) string {
		path := filepath.Join(dir, name)
		args := []string{"create", "-q", "-f", format}
		for _, o := range options {
			args = append(args, "-o", o)
		}
		peers.Run(t, "qemu-img", append(args, path, size)...)
		return path
	}
	fill := func(path, format string) string {
		peers.Run(t, "qemu-io", "-f", format, "-c", "write -P 7 1M 300k", "-c", "write -P 8 5M 64k", "-c", "write -z 3M 128k", path)
		return path
	}
	base := fill(create("base.qcow2", "qcow2", "10M"), "qcow2")
	snap := fill(create("snap.qcow2", "qcow2", "10M", "cluster_size=4k"), "qcow2")
	peers.Run(t, "qemu-img", "snapshot", "-c", "one", snap)
	peers.Run(t, "qemu-img", "bitmap", "--add", "-g", "8k", snap, "b")
	peers.Run(t, "qemu-img", "bitmap", "--add", "--disable", snap, "c")
	over := create("over.qcow2", "qcow2", "12M", "backing_file=base.qcow2,backing_fmt=qcow2")
	stream := filepath.Join(dir, "stream.vmdk")
	peers.Run(t, "qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", base, stream)
	packed := filepath.Join(dir, "packed.qcow2")
	peers.Run(t, "qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd", base, packed)
	raw := fill(create("disk.raw", "raw", "10M"), "raw")
	images := map[string]string{
		base: "qcow2", snap: "qcow2", over: "qcow2", packed: "qcow2", stream: "vmdk", raw: "raw",
		create("old.qcow2", "qcow2", "9M", "compat=0.10"):                                      "qcow2",
		create("ext.qcow2", "qcow2", "9M", "extended_l2=on,lazy_refcounts=on,refcount_bits=1"): "qcow2",
		create("data.qcow2", "qcow2", "9M", "data_file="+dir+"/data.raw,data_file_raw=on"):     "qcow2",
		fill(create("d.vmdk", "vmdk", "10M"), "vmdk"):                                          "vmdk",
		create("flat.vmdk", "vmdk", "10M", "subformat=monolithicFlat"):                         "vmdk",
		create("split.vmdk", "vmdk", "10M", "subformat=twoGbMaxExtentSparse"):                  "vmdk",
		fill(create("d.vdi", "vdi", "10M"), "vdi"):                                             "vdi",
		create("fixed.vdi", "vdi", "10M", "static=on"):                                         "vdi",
		fill(create("d.vhdx", "vhdx", "10M"), "vhdx"):                                          "vhdx",
		fill(create("d.vhd", "vpc", "10M", "force_size=on"), "vpc"):                            "vpc",
		create("fixed.vhd", "vpc", "10M", "subformat=fixed,force_size=on"):                     "vpc",
	}
	for path, format := range images {
		qemuSame(t, []string{"info", "--compat=qemu", "-U", path}, []string{"info", "--output=json", "-U", "-f", format, path})
		qemuSame(t, []string{"measure", "--compat=qemu", "-O", "raw", "--allow-dir", dir, path}, []string{"measure", "--output=json", "-O", "raw", "-f", format, path})
		qemuSame(t, []string{"measure", "--compat=qemu", "-O", "qcow2", "--allow-dir", dir, path}, []string{"measure", "--output=json", "-O", "qcow2", "-f", format, path})
		qemuSame(t, []string{"measure", "--compat=qemu", "-O", "qcow2", "-o", "compat=0.10", "--allow-dir", dir, path}, []string{"measure", "--output=json", "-O", "qcow2", "-o", "compat=0.10", "-f", format, path})
		if format == "qcow2" {
			qemuSame(t, []string{"check", "--compat=qemu", path}, []string{"check", "--output=json", "-f", format, path})
		}
	}
	for _, path := range []string{base, snap, over, packed, raw} {
		qemuSame(t, []string{"map", "--compat=qemu", path}, []string{"map", "--output=json", "-f", images[path], path})
	}
	qemuSame(t, []string{"info", "--compat=qemu", "--backing-chain", over}, []string{"info", "--output=json", "--backing-chain", over})
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if rel, err := filepath.Rel(cwd, over); err == nil {
		qemuSame(t, []string{"info", "--compat=qemu", "--backing-chain", rel}, []string{"info", "--output=json", "--backing-chain", rel})
	}
	qemuSame(t, []string{"measure", "--compat=qemu", "-O", "qcow2", "--size", "10G"}, []string{"measure", "--output=json", "-O", "qcow2", "--size", "10G"})
	if r := gk(t, "info", "--compat=vbox", base); r.code != exitUsage {
		t.Errorf("--compat=vbox: %+v", r)
	}
}
