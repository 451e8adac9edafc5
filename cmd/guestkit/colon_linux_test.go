package main

import (
	"os"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestColons: a file whose name has a colon lies behind an image where QEMU takes it for
// one, and no image is written with a name that it takes for a protocol.
func TestColons(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	t.Chdir(t.TempDir())
	const name = "vm.10:30:00"
	peers.Run(t, "qemu-img", "create", "-q", "-f", "raw", "./"+name, "1M")
	peers.Run(t, "qemu-io", "-f", "raw", "-c", "write -P 7 0 1M", "./"+name)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := must(t, "convert", "./"+name, "-").out
	for i, backing := range []string{"./" + name, dir + "/" + name, "file:" + name} {
		top := string(rune('a'+i)) + ".qcow2"
		peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", "raw", top)
		if got := must(t, "convert", top, "-").out; got != want {
			t.Errorf("%s: another disk", backing)
		}
	}
	must(t, "create", "-b", "./"+name, "-F", "raw", "top.qcow2")
	for _, args := range []string{"create -b NAME -F raw new.qcow2", "create -b NAME.vhd new.vhd", "create -b NAME.vmdk new.vmdk", "convert -o data_file=NAME.data top.qcow2 new.qcow2", "convert -B NAME -F raw top.qcow2 new.qcow2", "rebase -b NAME -F raw top.qcow2"} {
		for _, format := range []string{"vhd", "vmdk"} {
			must(t, "convert", "--force", "-O", format, "./"+name, "./"+name+"."+format)
		}
		plain := strings.Fields(strings.ReplaceAll(args, "NAME", name))
		if r := gk(t, plain...); r.code != exitUsage || !strings.Contains(r.err, "protocol") {
			t.Errorf("%q: %+v", plain, r)
		}
		r := gk(t, strings.Fields(strings.ReplaceAll(args, "NAME", "./"+name))...)
		if plain := strings.Contains(args, "qcow2"); plain != (r.code == exitDone) { // others have no ./
			t.Errorf("%s, with ./: %+v", args, r)
		}
		for _, image := range []string{"new.qcow2", "top.qcow2"} {
			if _, err := os.Stat(image); err != nil {
				continue
			}
			if got := must(t, "convert", image, "-").out; got != want {
				t.Errorf("%s: %s: another disk", args, image)
			}
			peers.Run(t, "qemu-io", "-r", "-c", "read -P 7 0 1M", image)
			if image[0] == 'n' {
				os.Remove(image)
			}
		}
	}
}
