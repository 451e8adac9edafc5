package format_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestShuffled reads images whose clusters, grains, blocks and tables lie in
// another order than those of the disk: a reader that counts on their order, or
// takes the next one for the end of the last, shows. qemu-io wrote the images
// under testdata, piece by piece (GUESTKIT_MAKE_FIXTURES=1 makes them again), and
// makes more where it is installed.
func TestShuffled(t *testing.T) {
	for _, x := range []struct {
		name, format, opts string
		units              int
		unit               int64
		keep               bool
	}{
		// An L2 table holds 512 entries, a refcount block 2,048: there are many of
		// both, which lie in between.
		{"qcow2", "qcow2", "cluster_size=4k", 3 << 10, 4 << 10, true},
		{"qcow2-extl2", "qcow2", "cluster_size=16k,extended_l2=on", 6 << 10, 512, false},
		{"qcow2-v2", "qcow2", "compat=0.10,cluster_size=512", 4 << 10, 512, false},
		{"vmdk", "vmdk", "subformat=monolithicSparse", 1200, 64 << 10, true},
		{"vhd", "vpc", "subformat=dynamic,force_size=on", 9, 2 << 20, true},
		{"vhdx", "vhdx", "subformat=dynamic,block_size=1M", 12, 1 << 20, true},
		{"vdi", "vdi", "", 12, 1 << 20, true},
		{"qed", "qed", "cluster_size=4k,table_size=2", 3 << 10, 4 << 10, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			size := int64(x.units) * x.unit
			pieces := testimg.Shuffle(min(x.units, 400), int64(x.units)/int64(min(x.units, 400))*x.unit)
			for i := range pieces {
				pieces[i].Len = x.unit
			}
			fixture := filepath.Join("testdata", "shuffled."+x.name+".gz")
			var image []byte
			if make := os.Getenv("GUESTKIT_MAKE_FIXTURES") != ""; x.keep && !make {
				image = testimg.Unpack(t, fixture)
			} else {
				peers.Need(t, "qemu-img", "qemu-io")
				path := filepath.Join(t.TempDir(), "image")
				args := []string{"create", "-q", "-f", x.format}
				if x.opts != "" {
					args = append(args, "-o", x.opts)
				}
				peers.Run(t, "qemu-img", append(args, path, strconv.FormatInt(size, 10))...)
				peers.Run(t, "qemu-io", append(append([]string{"-f", x.format}, testimg.Commands(pieces)...), path)...)
				var err error
				if image, err = os.ReadFile(path); err != nil {
					t.Fatal(err)
				}
				if x.keep && make {
					testimg.Keep(t, filepath.Base(fixture), image)
				}
			}
			im, err := format.Open(bytes.NewReader(image), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer im.Close()
			for _, p := range im.Problems() {
				t.Errorf("problem: %v", p)
			}
			testimg.OutOfOrder(t, im)
			testimg.TestDevice(t, im, testimg.Disk(size, pieces), x.unit)
			if _, err := format.Check(context.Background(), bytes.NewReader(image), nil, func(f format.Fault) { t.Errorf("check: %v", f) }); err != nil {
				t.Error(err)
			}
		})
	}
}
