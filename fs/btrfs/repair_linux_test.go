package btrfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestRepair damages one copy of all that there is, on one device after the other,
// and reads the good one. Where there is none, reading fails.
func TestRepair(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		args string
	}{
		{"raid1", 2, "-m raid1 -d raid1"}, {"raid1c3", 3, "-m raid1c3 -d raid1c3"}, {"raid10", 4, "-m raid10 -d raid10"},
		{"raid5", 3, "-m raid5 -d raid5 --csum xxhash"}, {"raid6", 4, "-m raid6 -d raid6"}, {"single", 2, "-m raid1 -d single"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPool(t, c.n, "150M", strings.Fields(c.args)...)
			dir := p.mount(t)
			f := filler{t, dir, rand.New(rand.NewPCG(9, 9)), false}
			for i := range 40 {
				f.write(fmt.Sprintf("file-%d", i), f.noise(i*17000))
			}
			peers.Unmount(t, dir)
			want, err := testimg.ReadTree(openAll(t, nil, p.readers(t)...), testimg.TreeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			failed := 0
			for bad := range c.n {
				rs := p.readers(t)
				rs[bad] = damaged{rs[bad]}
				if bad == 0 { // another one is asked first
					rs[0], rs[1] = rs[1], rs[0]
				}
				fsys := openAll(t, nil, rs...)
				got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
				if c.name == "single" {
					if errors.Is(err, block.ErrCorrupt) {
						failed++
					}
					continue
				}
				if err != nil {
					t.Fatalf("device %d is damaged: %v", bad, err)
				}
				testimg.CompareTrees(t, got, want, testimg.TreeOptions{})
				said := 0
				for _, p := range fsys.Problems() {
					if !errors.Is(p, block.ErrCorrupt) || !strings.Contains(p.Error(), "another copy serves") {
						if !strings.Contains(p.Error(), "more problems") {
							t.Errorf("a problem: %v", p)
						}
					}
					said++
				}
				if c.name == "raid1" && bad == 0 && said == 0 {
					t.Error("no problem says that a copy is bad")
				}
			}
			if c.name == "single" && failed == 0 {
				t.Error("data without a copy was read although it is damaged")
			}
		})
	}
}

// damaged flips a bit in each sector past the superblock.
type damaged struct{ block.Reader }

func (d damaged) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.Reader.ReadAt(p, off)
	for i := range p[:n] {
		if at := off + int64(i); at >= 1<<20 && at%4096 == 123 {
			p[i] ^= 4
		}
	}
	return n, err
}

// TestSuperblockMirror reads a filesystem whose first superblock is damaged.
func TestSuperblockMirror(t *testing.T) {
	p := newPool(t, 1, "128M", "-L", "mirror")
	f, err := os.OpenFile(p.images[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("damage"), 64<<10+0x12B); err != nil {
		t.Fatal(err)
	}
	fsys := openAll(t, nil, p.readers(t)...)
	if ps := fsys.Problems(); len(ps) != 1 || !errors.Is(ps[0], block.ErrCorrupt) || fsys.Info().Label != "mirror" {
		t.Errorf("%v, %+v", ps, fsys.Info())
	}
}

// TestSeed reads a filesystem that sprouted from a seed, which is read alone as
// well.
func TestSeed(t *testing.T) {
	p := newPool(t, 1, "150M", "-L", "seed")
	dir := p.mount(t, "noatime")
	fill(t, dir, true)
	peers.Unmount(t, dir)
	peers.Run(t, "btrfstune", "-S", "1", p.images[0])
	sprout := filepath.Join(t.TempDir(), "sprout")
	peers.Run(t, "truncate", "-s", "200M", sprout)
	loop := peers.Loop(t, sprout)
	seed := peers.Loop(t, p.images[0])
	dir = t.TempDir()
	peers.Run(t, "mount", "-t", "btrfs", "-o", "noatime", seed, dir)
	t.Cleanup(func() { peers.Unmount(t, dir) })
	peers.Run(t, "btrfs", "device", "add", "-f", loop, dir)
	peers.Run(t, "mount", "-o", "remount,rw", dir)
	f := filler{t, dir, rand.New(rand.NewPCG(1, 9)), true}
	f.write("sprouted", f.bytes(100000))
	if err := os.Remove(f.path("size-100")); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "sync", "-f", dir)
	fsys := openAll(t, nil, testimg.File(t, sprout), testimg.File(t, p.images[0]))
	compare(t, fsys, dir)
	noProblems(t, fsys)
	if n := len(fsys.Info().Devices); n != 1 {
		t.Errorf("%d further devices", n)
	}
	alone := openAll(t, nil, testimg.File(t, p.images[0]), testimg.File(t, sprout))
	if _, err := alone.Stat("size-100"); err != nil {
		t.Error(err)
	}
	if n := len(alone.Info().Devices); n != 0 {
		t.Errorf("the seed takes %d further devices", n)
	}
	lost, err := Open([]block.Reader{testimg.File(t, sprout)}, nil)
	if err == nil {
		_, err = fs.ReadFile(lost, "mixed")
		if ps := lost.Problems(); len(ps) == 0 || !errors.Is(ps[0], block.ErrMissing) {
			t.Errorf("problems without the seed: %v", ps)
		}
	}
	if !errors.Is(err, block.ErrMissing) {
		t.Errorf("without the seed: %v", err)
	}
}

// TestForeign leaves out what belongs to no filesystem or to another one.
func TestForeign(t *testing.T) {
	p, other := newPool(t, 1, "128M"), newPool(t, 1, "128M")
	fsys := openAll(t, nil, p.readers(t)[0], bytes.NewReader(make([]byte, 1<<20)), other.readers(t)[0], p.readers(t)[0])
	noProblems(t, fsys)
	if n := len(fsys.Info().Devices); n != 0 {
		t.Errorf("%d further devices", n)
	}
}

// TestMissing leaves out a device whose data has no copy: what lies on it alone
// cannot be read, and the rest can.
func TestMissing(t *testing.T) {
	p := newPool(t, 3, "150M", "-m", "raid1", "-d", "single")
	dir := p.mount(t)
	f := filler{t, dir, rand.New(rand.NewPCG(9, 9)), false}
	for i := range 25 {
		f.write(fmt.Sprintf("file-%d", i), f.noise(8<<20))
	}
	peers.Unmount(t, dir)
	rs := p.readers(t)
	fsys := openAll(t, nil, rs[2], rs[0])
	if ps := fsys.Problems(); len(ps) != 1 || !errors.Is(ps[0], block.ErrMissing) || !strings.Contains(ps[0].Error(), "device 2") {
		t.Errorf("problems: %v", ps)
	}
	all := openAll(t, nil, rs...)
	read, lost := 0, 0
	for i := range 25 {
		name := fmt.Sprintf("file-%d", i)
		got, err := fs.ReadFile(fsys, name)
		want, wantErr := fs.ReadFile(all, name)
		switch {
		case wantErr != nil:
			t.Fatal(wantErr)
		case err == nil && bytes.Equal(got, want):
			read++
		case errors.Is(err, block.ErrMissing):
			lost++
		default:
			t.Errorf("%s: %v", name, err)
		}
	}
	if read == 0 || lost == 0 {
		t.Errorf("%d files were read, %d were lost", read, lost)
	}
}
