package vhdx_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhdx"
)

// among gives the files that images name.
func among(files testimg.Files) block.Opener {
	return files.Opener(func(r block.Reader, opener block.Opener) (block.Device, error) {
		return vhdx.Open(r, &vhdx.Options{Opener: opener})
	})
}

func openSound(b []byte, files testimg.Files) (block.Device, error) {
	err := testimg.Faultless(func(report func(block.Fault)) (*block.CheckResult, error) {
		return vhdx.Check(context.Background(), bytes.NewReader(b), nil, report)
	}, "")
	if err != nil {
		return nil, err
	}
	return vhdx.Open(bytes.NewReader(b), &vhdx.Options{Opener: among(files)})
}

var mustOpen = testimg.Must(openSound)

func overlaid(t *testing.T) testimg.Overlaid {
	const size = 4*mib - 8*512
	o := testimg.Overlaid{Runs: 10, Open: openSound}
	o.Base, _ = build("d.zd", size, nil, nil)
	o.Other, _ = build("ddzd", size, nil, func(b []byte) {
		for _, at := range []int{64 << 10, 128 << 10} {
			putGUID(b[at+0x20:], "00000000-0000-0000-0000-0000000000fe")
		}
	})
	o.Top, _ = build("p..p", size, map[string]string{"parent_linkage": "{00000000-0000-0000-0000-00000000DA7A}", "relative_path": `.\base`}, func(b []byte) {
		copy(b[blocksAt+1024:], "not the same as below") // in the first block, where the bitmap says nothing
		copy(b[blocksAt:], "the image's own")
	})
	o.Rebase = func(f block.Storage, r *block.RebaseOptions) error { return vhdx.Rebase(t.Context(), f, r) }
	o.Commit = func(base, child block.Storage, disk block.Device) error {
		return vhdx.CommitInto(t.Context(), base, child, disk, 1)
	}
	o.Empty = func(f block.Storage) error { return vhdx.Empty(t.Context(), f) }
	return o
}

// TestOverlaid changes what images lie upon, and writes into that; qemu-img reads
// what has no parent.
func TestOverlaid(t *testing.T) {
	peer := peers.Has(t, "qemu-img")
	o := overlaid(t)
	o.Judge = func(t *testing.T, what string, b []byte, files testimg.Files) []byte {
		if files != nil || !peer {
			return nil
		}
		img, raw := files.Write(t, t.TempDir(), "a.vhdx", b), filepath.Join(t.TempDir(), "raw")
		peers.Run(t, "qemu-img", "check", "-q", "-f", "vhdx", img)
		peers.Run(t, "qemu-img", "convert", "-f", "vhdx", "-O", "raw", img, raw)
		disk, err := os.ReadFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		return disk
	}
	testimg.TestOverlaid(t, o)
}
