package vmdk_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vmdk"
)

// hostDir is an Opener over the files of one folder.
func hostDir(t *testing.T, dir string) func(block.Ref) (block.Device, error) {
	return func(r block.Ref) (block.Device, error) {
		file := testimg.File(t, filepath.Join(dir, filepath.Base(r.Name)))
		if r.Format == "vmdk" {
			return vmdk.Open(file, &vmdk.Options{Opener: hostDir(t, dir)})
		}
		return block.Plain(file), nil
	}
}

// samePeer compares the image at path with what qemu-img reads of it.
func samePeer(t *testing.T, path string) *vmdk.Image {
	t.Helper()
	raw := path + ".raw"
	peers.Run(t, "qemu-img", "convert", "-f", "vmdk", "-O", "raw", path, raw)
	im, err := vmdk.Open(testimg.File(t, path), &vmdk.Options{Opener: hostDir(t, filepath.Dir(path))})
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, im, testimg.File(t, raw), 64<<10)
	return im
}

var writes = []string{"-c", "write -P 0x41 0 64k", "-c", "write -P 0x42 5M 3M", "-c", "write -P 7 20000768 100k", "-c", "write -z 6M 1M", "-c", "write -P 9 36M 512k"}

func TestPeer(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	for _, sub := range []string{"monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"} {
		t.Run(sub, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.vmdk")
			size, opts := "36.5M", "subformat="+sub
			if sub == "twoGbMaxExtentSparse" {
				size = "4500M" // three extents
			}
			if sub == "twoGbMaxExtentSparse" || sub == "monolithicSparse" {
				opts += ",zeroed_grain=on"
			}
			peers.Run(t, "qemu-img", "create", "-q", "-f", "vmdk", "-o", opts, path, size)
			peers.Run(t, "qemu-io", append(append([]string{"-f", "vmdk"}, writes...), path)...)
			if i := samePeer(t, path).Info(); i.Subformat != sub {
				t.Errorf("Info = %+v", i)
			}
		})
	}
	t.Run("streamOptimized", func(t *testing.T) {
		dir := t.TempDir()
		raw, path := filepath.Join(dir, "src.raw"), filepath.Join(dir, "a.vmdk")
		peers.Run(t, "qemu-img", "create", "-q", "-f", "raw", raw, "36.5M")
		peers.Run(t, "qemu-io", append(append([]string{"-f", "raw"}, writes...), raw)...)
		peers.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, path)
		samePeer(t, path)
	})
	t.Run("delta", func(t *testing.T) {
		dir := t.TempDir()
		base, path := filepath.Join(dir, "base.vmdk"), filepath.Join(dir, "a.vmdk")
		peers.Run(t, "qemu-img", "create", "-q", "-f", "vmdk", base, "36.5M")
		peers.Run(t, "qemu-io", append(append([]string{"-f", "vmdk"}, writes...), base)...)
		peers.Run(t, "qemu-img", "create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", path)
		peers.Run(t, "qemu-io", "-f", "vmdk", "-c", "write -P 0x55 100k 300k", "-c", "write -P 1 6M 64k", path)
		samePeer(t, path)
	})
}

// TestPeerReadsWhatWeBuild has qemu-img judge the kinds that it cannot write.
func TestPeerReadsWhatWeBuild(t *testing.T) {
	peers.Need(t, "qemu-img")
	for name, c := range map[string]struct {
		createType, kind string
		b                []byte
	}{
		"vmfsSparse": {"vmfsSparse", "VMFSSPARSE", cowd(plan, 3, nil)},
		"seSparse":   {"seSparse", "SESPARSE", sesparse(plan, nil)},
		"sparse":     {"twoGbMaxExtentSparse", "SPARSE", hosted(plan, "", nil)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.vmdk")
			text := descriptor(c.createType, "", fmt.Sprintf(`RW %d %s "x.vmdk"`, sectors(plan), c.kind))
			for file, b := range map[string][]byte{path: []byte(text), filepath.Join(dir, "x.vmdk"): c.b} {
				if err := os.WriteFile(file, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			samePeer(t, path)
		})
	}
}
