package vhdx_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhdx"
)

// sound checks an image and reads its disk.
var sound = testimg.Sound(vhdx.Check, vhdx.Open)

func sparsifier(t *testing.T, image []byte, bs int64) testimg.Sparsifier {
	return testimg.Sparsifier{Image: image, Block: bs, Store: bs, Open: sound, Runs: 4, Few: true, Run: func(f block.Storage, parts []block.Range) (int64, error) {
		return vhdx.Sparsify(t.Context(), f, parts, nil)
	}}
}

// full is an image of blocks that are all there, of which the last is cut.
func full(t *testing.T, l vhdx.Layout) []byte {
	t.Helper()
	return testimg.Stored(t, l.Size, func(f *testimg.Power) (*vhdx.Writer, error) { return vhdx.NewWriter(f, &l) })
}

// TestSparsify gives back blocks of an image that the Writer made.
func TestSparsify(t *testing.T) {
	testimg.TestSparsify(t, sparsifier(t, full(t, vhdx.Layout{Size: 4<<20 + 5*4096, BlockSize: 1 << 20}), 1<<20), nil)
}

// TestSparsifyPeer gives back blocks of an image that qemu-img made, whose blocks
// lie in the order in which they were written, and has qemu-img judge: it replays
// the log that a loss of power leaves.
func TestSparsifyPeer(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	dir := t.TempDir()
	img, raw := filepath.Join(dir, "a.vhdx"), filepath.Join(dir, "a.raw")
	peers.Run(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", "block_size=1M", img, "5M")
	peers.Run(t, "qemu-io", "-f", "vhdx", "-c", "write -P 9 4M 1M", "-c", "write -P 1 0 1M", "-c", "write -P 3 3M 1M", "-c", "write -P 4 1M 2M", img)
	image, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	s := sparsifier(t, image, 1<<20)
	s.Runs, s.Few = 0, true
	logs := 0
	testimg.TestSparsify(t, s, func(t *testing.T, what string, b []byte) []byte {
		if err := os.WriteFile(img, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if i, _, err := vhdx.Describe(bytes.NewReader(b), nil); err != nil {
			t.Fatal(err)
		} else if i.LogReplayed > 0 {
			logs++
			peers.Run(t, "qemu-img", "check", "-q", "-r", "all", "-f", "vhdx", img)
		}
		peers.Run(t, "qemu-img", "check", "-q", "-f", "vhdx", img)
		peers.Run(t, "qemu-img", "convert", "-f", "vhdx", "-O", "raw", img, raw)
		disk, err := os.ReadFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		return disk
	})
	// One that has the log in use for certain.
	p := testimg.NewPower(image)
	if _, err := s.Run(p, []block.Range{{Len: 2 << 20}}); err != nil {
		t.Fatal(err)
	}
	p.Crashes(t, 0, func(what string, file func() []byte) {
		b := file()
		if i, _, err := vhdx.Describe(bytes.NewReader(b), nil); err != nil || i.LogReplayed == 0 || logs > 3 {
			return
		}
		logs++
		if err := os.WriteFile(img, b, 0o600); err != nil {
			t.Fatal(err)
		}
		peers.Run(t, "qemu-img", "check", "-q", "-r", "all", "-f", "vhdx", img)
		peers.Run(t, "qemu-img", "convert", "-f", "vhdx", "-O", "raw", img, raw)
		disk, err := os.ReadFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := sound(b); err != nil || !bytes.Equal(disk, want) {
			t.Errorf("%s: qemu-img replays another disk, %v", what, err)
		}
	})
	if logs == 0 {
		t.Error("qemu-img has replayed no log")
	}
}

func TestSparsifyRefuses(t *testing.T) {
	b := full(t, vhdx.Layout{Size: 1 << 20, Subformat: "fixed"})
	p := testimg.NewPower(b)
	if _, err := vhdx.Sparsify(t.Context(), p, []block.Range{{Len: 1 << 20}}, nil); !errors.Is(err, block.ErrUnsupported) || !bytes.Equal(p.B, b) {
		t.Errorf("fixed: %v", err)
	}
	b = full(t, vhdx.Layout{Size: 2 << 20, BlockSize: 1 << 20})
	copy(b[3<<20+8:], b[3<<20:3<<20+8]) // two blocks in one place
	p = testimg.NewPower(b)
	if _, err := vhdx.Sparsify(t.Context(), p, []block.Range{{Len: 2 << 20}}, nil); !errors.Is(err, block.ErrCorrupt) || !bytes.Equal(p.B, b) {
		t.Errorf("overlapping blocks: %v", err)
	}
}

// TestSparsifyIdentity: an image that was made upon the old content is told.
func TestSparsifyIdentity(t *testing.T) {
	p := testimg.NewPower(full(t, vhdx.Layout{Size: 2 << 20, BlockSize: 1 << 20}))
	was, _, err := vhdx.Describe(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vhdx.Sparsify(t.Context(), p, []block.Range{{Len: 1 << 20}}, nil); err != nil {
		t.Fatal(err)
	}
	if is, _, err := vhdx.Describe(p, nil); err != nil || is.DataWriteGUID == was.DataWriteGUID || is.DiskID != was.DiskID {
		t.Errorf("%+v, it was %+v; %v", is, was, err)
	}
}
