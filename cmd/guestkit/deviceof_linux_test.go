package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestDeviceOf: a filesystem whose files lie on a disk that nothing calls its own is read
// as the kernel reads it, once the disk is named, and by every command.
func TestDeviceOf(t *testing.T) {
	peers.NeedRoot(t)
	peers.Need(t, "mkfs.erofs")
	dir := t.TempDir()
	src, image, blob := filepath.Join(dir, "src"), filepath.Join(dir, "e.img"), filepath.Join(dir, "blob.img")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"one": 100_000, "two": 5000} {
		if err := os.WriteFile(filepath.Join(src, name), bytes.Repeat([]byte(name), size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	peers.Run(t, "mkfs.erofs", "--chunksize=4096", "--blobdev="+blob, image, src)
	mnt := peers.Mount(t, image, "erofs", "ro", "device="+peers.Loop(t, blob))

	if r := gk(t, "cat", "--image", image, "-a", blob, "/one"); r.code == 0 || !strings.Contains(r.err, "device 1") {
		t.Errorf("without its name: %+v", r)
	}
	of := []string{"--image", image, "-a", blob, "--device-of", "disk:device=disk2"}
	for _, name := range []string{"one", "two"} {
		want, err := os.ReadFile(filepath.Join(mnt, name))
		if err != nil {
			t.Fatal(err)
		}
		if r := must(t, append([]string{"cat", "/" + name}, of...)...); r.out != string(want) || r.err != "" {
			t.Errorf("%s: %d bytes, the kernel reads %d; %s", name, len(r.out), len(want), r.err)
		}
	}
	if r := must(t, append([]string{"volumes"}, of...)...); strings.Contains(r.out+r.err, "incomplete") {
		t.Errorf("%s%s", r.out, r.err)
	}
	if r := must(t, append([]string{"volumes", "--json"}, of...)...); !strings.Contains(r.out, "it is a part of the filesystem on disk") {
		t.Errorf("%s%s", r.out, r.err)
	}
	must(t, append([]string{"df"}, of...)...)
	must(t, append([]string{"find"}, of...)...)

	// Names of Linux and of the disk count too, and completion knows them.
	for _, name := range []string{"disk1:device=/dev/sdb", "/dev/sda:device=disk2:"} {
		r := gk(t, "ls", "--image", image, "-a", blob, "--device-of", name, "/")
		if ok := !strings.HasSuffix(name, ":"); ok != (r.code == exitDone) || !ok && r.code != exitUsage {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for partial, want := range map[string]string{"": "disk2:rtdev=", "disk:dev": "disk:device=", "disk:device=": "disk:device=disk2"} {
		if r := gk(t, "__complete", "ls", "--image", image, "-a", blob, "--device-of", partial); !strings.Contains(r.out, want) {
			t.Errorf("completion of %q is %q", partial, r.out)
		}
	}
}

// TestDeviceOfRefused: what is named and is not so is an error, whatever else there is.
func TestDeviceOfRefused(t *testing.T) {
	for name, want := range map[string]string{
		"gpt1=gpt2":              "VOLUME:USE=DEVICE",
		"gpt1:disk=gpt2":         "VOLUME:USE=DEVICE",
		":rtdev=gpt2":            "VOLUME:USE=DEVICE",
		"gpt1:rtdev=":            "VOLUME:USE=DEVICE",
		"gpt9:rtdev=gpt2":        `no volume "gpt9"`,
		"gpt1:rtdev=gpt9":        `no volume "gpt9"`,
		"gpt1:rtdev=gpt1":        "of itself",
		"gpt1:rtdev=gpt2":        "does not lie on the device that rtdev names",
		"/dev/sda2:logdev=gpt1":  "does not lie on the device that logdev names",
		"/dev/sda2:device=gpt1:": "no volume",
	} {
		if r := gk(t, "volumes", uefi, "--device-of", name); r.code != exitUsage || !strings.Contains(r.err, want) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := gk(t, "volumes", uefi, "--device-of", "gpt1:rtdev=gpt2", "--device-of", "gpt1:rtdev=gpt2"); r.code != exitUsage || !strings.Contains(r.err, "two devices") {
		t.Errorf("twice: %+v", r)
	}
}
