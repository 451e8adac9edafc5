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
	for name := range overlays {
		if name == "qcow2" || name == "vhdx" { // see TestRebaseCommit; chains of VHDX are not written
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			at := func(n string) string { return filepath.Join(dir, n) }
			run := func(code int, args ...string) result {
				t.Helper()
				r := gk(t, args...)
				if r.code != code {
					t.Fatalf("%q: code %d, %s", args, r.code, r.err)
				}
				return r
			}
			fill := func(n string, disk []byte) {
				t.Helper()
				if err := os.WriteFile(at("in"), disk, 0o600); err != nil {
					t.Fatal(err)
				}
				run(0, "convert", "-f", "raw", "-O", name, at("in"), at(n))
			}
			// upon makes an image upon another one that holds one piece itself.
			upon := func(below, n, piece string) {
				t.Helper()
				peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", below+"."+name, "-F", map[string]string{"vhd": "vpc", "vmdk": "vmdk"}[name], at("t"))
				peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write "+piece, at("t"))
				run(0, "convert", "-O", name, "-B", below+"."+name, at("t"), at(n+"."+name))
				os.Remove(at("t"))
			}
			same := func(what, n string, want []byte) {
				t.Helper()
				run(0, "convert", "-O", "raw", at(n), at("out"))
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
				run(0, "check", at(n))
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
			run(1, "rebase", "-u", "-b", "b."+name, at("top."+name))
			run(1, "rebase", "-b", "top."+name, at("top."+name))
			run(1, "rebase", "-b", "top."+name, at("mid."+name))
			run(1, "rebase", "-b", "nothing."+name, at("mid."+name))
			fill("small."+name, make([]byte, 1<<20))
			run(1, "rebase", "-b", "small."+name, at("top."+name))
			run(0, "rebase", "-b", "b."+name, at("top."+name))
			same("rebase", "top."+name, want)
			run(0, "rebase", "-b", "mid."+name, at("top."+name))
			same("rebase back", "top."+name, want)
			if err := os.Rename(at("mid."+name), at("moved."+name)); err != nil {
				t.Fatal(err)
			}
			run(0, "rebase", "-u", "-b", "moved."+name, at("top."+name))
			same("rebase -u", "top."+name, want)
			run(0, "commit", "-b", at("a."+name), at("top."+name))
			same("commit -b", "a."+name, want)
			same("commit -b", "top."+name, want)
			run(0, "rebase", "-b", "b."+name, at("top."+name))
			run(0, "commit", at("top."+name))
			same("commit", "b."+name, want)
			same("commit", "top."+name, want)
			run(0, "flatten", at("top."+name))
			same("flatten", "top."+name, want)
			if out := run(0, "info", at("top."+name)).out; strings.Contains(out, "b."+name) {
				t.Errorf("it has a parent: %s", out)
			}
			if r := run(2, "commit", at("top."+name)); !strings.Contains(r.err, "has no backing file") {
				t.Errorf("%s", r.err)
			}
		})
	}
}
