package vmdk_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vmdk"
)

// among gives the files that images name.
func among(files testimg.Files) block.Opener {
	return files.Opener(func(r block.Reader, opener block.Opener) (block.Device, error) {
		return vmdk.Open(r, &vmdk.Options{Opener: opener})
	})
}

func openSound(b []byte, files testimg.Files) (block.Device, error) {
	err := testimg.Faultless(func(report func(block.Fault)) (*block.CheckResult, error) {
		return vmdk.Check(context.Background(), bytes.NewReader(b), nil, report)
	}, "")
	if err != nil {
		return nil, err
	}
	return vmdk.Open(bytes.NewReader(b), &vmdk.Options{Opener: among(files)})
}

var must = testimg.Must(openSound)

func made(t *testing.T, l vmdk.Layout, pieces ...testimg.Piece) []byte {
	t.Helper()
	return testimg.Filled(t, func(f *testimg.Power) (*vmdk.Writer, error) { return vmdk.NewWriter(f, nil, &l) }, pieces...)
}

// overlaid has disks of two grain tables; tools makes the descriptor longer.
func overlaid(t *testing.T, zeroed bool, tools string) testimg.Overlaid {
	const k, size = 8 << 10, 520*8<<10 + 512
	l := vmdk.Layout{Size: size, GrainSize: k, ZeroedGrain: zeroed, ToolsVersion: tools, CID: 0x1234, Name: "base"}
	o := testimg.Overlaid{Runs: 60, Open: openSound}
	o.Base = made(t, l, testimg.At(0, 10*k, 1), testimg.At(20*k, 9*k, 2), testimg.At(515*k, 2*k, 3), testimg.At(520*k, 512, 7))
	l.CID, l.Name = 0x5678, "other"
	o.Other = made(t, l, testimg.At(0, 9*k, 1), testimg.At(20*k, 9*k, 2), testimg.At(100*k, 5*k, 4))
	l.CID, l.Name, l.Parent, l.ParentCID = 0, "disk.vmdk", "base", 0x1234
	o.Top = made(t, l, testimg.At(k, 2*k, 5), testimg.At(8*k, 2*k, 0), testimg.At(40*k, k, 6), testimg.At(515*k, k, 8))
	o.Rebase = func(f block.Storage, r *block.RebaseOptions) error { return vmdk.Rebase(t.Context(), f, r, nil) }
	o.Commit = func(base, child block.Storage, disk block.Device) error {
		return vmdk.CommitInto(t.Context(), base, child, disk, 1, nil)
	}
	o.Empty = func(f block.Storage) error { return vmdk.Empty(t.Context(), f, nil) }
	return o
}

// TestOverlaid changes what images lie upon, and writes into that.
func TestOverlaid(t *testing.T) {
	testimg.TestOverlaid(t, overlaid(t, false, ""))
	testimg.TestOverlaid(t, overlaid(t, true, strings.Repeat("9", 600)))
}

// TestOverlaidAgain: done again after a loss of power, nothing of the first time is
// left in the header, and the descriptor is where programs look for it. What another
// program has written behind the descriptor meanwhile is kept.
func TestOverlaidAgain(t *testing.T) {
	o := overlaid(t, false, strings.Repeat("9", 600))
	files := testimg.Files{"base": o.Base, "other": o.Other}
	rebase := func(f block.Storage) error {
		return o.Rebase(f, &block.RebaseOptions{Backing: "other", Old: must(t, o.Base, files), New: must(t, o.Other, files)})
	}
	p := testimg.NewPower(o.Top)
	if err := rebase(p); err != nil {
		t.Fatal(err)
	}
	again := func(f block.Storage) error {
		return o.Rebase(f, &block.RebaseOptions{Backing: "other", New: must(t, o.Other, files), Unsafe: true, Force: true})
	}
	away, grown := 0, 0
	p.Crashes(t, 0, func(what string, file func() []byte) {
		f := testimg.NewPower(file())
		if !bytes.Equal(f.B[0x60:512], make([]byte, 512-0x60)) {
			away++
		}
		written := string(f.B[0x78:0x7c]) == "GKTD" && peers.Has(t, "qemu-io")
		if written {
			img := files.Write(t, t.TempDir(), "disk.vmdk", f.B)
			peers.Run(t, "qemu-io", "-f", "vmdk", "-c", "write -P 0x77 800k 64k", img)
			b, err := os.ReadFile(img)
			if err != nil {
				t.Fatal(err)
			}
			f = testimg.NewPower(b)
			grown++
		}
		if err := again(f); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if written {
			got := make([]byte, 64<<10)
			if err := block.ReadFull(must(t, f.B, files), got, 800<<10); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{0x77}, len(got))) {
				t.Fatalf("%s: what qemu-io has written is gone, %v", what, err)
			}
		}
		if !bytes.Equal(f.B[0x60:512], make([]byte, 512-0x60)) || le.Uint64(f.B[0x1c:]) != 1 {
			t.Fatalf("%s, once more: a header %x", what, f.B[:512])
		}
	})
	if away < 2 {
		t.Errorf("%d headers lead to another place, want some", away)
	}
	if peers.Has(t, "qemu-io") && grown == 0 {
		t.Error("qemu-io wrote to no image")
	}
}

// TestForgedHome: a header that says that the descriptor belongs where something else
// is has nothing written there.
func TestForgedHome(t *testing.T) {
	o := overlaid(t, false, strings.Repeat("9", 600))
	top := append(bytes.Clone(o.Top), o.Top[512:512*(1+le.Uint64(o.Top[0x24:]))]...)
	le.PutUint64(top[0x1c:], uint64(len(o.Top)/512))
	copy(top[0x78:], "GKTD")
	dir := le.Uint64(top[0x38:])
	table := uint64(le.Uint32(top[512*dir:]))
	grain := uint64(le.Uint32(top[512*table+4:])) // number 1
	for what, home := range map[string]uint64{"directory": dir, "redundant directory": le.Uint64(top[0x30:]), "grain table": table, "grain": grain, "before a grain": grain - 1} {
		le.PutUint64(top[0x7c:], home)
		unwritten(t, what, o, top, &block.RebaseOptions{Backing: "base", New: must(t, o.Base, nil), Unsafe: true, Force: true}, block.ErrCorrupt)
	}
	le.PutUint64(top[0x7c:], 1)
	p := testimg.NewPower(top)
	if err := o.Rebase(p, &block.RebaseOptions{Backing: "base", New: must(t, o.Base, nil), Unsafe: true, Force: true}); err != nil || len(p.B) != len(o.Top) {
		t.Errorf("%d bytes of %d, %v", len(p.B), len(o.Top), err)
	}
}

// TestOverlaidTables commits into an image without grain tables.
func TestOverlaidTables(t *testing.T) {
	o := overlaid(t, false, "")
	o.Base = made(t, vmdk.Layout{Size: 520*8<<10 + 512, GrainSize: 8 << 10, CID: 0x1234})
	for _, at := range []int{0x30, 0x38} {
		dir := le.Uint64(o.Base[at:]) * 512
		le.PutUint32(o.Base[dir+4:], 0)
	}
	o.Again = 1
	testimg.TestOverlaid(t, o)
}

// libvmdk prints the disk of an image, with the parents that it names.
const libvmdk = `
import os, sys, pyvmdk
opened = []
def chain(path):
    h = pyvmdk.handle()
    h.open(path)
    h.open_extent_data_files()
    opened.append(h) # else it is closed
    if h.get_parent_content_identifier() != 0xffffffff:
        p = chain(os.path.join(os.path.dirname(path), h.get_parent_filename()))
        assert p.get_content_identifier() == h.get_parent_content_identifier(), "another parent"
        h.set_parent(p)
    return h
h = chain(sys.argv[1])
n = h.get_media_size()
while n:
    b = h.read(min(n, 4096))
    assert b, "end of the disk"
    n -= len(b)
    sys.stdout.buffer.write(b)
`

// TestOverlaidPeer has qemu-img and libvmdk read the chains.
func TestOverlaidPeer(t *testing.T) {
	peers.Need(t, "/usr/bin/python3", "qemu-img")
	if peers.Command(t, "/usr/bin/python3", "-c", "import pyvmdk").Run() != nil {
		peers.Need(t, "python3-libvmdk")
	}
	o := overlaid(t, false, "")
	o.Runs = 0
	o.Judge = func(t *testing.T, what string, b []byte, files testimg.Files) []byte {
		dir := t.TempDir()
		if files == nil {
			files = testimg.Files{"base": b} // libvmdk opens the name of the extent
		}
		img, raw := files.Write(t, dir, "disk.vmdk", b), filepath.Join(dir, "raw")
		peers.Run(t, "qemu-img", "check", "-q", "-f", "vmdk", img)
		peers.Run(t, "qemu-img", "convert", "-f", "vmdk", "-O", "raw", img, raw)
		disk, err := os.ReadFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		c := peers.Command(t, "/usr/bin/python3", "-c", libvmdk, img)
		c.Stderr = &said
		if b, err := c.Output(); err != nil || !bytes.Equal(b, disk) {
			t.Errorf("%s: qemu-img and libvmdk read different disks, %v %s", what, err, said.Bytes())
		}
		return disk
	}
	testimg.TestOverlaid(t, o)
}
