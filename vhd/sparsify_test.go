package vhd_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhd"
)

// sound checks an image and reads its disk.
var sound = testimg.Sound(vhd.Check, vhd.Open)

func sparsifier(t *testing.T, image []byte, bs int64) testimg.Sparsifier {
	return testimg.Sparsifier{Image: image, Block: bs, Store: bs + max(bs/512/8, 512), Open: sound, Runs: 8, Few: true, Run: func(f block.Storage, parts []block.Range) (int64, error) {
		return vhd.Sparsify(t.Context(), f, parts, nil)
	}}
}

// full is an image of 512 KiB blocks that are all there, of which the last is cut.
func full(t *testing.T, l vhd.Layout) []byte {
	t.Helper()
	return testimg.Stored(t, l.Size, func(f *testimg.Power) (*vhd.Writer, error) { return vhd.NewWriter(f, &l) })
}

// TestSparsify gives back blocks of an image that the Writer made.
func TestSparsify(t *testing.T) {
	testimg.TestSparsify(t, sparsifier(t, full(t, vhd.Layout{Size: 2<<20 + 5*4096, BlockSize: 512 << 10}), 512<<10), nil)
}

// TestSparsifyPeer gives back blocks of an image that qemu-img made, whose blocks
// lie in the order in which they were written, and has qemu-img and vhdiinfo judge.
func TestSparsifyPeer(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io", "vhdiinfo")
	dir := t.TempDir()
	img, raw := filepath.Join(dir, "a.vhd"), filepath.Join(dir, "a.raw")
	peers.Run(t, "qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on", img, "11M")
	peers.Run(t, "qemu-io", "-f", "vpc", "-c", "write -P 9 8M 3M", "-c", "write -P 1 0 2M", "-c", "write -P 3 6M 2M", "-c", "write -P 4 2M 4M", img)
	image, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	s := sparsifier(t, image, 2<<20)
	s.Runs, s.Few = 0, true
	testimg.TestSparsify(t, s, func(t *testing.T, what string, b []byte) []byte {
		if err := os.WriteFile(img, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := peers.Command(t, "vhdiinfo", img).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", what, err, out)
		}
		peers.Run(t, "qemu-img", "convert", "-f", "vpc", "-O", "raw", img, raw)
		disk, err := os.ReadFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		return disk
	})
}

func TestSparsifyRefuses(t *testing.T) {
	parent := &vhd.Parent{Name: "p.vhd", UUID: "00000000-0000-0000-0000-000000000001", Size: 1 << 20}
	for name, l := range map[string]vhd.Layout{
		"fixed":        {Size: 1 << 20, Subformat: "fixed"},
		"differencing": {Size: 1 << 20, Parent: parent},
	} {
		b := full(t, l)
		p := testimg.NewPower(b)
		if _, err := vhd.Sparsify(t.Context(), p, []block.Range{{Len: 1 << 20}}, nil); !errors.Is(err, block.ErrUnsupported) || !bytes.Equal(p.B, b) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := full(t, vhd.Layout{Size: 1 << 20, BlockSize: 512 << 10})
	copy(b[0x604:], b[0x600:0x604]) // two blocks in one place
	p := testimg.NewPower(b)
	if _, err := vhd.Sparsify(t.Context(), p, []block.Range{{Len: 1 << 20}}, nil); !errors.Is(err, block.ErrCorrupt) || !bytes.Equal(p.B, b) {
		t.Errorf("overlapping blocks: %v", err)
	}
}
