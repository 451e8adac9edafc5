package format_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestBareArchives reads what tar and gzip pack as Google Compute Engine and
// Vagrant's providers have it.
func TestBareArchives(t *testing.T) {
	dir := t.TempDir()
	data := make([]byte, 1<<20)
	copy(data[64<<10:], bytes.Repeat([]byte("guestkit"), 8<<10))
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("disk.raw", data)
	write("metadata.json", []byte("{}"))
	write("Vagrantfile", []byte("# none\n"))
	write("box.ovf", []byte(envelope(`<File ovf:id="f" ovf:href="box.vmdk"/>`, `<Disk ovf:diskId="a" ovf:fileRef="f" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>`)))
	for _, x := range [][]string{{"qcow2", "box.img"}, {"vmdk", "box.vmdk", "-o", "subformat=streamOptimized"}} {
		peers.Run(t, "qemu-img", append([]string{"convert", "-f", "raw", "-O", x[0], filepath.Join(dir, "disk.raw"), filepath.Join(dir, x[1])}, x[2:]...)...)
	}
	for _, x := range []struct {
		name, format, inner string
		args                []string
	}{
		{"gcp.tar.gz", "tar", "raw", []string{"--format=gnu", "-czf", "disk.raw"}},
		{"gcp.tar", "tar", "raw", []string{"-cf", "./disk.raw"}},
		{"libvirt.box", "tar", "qcow2", []string{"-czf", "./metadata.json", "./Vagrantfile", "./box.img"}},
		{"virtualbox.box", "ova", "vmdk", []string{"-czf", "./Vagrantfile", "./box.ovf", "./box.vmdk", "./metadata.json"}},
	} {
		path := filepath.Join(dir, x.name)
		args := []string{"-C", dir}
		for _, a := range x.args {
			args = append(args, a)
			if a == "-cf" || a == "-czf" {
				args = append(args, path)
			}
		}
		peers.Run(t, "tar", args...)
		o := &format.Options{Unwrap: true}
		im, err := format.OpenFile(path, o)
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		testimg.TestDevice(t, im, bytes.NewReader(data), 64<<10)
		if i := im.Info(); i.Format != x.inner {
			t.Errorf("%s: %+v", x.name, i)
		}
		im.Close()
		info, _, err := format.DescribeFile(path, o)
		if err != nil || info.Format != x.format || len(info.Disks) != 1 || info.VirtualSize != 1<<20 {
			t.Errorf("%s: %+v, %v", x.name, info, err)
		}
	}
}
