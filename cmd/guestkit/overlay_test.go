package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestOverlayFormats rebases, commits and flattens chains of the formats whose images lie
// upon images of their own format.
func TestOverlayFormats(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	for _, kind := range [][]string{{"vhd"}, {"vmdk"}, {"vmdk", "-o", "subformat=twoGbMaxExtentSparse,split_size=1M"}} { // of the others chains are not written
		name, options := kind[0], kind[1:]
		t.Run(strings.Join(kind, " "), func(t *testing.T) {
			dir := t.TempDir()
			at := func(n string) string { return filepath.Join(dir, n) }
			fill := func(n string, disk []byte) {
				t.Helper()
				if err := os.WriteFile(at("in"), disk, 0o600); err != nil {
					t.Fatal(err)
				}
				os.Remove(at(n))
				must(t, append(append([]string{"convert", "-f", "raw", "-O", name}, options...), at("in"), at(n))...)
			}
			// upon makes an image upon another one that holds one piece itself.
			upon := func(below, n, piece string) {
				t.Helper()
				peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", below+"."+name, "-F", map[string]string{"vhd": "vpc", "vmdk": "vmdk"}[name], at("t"))
				peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write "+piece, at("t"))
				must(t, append(append([]string{"convert", "-O", name, "-B", below + "." + name}, options...), at("t"), at(n+"."+name))...)
				os.Remove(at("t"))
			}
			same := func(what, n string, want []byte) {
				t.Helper()
				must(t, "convert", "-O", "raw", at(n), at("out"))
				got, err := os.ReadFile(at("out"))
				if err != nil {
					t.Fatal(err)
				}
				for i := range max(len(got), len(want)) {
					if i >= min(len(got), len(want)) || got[i] != want[i] {
						t.Fatalf("%s: another disk at %#x", what, i)
					}
				}
				os.Remove(at("out"))
				must(t, "check", at(n))
				if r := gk(t, "chain", at(n)); r.code != 0 && what != "commit -b" { // then an image between is newer
					t.Fatalf("%s: %s %s", what, r.out, r.err)
				}
			}
			disk := func(marks ...int) []byte {
				b := make([]byte, 5<<20)
				for i, off := range marks {
					copy(b[off:], bytes.Repeat([]byte{byte(i + 1)}, 70<<10))
				}
				return b
			}
			fill("a."+name, disk(0, 1<<20, 3<<20))
			fill("b."+name, disk(0, 2<<20))
			want := disk(0, 1<<20, 3<<20, 4<<20)
			upon("a", "mid", "-P 4 4M 70k")
			copy(want[64<<10:], bytes.Repeat([]byte{9}, 64<<10))
			upon("mid", "top", "-P 9 64k 64k") // a whole cluster: qemu reads no chain of VHDs
			same("made", "top."+name, want)
			exits(t, 1, "rebase", "-u", "-b", "b."+name, at("top."+name))
			exits(t, 1, "rebase", "-b", "top."+name, at("top."+name))
			exits(t, 1, "rebase", "-b", "top."+name, at("mid."+name))
			exits(t, 1, "rebase", "-b", "nothing."+name, at("mid."+name))
			fill("small."+name, make([]byte, 1<<20))
			exits(t, 1, "rebase", "-b", "small."+name, at("top."+name))
			must(t, "rebase", "-b", "b."+name, at("top."+name))
			same("rebase", "top."+name, want)
			must(t, "rebase", "-b", "mid."+name, at("top."+name))
			same("rebase back", "top."+name, want)
			if err := os.Rename(at("mid."+name), at("moved."+name)); err != nil {
				t.Fatal(err)
			}
			must(t, "rebase", "-u", "-b", "moved."+name, at("top."+name))
			same("rebase -u", "top."+name, want)
			must(t, "commit", "-b", at("a."+name), at("top."+name))
			same("commit -b", "a."+name, want)
			same("commit -b", "top."+name, want)
			must(t, "rebase", "-b", "b."+name, at("top."+name))
			must(t, "commit", at("top."+name))
			same("commit", "b."+name, want)
			same("commit", "top."+name, want)
			must(t, "flatten", at("top."+name))
			same("flatten", "top."+name, want)
			if out := must(t, "info", at("top."+name)).out; strings.Contains(out, "b."+name) {
				t.Errorf("it has a parent: %s", out)
			}
			if r := exits(t, 2, "commit", at("top."+name)); !strings.Contains(r.err, "has no backing file") {
				t.Errorf("%s", r.err)
			}
		})
	}
}

// TestOverlayVDI does so with VDIs, which name their parents by UUID.
func TestOverlayVDI(t *testing.T) {
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	disk := func(marks ...int) []byte {
		b := make([]byte, 5<<20)
		for i, off := range marks {
			copy(b[off:], bytes.Repeat([]byte{byte(i + 1)}, 1<<20))
		}
		return b
	}
	make1 := func(n string, b []byte, below string) {
		t.Helper()
		if err := os.WriteFile(at("in"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		must(t, "convert", "-f", "raw", at("in"), at(n))
		if below == "" {
			return
		}
		parent, err := os.ReadFile(at(below))
		if err != nil {
			t.Fatal(err)
		}
		child, err := os.ReadFile(at(n))
		if err != nil {
			t.Fatal(err)
		}
		child[0x4c] = 4
		copy(child[0x1a8:], parent[0x188:0x1a8])
		if err := os.WriteFile(at(n), child, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	same := func(what, n string, want []byte) {
		t.Helper()
		must(t, "convert", "-O", "raw", at(n), at("out"))
		got, err := os.ReadFile(at("out"))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: another disk, %v", what, err)
		}
		os.Remove(at("out"))
		must(t, "check", at(n))
		if r := gk(t, "chain", at(n)); r.code != 0 {
			t.Fatalf("%s: %s %s", what, r.out, r.err)
		}
	}
	make1("a.vdi", disk(0, 1<<20, 3<<20), "")
	make1("b.vdi", disk(0, 2<<20), "")
	make1("top.vdi", disk(4<<20), "a.vdi")
	want := disk(0, 1<<20, 3<<20)
	copy(want[4<<20:], bytes.Repeat([]byte{1}, 1<<20))
	same("made", "top.vdi", want)
	exits(t, 1, "rebase", "-u", "-b", "b.vdi", at("top.vdi"))
	exits(t, 1, "rebase", "-b", "top.vdi", at("top.vdi"))
	must(t, "rebase", "-b", "b.vdi", at("top.vdi"))
	same("rebase", "top.vdi", want)
	// A parent that the image would not find, or not this one.
	if err := os.Mkdir(at("far"), 0o700); err != nil {
		t.Fatal(err)
	}
	make1("far/c.vdi", disk(0), "")
	if r := exits(t, 1, "rebase", "-b", "far/c.vdi", at("top.vdi")); !strings.Contains(r.err, "has the UUID") {
		t.Errorf("%s", r.err)
	}
	twin, err := os.ReadFile(at("b.vdi"))
	if err == nil {
		err = os.WriteFile(at("z.vdi"), twin, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r := exits(t, 1, "rebase", "-b", "z.vdi", at("top.vdi")); !strings.Contains(r.err, "b.vdi as well") {
		t.Errorf("%s", r.err)
	}
	os.Remove(at("z.vdi"))
	must(t, "commit", at("top.vdi"))
	same("commit", "b.vdi", want)
	same("commit", "top.vdi", want)
	must(t, "flatten", at("top.vdi"))
	same("flatten", "top.vdi", want)
	if r := exits(t, 2, "commit", at("top.vdi")); !strings.Contains(r.err, "has no backing file") {
		t.Errorf("%s", r.err)
	}
}

// TestOverlayDataFile commits into images with an external data file, and rebases them.
func TestOverlayDataFile(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	t.Chdir(t.TempDir())
	for _, opts := range []string{"data_file=base.data", "data_file=base.data,data_file_raw=on"} {
		peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", opts, "base", "3M")
		peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file=top.data", "-b", "base", "-F", "qcow2", "top")
		peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "other", "3M")
		peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 1 0 1M", "base")
		peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 2 512k 100k", "-c", "write -P 3 2M 64k", "-c", "write -z 0 64k", "top")
		peers.Run(t, "qemu-img", "convert", "-O", "raw", "top", "want")
		same := func(what string, images ...string) {
			t.Helper()
			for _, image := range images {
				peers.Run(t, "qemu-img", "check", "-q", image)
				peers.Run(t, "qemu-img", "compare", "-q", "-F", "raw", image, "want")
				if r := gk(t, "compare", image, "want"); r.code != 0 {
					t.Errorf("%s, %s: %s %s", opts, what, r.out, r.err)
				}
			}
		}
		must(t, "rebase", "-b", "other", "-F", "qcow2", "top")
		same("rebase", "top")
		must(t, "rebase", "-b", "base", "-F", "qcow2", "top")
		same("rebase back", "top")
		must(t, "commit", "top")
		same("commit", "top", "base")
		if b, err := os.ReadFile("top.data"); err != nil || len(bytes.Trim(b, "\x00")) > 0 {
			t.Errorf("%s: the data file of the empty image has data, %v", opts, err)
		}
		must(t, "flatten", "top")
		same("flatten", "top")
		if strings.Contains(opts, "raw") {
			peers.Run(t, "qemu-img", "compare", "-q", "-f", "raw", "-F", "raw", "base.data", "want")
		}
	}
}
