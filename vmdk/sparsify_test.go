package vmdk_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vmdk"
)

// sound checks an image and reads its disk.
var sound = testimg.Sound(vmdk.Check, vmdk.Open)

func sparsifier(t *testing.T, image []byte, grain int64) testimg.Sparsifier {
	return testimg.Sparsifier{Image: image, Block: grain, Store: grain, Open: sound, Runs: 100, Run: func(f block.Storage, parts []block.Range) (int64, error) {
		return vmdk.Sparsify(t.Context(), f, parts, nil)
	}}
}

// full is an image of grains that are all there, of which the last is cut.
func full(t *testing.T, l vmdk.Layout) []byte {
	t.Helper()
	return testimg.Stored(t, l.Size, func(f *testimg.Power) (*vmdk.Writer, error) { return vmdk.NewWriter(f, nil, &l) })
}

// TestSparsify gives back grains of an image that the Writer made, in more tables
// than one.
func TestSparsify(t *testing.T) {
	for _, l := range []vmdk.Layout{{Size: 8<<10*600 + 512, GrainSize: 8 << 10}, {Size: 8 << 10 * 9, GrainSize: 8 << 10, ZeroedGrain: true}} {
		s := sparsifier(t, full(t, l), l.GrainSize)
		if l.Size > 1<<20 {
			s.Runs, s.Few = 10, true
		}
		testimg.TestSparsify(t, s, nil)
	}
}

// TestSparsifyPeer gives back grains of an image that qemu-img made, which lie in
// the order in which they were written, and has qemu-img and vmdkinfo judge.
func TestSparsifyPeer(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io", "vmdkinfo")
	dir := t.TempDir()
	img, raw := filepath.Join(dir, "a.vmdk"), filepath.Join(dir, "a.raw")
	peers.Run(t, "qemu-img", "create", "-q", "-f", "vmdk", img, "640k")
	peers.Run(t, "qemu-io", "-f", "vmdk", "-c", "write -P 9 320k 320k", "-c", "write -P 1 0 64k", "-c", "write -P 3 192k 128k", "-c", "write -P 4 64k 128k", img)
	image, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	s := sparsifier(t, image, 64<<10)
	s.Runs = 10
	testimg.TestSparsify(t, s, func(t *testing.T, what string, b []byte) []byte {
		if err := os.WriteFile(img, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := peers.Command(t, "vmdkinfo", img).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", what, err, out)
		}
		peers.Run(t, "qemu-img", "check", "-q", "-f", "vmdk", img)
		peers.Run(t, "qemu-img", "convert", "-f", "vmdk", "-O", "raw", img, raw)
		disk, err := os.ReadFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		return disk
	})
}

func TestSparsifyRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"delta": full(t, vmdk.Layout{Size: 1 << 20, Parent: "p.vmdk", ParentCID: 5}),
		"COWD":  cowd("d.d", 3, nil),
	} {
		p := testimg.NewPower(b)
		_, err := vmdk.Sparsify(t.Context(), p, []block.Range{{Len: 1 << 20}}, nil)
		if !errors.Is(err, block.ErrUnsupported) || !bytes.Equal(p.B, b) || name == "COWD" && !strings.Contains(err.Error(), "vmfsSparse image is not changed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSparsifyHome: what is free in a header keeps nothing of an interrupted run.
func TestSparsifyHome(t *testing.T) {
	image := full(t, vmdk.Layout{Size: 1 << 20})
	p := testimg.NewPower(image)
	if _, err := vmdk.Sparsify(t.Context(), p, []block.Range{{Len: 64 << 10}}, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.B[:512], image[:512]) {
		t.Errorf("another header:\n%x\n%x", p.B[:512], image[:512])
	}
}

// TestSparsifyIdentity: an image that was made upon the old content is told.
func TestSparsifyIdentity(t *testing.T) {
	p := testimg.NewPower(full(t, vmdk.Layout{Size: 1 << 20}))
	was, _, err := vmdk.Describe(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vmdk.Sparsify(t.Context(), p, []block.Range{{Len: 64 << 10}}, nil); err != nil {
		t.Fatal(err)
	}
	if is, _, err := vmdk.Describe(p, nil); err != nil || is.CID == was.CID {
		t.Errorf("%+v, it was %+v; %v", is, was, err)
	}
}
