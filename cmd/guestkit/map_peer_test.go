package main

import (
	"os"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestMapPeer prints the same text as qemu-img of images of all formats that say more
// than one thing of their disk.
func TestMapPeer(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	t.Chdir(t.TempDir())
	for _, x := range []struct{ format, opts, below string }{
		{"qcow2", "cluster_size=4k", ""},
		{"qcow2", "compat=0.10", ""},
		{"qcow2", "extended_l2=on,cluster_size=64k", ""},
		{"qcow2", "data_file=disk.data", ""},
		{"qcow2", "data_file=disk.data,data_file_raw=on", ""},
		{"qcow2", "preallocation=metadata", ""},
		{"qcow2", "extended_l2=on,cluster_size=64k", "cluster_size=4k"},
		{"qcow2", "cluster_size=4k", "extended_l2=on,cluster_size=64k"},
		{"vmdk", "subformat=monolithicSparse,zeroed_grain=on", ""},
		{"vmdk", "subformat=monolithicFlat", ""},
		{"vmdk", "subformat=twoGbMaxExtentSparse", ""},
		{"vdi", "static=off", ""},
		{"vdi", "static=on", ""},
		{"vpc", "subformat=dynamic,force_size=on", ""},
		{"vpc", "subformat=fixed,force_size=on", ""},
		{"raw", "preallocation=off", ""},
	} {
		what := x.format + " " + x.opts
		args := []string{"create", "-q", "-f", x.format, "-o", x.opts, "disk", "3M"}
		if x.below != "" {
			what += " upon " + x.below
			peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", x.below, "base", "2M")
			peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 4 0 1M", "-c", "write -z 1M 100k", "-c", "write -P 5 1500k 64k", "base")
			args = append(args[:6:6], "-b", "base", "-F", "qcow2", "disk", "3M")
		}
		peers.Run(t, "qemu-img", args...)
		// Sectors without zeros, of which no host's file makes a hole; then clusters that
		// are zeros, and keep their room.
		write := []string{"-f", x.format, "-c", "write -P 1 0 256k", "-c", "write -P 2 512k 1088k"}
		if x.format == "qcow2" {
			write = append(write, "-c", "write -z 64k 64k", "-c", "write -z 600k 4k", "-c", "write -P 3 2M 2k")
		}
		peers.Run(t, "qemu-io", append(write, "disk")...)
		for _, name := range []string{"disk", "disk.data"} {
			if _, err := os.Stat(name); err == nil && !strings.Contains(x.opts, "prealloc") {
				peers.Run(t, "cp", "--sparse=never", name, "dense")
				peers.Run(t, "mv", "dense", name)
			}
		}
		want := string(peers.Run(t, "qemu-img", "map", "--output=json", "-f", x.format, "disk"))
		got := must(t, "map", "--output=json", "-f", x.format, "disk").out
		if !strings.Contains(want, `"compressed"`) { // before QEMU 8.2
			got = strings.ReplaceAll(got, `, "compressed": false`, "")
		}
		if got != want {
			t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
		}
	}
}
