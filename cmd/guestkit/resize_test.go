package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestResize takes sizes as qemu-img does, in every place of the line.
func TestResize(t *testing.T) {
	for _, x := range []struct {
		args []string // IMAGE stands for the name
		code int
		size int64
	}{
		{[]string{"IMAGE", "+1M"}, 0, 4 << 20},
		{[]string{"IMAGE", "5M"}, 0, 5 << 20},
		{[]string{"--shrink", "IMAGE", "-1M"}, 0, 2 << 20},
		{[]string{"IMAGE", "-1M", "--shrink"}, 0, 2 << 20},
		{[]string{"-q", "--shrink", "IMAGE", "-1.5M"}, 0, 3 << 19},
		{[]string{"--shrink", "--", "IMAGE", "-1M"}, 0, 2 << 20},
		{[]string{"-f", "raw", "IMAGE", "--shrink", "1M"}, 0, 1 << 20},
		{[]string{"IMAGE", "-1M"}, exitFailed, 3 << 20},
		{[]string{"IMAGE", "1M"}, exitFailed, 3 << 20},
		{[]string{"--shrink", "IMAGE", "-9M"}, exitUsage, 3 << 20},
		{[]string{"IMAGE", "-x"}, exitUsage, 3 << 20},
		{[]string{"IMAGE"}, exitUsage, 3 << 20},
	} {
		path := filepath.Join(t.TempDir(), "disk.raw")
		if err := os.WriteFile(path, make([]byte, 3<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"resize"}, x.args...)
		args[slices.Index(args, "IMAGE")] = path
		r := gk(t, args...)
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if r.code != x.code || fi.Size() != x.size {
			t.Errorf("%q: code %d, %d bytes, %s", x.args, r.code, fi.Size(), r.err)
		}
	}
}

// TestResizeOverlay grows an overlay as qemu-img does: a larger backing file
// does not show past the old end.
func TestResizeOverlay(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	dir := t.TempDir()
	base, ours, theirs := filepath.Join(dir, "base.qcow2"), filepath.Join(dir, "ours.qcow2"), filepath.Join(dir, "theirs.qcow2")
	peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", base, "5M")
	peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 0x42 0 5M", base)
	for _, opts := range []string{"compat=1.1", "extended_l2=on", "cluster_size=4k"} {
		for _, size := range []string{"1M", "1049088", "2129408"} {
			for _, image := range []string{ours, theirs} {
				peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "base.qcow2", "-o", opts, image, size)
				peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 0x41 512k 64k", "-c", "write -P 0x43 1047552 512", image)
			}
			if r := gk(t, "resize", ours, "+2M"); r.code != 0 {
				t.Fatal(r.err)
			}
			peers.Run(t, "qemu-img", "resize", "-q", theirs, "+2M")
			peers.Run(t, "qemu-img", "compare", ours, theirs)
			peers.Run(t, "qemu-img", "check", "-q", ours)
			if r := gk(t, "compare", ours, theirs); r.code != 0 {
				t.Errorf("%s %s: %s %s", opts, size, r.out, r.err)
			}
		}
	}
}

// TestResizeDataFile: what was past the end of a disk shows no more when it grows again,
// though the data file still has it.
func TestResizeDataFile(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	t.Chdir(t.TempDir())
	for _, opts := range []string{"cluster_size=64k", "cluster_size=4k", "extended_l2=on,cluster_size=32k"} {
		for _, image := range []string{"ours", "theirs"} {
			peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", opts+",data_file="+image+".data", image, "3M")
			peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 7 0 3M", image)
		}
		for _, size := range []string{"1M", "5M", "2M", "20G"} {
			must(t, "resize", "--shrink", "ours", size)
			peers.Run(t, "qemu-img", "resize", "-q", "--shrink", "theirs", size)
			for _, image := range []string{"ours", "theirs"} {
				peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 8 1000k 512", image)
				if size == "5M" {
					peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 9 2001k 1k", image)
				}
			}
			peers.Run(t, "qemu-img", "check", "-q", "ours")
			peers.Run(t, "qemu-img", "compare", "-s", "-f", "qcow2", "-F", "qcow2", "ours", "theirs")
			if r := gk(t, "compare", "ours", "theirs"); r.code != 0 {
				t.Errorf("%s %s: %s %s", opts, size, r.out, r.err)
			}
		}
		if r := gk(t, "resize", "--shrink", "ours", "1000k"); r.code == 0 && opts != "cluster_size=4k" {
			t.Errorf("%s: a cluster was cut in the data file: %+v", opts, r)
		}
	}
	peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file=raw.data,data_file_raw=on", "raw", "1M")
	if r := gk(t, "resize", "raw", "2M"); r.code == 0 {
		t.Errorf("the raw data file is another disk now: %+v", r)
	}
}
