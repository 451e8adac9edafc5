package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestRebaseCommit rebases and commits as qemu-img does, which judges the disks.
func TestRebaseCommit(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	for _, opts := range []string{"compat=1.1", "compat=0.10,cluster_size=4k", "extended_l2=on,cluster_size=16k"} {
		for _, baseFormat := range []string{"qcow2", "raw"} {
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			write := func(format, image string, commands ...string) {
				args := []string{"-f", format}
				for _, c := range commands {
					args = append(args, "-c", c)
				}
				peers.Run(t, "qemu-io", append(args, at(image))...)
			}
			for _, name := range []string{"a", "b"} {
				peers.Run(t, "qemu-img", "create", "-q", "-f", baseFormat, at(name), "3M")
			}
			write(baseFormat, "a", "write -P 1 0 2M", "write -P 2 2600k 100k")
			write(baseFormat, "b", "write -P 1 0 1M", "write -P 3 1500k 100k")
			peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", opts, "-F", baseFormat, "-b", "a", at("mid"), "4M")
			write("qcow2", "mid", "write -P 4 512k 200k", "write -z 1900k 64k", "write -P 5 3500k 5k")
			peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", opts, "-F", "qcow2", "-b", "mid", at("top"))
			write("qcow2", "top", "write -P 6 1M 8k", "write -P 7 3900k 8k")
			peers.Run(t, "qemu-img", "convert", "-O", "raw", at("top"), at("want"))
			same := func(what, name string) {
				t.Helper()
				peers.Run(t, "qemu-img", "check", "-q", "-f", "qcow2", at(name))
				out, err := peers.Command(t, "qemu-img", "compare", "-F", "raw", "-f", "qcow2", at(name), at("want")).CombinedOutput()
				if err != nil {
					t.Fatalf("%s, %s, %s: %s", opts, baseFormat, what, out)
				}
			}
			run := func(code int, args ...string) {
				t.Helper()
				if r := gk(t, args...); (r.code != 0) != (code != 0) {
					t.Fatalf("%s, %s, %q: code %d, %s", opts, baseFormat, args, r.code, r.err)
				}
			}
			run(1, "rebase", "-u", "-b", "b", "-F", baseFormat, at("top"))
			run(1, "rebase", "-b", "top", "-F", "qcow2", at("top"))
			run(1, "rebase", "-b", "top", "-F", "qcow2", at("mid"))
			run(1, "rebase", "-b", "nothing", "-F", "raw", at("mid"))
			run(0, "rebase", "-b", "b", "-F", baseFormat, at("top"))
			same("rebase", "top")
			run(0, "rebase", "-b", "mid", "-F", "qcow2", at("top"))
			same("rebase back", "top")
			if err := os.Rename(at("mid"), at("moved")); err != nil {
				t.Fatal(err)
			}
			run(0, "rebase", "-u", "-b", "moved", "-F", "qcow2", at("top"))
			same("rebase -u", "top")
			run(0, "commit", "-d", at("top"))
			same("commit -d", "moved")
			run(0, "commit", at("top"))
			same("commit", "moved")
			same("commit", "top")
			if fi, err := os.Stat(at("top")); err != nil || fi.Size() > 1<<20 {
				t.Errorf("%s: the empty overlay has %d bytes", opts, fi.Size())
			}
			write("qcow2", "top", "write -P 9 100k 10k")
			peers.Run(t, "qemu-img", "convert", "-O", "raw", at("top"), at("want"))
			run(0, "commit", "-b", at("a"), at("top"))
			same("commit -b", "top")
			if out, err := peers.Command(t, "qemu-img", "compare", "-f", baseFormat, "-F", "raw", at("a"), at("want")).CombinedOutput(); err != nil {
				t.Fatalf("%s, %s: %s", opts, baseFormat, out)
			}
			run(0, "rebase", "-b", "", at("top"))
			same("flatten", "top")
			if !strings.Contains(opts, "extended") {
				for _, o := range []string{"compat=0.10", "compat=1.1,lazy_refcounts=on", "refcount_bits=64,lazy_refcounts=off", "refcount_bits=16,compat=v2"} {
					run(0, "amend", "-o", o, at("top"))
					same("amend "+o, "top")
				}
			}
			run(1, "amend", "-o", "cluster_size=4k", at("top"))
		}
	}
}

// TestCommitSnapshots: a backing file is not changed under the snapshots of what lies
// upon it, be it the overlay or an image between.
func TestCommitSnapshots(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	t.Chdir(t.TempDir())
	peers.Run(t, "qemu-img", "create", "-q", "-f", "raw", "base", "1M")
	below, format := "base", "raw"
	for _, name := range []string{"mid", "top"} {
		peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", format, name)
		peers.Run(t, "qemu-img", "snapshot", "-c", "kept", name)
		peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 7 64k 64k", name)
		below, format = name, "qcow2"
	}
	snapshot := func() string { return must(t, "convert", "-l", "kept", "top", "-").out }
	want := snapshot()
	for _, args := range []string{"top", "-d top", "-b base top", "mid"} {
		if r := gk(t, append([]string{"commit"}, strings.Fields(args)...)...); r.code != exitFailed || !strings.Contains(r.err, "snapshots") || snapshot() != want {
			t.Errorf("commit %s: %+v", args, r)
		}
	}
	must(t, "snapshot", "-d", "kept", "top")
	must(t, "commit", "top") // those of what it is written into stay
	if got := must(t, "convert", "-l", "kept", "mid", "-").out; strings.Trim(got, "\x00") != "" {
		t.Error("the snapshot of the backing file has changed")
	}
	must(t, "commit", "--force", "mid")
	peers.Run(t, "qemu-io", "-r", "-f", "raw", "-c", "read -P 7 64k 64k", "base")
}
