package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestForeignLinesRun runs what docs/coming-from.md says instead of each line of
// qemu-img, on the images that it names.
func TestForeignLinesRun(t *testing.T) {
	made := t.TempDir()
	t.Chdir(made)
	disk := make([]byte, 8<<20)
	copy(disk, "a disk")
	for _, name := range []string{"disk.raw", "disk.img", "a.raw", "b.raw", "base.raw", "target"} {
		if err := os.WriteFile(name, disk, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{
		"convert -f raw disk.raw base.qcow2", "convert -f raw disk.raw disk.vmdk", "convert -f raw disk.raw disk.vdi",
		"convert -f raw disk.raw disk.qcow2", "snapshot -c snap1 disk.qcow2", "create -b base.qcow2 -F qcow2 top.qcow2",
		"convert -f raw disk.raw a.qcow2", "bitmap --add a.qcow2 b0", "convert -f raw disk.raw b.qcow2",
		"convert -f raw disk.raw running.qcow2", "convert -f raw disk.raw bad.qcow2",
	} {
		must(t, strings.Fields(line)...)
	}
	inputs, err := os.ReadDir(made)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range foreignLines() {
		if !strings.HasPrefix(l.theirs, "qemu-img ") {
			continue
		}
		n++
		t.Run(l.theirs, func(t *testing.T) {
			words := strings.Fields(strings.NewReplacer("/dev/vg/disk", "target", "''", "").Replace(l.ours))[1:]
			dir := t.TempDir()
			for _, f := range inputs {
				b, err := os.ReadFile(made + "/" + f.Name())
				if err == nil {
					err = os.WriteFile(dir+"/"+f.Name(), b, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			t.Chdir(dir)
			last := words[len(words)-1]
			switch {
			case slices.Contains(words, "resize") && strings.Contains(l.ours, "--shrink"): // from 10G
				must(t, "resize", "disk.qcow2", "10G")
			case slices.Contains(words, "snapshot") && slices.Contains(words, "-c"):
				must(t, "snapshot", "-d", "snap1", "disk.qcow2")
			case words[0] == "convert" && !slices.Contains(words, "-n"):
				os.Remove(last)
			case words[0] == "create":
				for _, w := range words[1:] {
					if !slices.Contains([]string{"base.qcow2", "base.raw"}, w) {
						os.Remove(w)
					}
				}
			case words[0] == "dd":
				for _, w := range words {
					if of, ok := strings.CutPrefix(w, "of="); ok {
						os.Remove(of)
					}
				}
			}
			if r := gk(t, words...); r.code != 0 {
				t.Errorf("guestkit %s: code %d, %s%s", strings.Join(words, " "), r.code, r.out, r.err)
			}
		})
	}
	if n < 46 {
		t.Errorf("%d lines of qemu-img, want 46", n)
	}
}
