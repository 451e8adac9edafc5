package vhd_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhd"
)

// libvhdi prints the disk of an image, with the parents that it names.
const libvhdi = `
import os, sys, pyvhdi
opened = []
def chain(path):
    f = pyvhdi.file()
    f.open(path)
    opened.append(f) # else it is closed
    if f.get_parent_identifier():
        name = f.get_parent_filename().replace("\\", "/").split("/")[-1]
        p = chain(os.path.join(os.path.dirname(path), name))
        assert p.get_identifier() == f.get_parent_identifier(), "another parent"
        f.set_parent(p)
    return f
f = chain(sys.argv[1])
n = f.get_media_size()
while n:
    b = f.read(min(n, 4096)) # reads over the end of a block can be wrong (20210425, 20260901)
    assert b, "end of the disk"
    n -= len(b)
    sys.stdout.buffer.write(b)
`

// TestOverlaidPeer has libvhdi read the chains, and qemu-img images without a
// parent.
func TestOverlaidPeer(t *testing.T) {
	peers.Need(t, "/usr/bin/python3", "qemu-img")
	if peers.Command(t, "/usr/bin/python3", "-c", "import pyvhdi").Run() != nil {
		peers.Need(t, "python3-libvhdi")
	}
	o := overlaid(t, vhd.Layout{})
	o.Runs = 0
	dir := t.TempDir()
	o.Judge = func(t *testing.T, what string, b []byte, files testimg.Files) []byte {
		img := files.Write(t, dir, "image", b)
		var said bytes.Buffer
		c := peers.Command(t, "/usr/bin/python3", "-c", libvhdi, img)
		c.Stderr = &said
		disk, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v %s", what, err, said.Bytes())
		}
		if files == nil {
			raw := filepath.Join(dir, "raw")
			peers.Run(t, "qemu-img", "convert", "-f", "vpc", "-O", "raw", img, raw)
			if b, err := os.ReadFile(raw); err != nil || string(b) != string(disk) {
				t.Errorf("%s: qemu-img and libvhdi read different disks, %v", what, err)
			}
		}
		return disk
	}
	testimg.TestOverlaid(t, o)
}
