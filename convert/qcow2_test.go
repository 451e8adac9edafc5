package convert

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/format/raw"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/qcow2"
)

// sample makes a disk of the given size: text that compresses, bytes that do
// not, written zeros, holes, and runs that begin and end inside of clusters.
func sample(t testing.TB, size int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "source.raw")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for off := int64(0); off < size; {
		n := min(1+rng.Int64N(300<<10), size-off)
		b := make([]byte, n)
		switch rng.IntN(4) {
		case 0:
			off += n
			continue
		case 1: // written zeros
		case 2:
			for i := 0; i+8 <= len(b); i += 8 {
				binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
			}
		case 3:
			copy(b, strings.Repeat(fmt.Sprintf("line %d of a file in a guest\n", rng.IntN(9)), int(n)/20))
		}
		if _, err := f.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
		off += n
	}
	return name
}

// openImage opens an image and follows what it names in its own folder.
func openImage(t testing.TB, name, fmt string) format.Image {
	t.Helper()
	im, err := format.OpenFile(name, &format.Options{Format: fmt, FollowOwnDir: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

// toQcow2 converts src to a new file.
func toQcow2(t testing.TB, src block.Device, name string, l *qcow2.Layout, o *Options) Result {
	t.Helper()
	l.Size = src.Size()
	f, err := CreateFile(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var data block.File
	if l.DataFile != "" {
		d, err := os.Create(filepath.Join(filepath.Dir(name), l.DataFile))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		data = d
	}
	w, err := qcow2.NewWriter(f, data, l)
	if err != nil {
		t.Fatal(err)
	}
	res, err := Run(context.Background(), src, w, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	return res
}

// layouts are the images that the tests write, with what qemu-img calls them.
var layouts = []struct {
	name     string
	l        qcow2.Layout
	compress bool
}{
	{name: "default"},
	{name: "v2", l: qcow2.Layout{Version: 2}},
	{name: "512", l: qcow2.Layout{ClusterSize: 512}},
	{name: "4k", l: qcow2.Layout{ClusterSize: 4096, RefcountBits: 64}},
	{name: "2M", l: qcow2.Layout{ClusterSize: 2 << 20}},
	{name: "refcount 1", l: qcow2.Layout{RefcountBits: 1}},
	{name: "refcount 2", l: qcow2.Layout{RefcountBits: 2, ClusterSize: 4096}},
	{name: "refcount 4", l: qcow2.Layout{RefcountBits: 4}},
	{name: "refcount 8", l: qcow2.Layout{RefcountBits: 8, ClusterSize: 1024}},
	{name: "refcount 32", l: qcow2.Layout{RefcountBits: 32}},
	{name: "refcount 64 small", l: qcow2.Layout{RefcountBits: 64, ClusterSize: 512}},
	{name: "lazy", l: qcow2.Layout{LazyRefcounts: true}},
	{name: "extended", l: qcow2.Layout{ExtendedL2: true}},
	{name: "extended 2M", l: qcow2.Layout{ExtendedL2: true, ClusterSize: 2 << 20}},
	{name: "extended 16k", l: qcow2.Layout{ExtendedL2: true, ClusterSize: 16 << 10}},
	{name: "prealloc metadata", l: qcow2.Layout{Preallocation: qcow2.PreallocMetadata}},
	{name: "prealloc falloc", l: qcow2.Layout{Preallocation: qcow2.PreallocFalloc}},
	{name: "prealloc full", l: qcow2.Layout{Preallocation: qcow2.PreallocFull}},
	{name: "prealloc extended", l: qcow2.Layout{Preallocation: qcow2.PreallocMetadata, ExtendedL2: true}},
	{name: "data file", l: qcow2.Layout{DataFile: "data.bin"}},
	{name: "data file raw", l: qcow2.Layout{DataFile: "data.bin", DataFileRaw: true}},
	{name: "data file extended", l: qcow2.Layout{DataFile: "data.bin", ExtendedL2: true}},
	{name: "zlib", compress: true},
	{name: "zlib v2", compress: true, l: qcow2.Layout{Version: 2}},
	{name: "zlib 512", compress: true, l: qcow2.Layout{ClusterSize: 512}},
	{name: "zlib 4k refcount 1", compress: true, l: qcow2.Layout{ClusterSize: 4096, RefcountBits: 1}},
	{name: "zlib refcount 2", compress: true, l: qcow2.Layout{RefcountBits: 2}},
	{name: "zlib 2M", compress: true, l: qcow2.Layout{ClusterSize: 2 << 20, Level: 9}},
	{name: "zlib extended", compress: true, l: qcow2.Layout{ExtendedL2: true}},
	{name: "zstd", compress: true, l: qcow2.Layout{Compression: "zstd"}},
	{name: "zstd 2M", compress: true, l: qcow2.Layout{Compression: "zstd", ClusterSize: 2 << 20, Level: 9}},
	{name: "zstd 512", compress: true, l: qcow2.Layout{Compression: "zstd", ClusterSize: 512, Level: 1}},
}

func TestWriteQcow2(t *testing.T) {
	src := openImage(t, sample(t, 4<<20+512*3), "raw")
	for _, x := range layouts {
		t.Run(x.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "out.qcow2")
			l := x.l
			toQcow2(t, src, name, &l, &Options{Compress: x.compress})
			im := openImage(t, name, "qcow2")
			if p := im.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			if d, err := Compare(context.Background(), src, im, true, nil); d != nil || err != nil {
				t.Errorf("Compare = %+v, %v", d, err)
			}
			if l.DataFileRaw {
				data := openImage(t, filepath.Join(filepath.Dir(name), "data.bin"), "raw")
				if d, err := Compare(context.Background(), src, data, true, nil); d != nil || err != nil {
					t.Errorf("the raw data file: Compare = %+v, %v", d, err)
				}
			}
			judgeQcow2(t, src.Info().Name, name)
		})
	}
}

// judgeQcow2 lets qemu-img check an image and compare it with a raw one.
func judgeQcow2(t *testing.T, rawName, name string) {
	t.Helper()
	peers.Need(t, "qemu-img")
	// qemu takes the name of a data file from where it runs.
	check := peers.Command(t, "qemu-img", "check", "-f", "qcow2", name)
	check.Dir = filepath.Dir(name)
	if out := peers.RunCmd(t, check); !strings.Contains(out, "No errors were found") {
		t.Errorf("qemu-img check: %s", out)
	}
	compare := peers.Command(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", rawName, name)
	compare.Dir = filepath.Dir(name)
	peers.RunCmd(t, compare)
}

// TestBackToRaw converts every layout back, with qemu's own writer as the
// source too.
func TestBackToRaw(t *testing.T) {
	name := sample(t, 2<<20+512)
	src := openImage(t, name, "raw")
	for _, x := range layouts {
		if x.l.DataFile != "" {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			l := x.l
			toQcow2(t, src, dir+"/a.qcow2", &l, &Options{Compress: x.compress})
			toRaw(t, openImage(t, dir+"/a.qcow2", "qcow2"), dir+"/b.raw")
			sameFiles(t, name, dir+"/b.raw")
		})
	}
}

func toRaw(t testing.TB, src block.Device, name string) Result {
	t.Helper()
	f, err := CreateFile(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := raw.NewWriter(f, &raw.Layout{Size: src.Size()})
	if err != nil {
		t.Fatal(err)
	}
	res, err := Run(context.Background(), src, w, nil)
	if err == nil {
		err = f.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func sameFiles(t testing.TB, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(x) != string(y) {
		t.Fatalf("%s and %s differ", a, b)
	}
}

// TestOverlay keeps the backing file of an overlay, whatever the version.
func TestOverlay(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	for _, x := range []struct {
		name   string
		layout qcow2.Layout
		source string
	}{
		{"v3", qcow2.Layout{}, ""},
		{"v2", qcow2.Layout{Version: 2}, ""},
		{"extended", qcow2.Layout{ExtendedL2: true}, ",extended_l2=on"},
		{"compressed", qcow2.Layout{Compression: "zstd"}, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			base := sample(t, 4<<20)
			if err := os.Rename(base, dir+"/base.raw"); err != nil {
				t.Fatal(err)
			}
			peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", "-o", "cluster_size=64k"+x.source, dir+"/top.qcow2", "5M")
			peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 7 1000k 300k", "-c", "write -z 2M 128k", "-c", "write -P 9 4700k 10k", "-c", "write -z 3000k 4k", dir+"/top.qcow2")
			l := x.layout
			l.Backing, l.BackingFormat = "base.raw", "raw"
			res := toQcow2(t, openImage(t, dir+"/top.qcow2", "qcow2"), dir+"/out.qcow2", &l, &Options{KeepDepth: 1, Compress: x.name == "compressed"})
			if res.Kept < 3<<20 {
				t.Errorf("only %d bytes were left to the backing file", res.Kept)
			}
			peers.Run(t, "qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", dir+"/top.qcow2", dir+"/out.qcow2")
			if out := peers.Run(t, "qemu-img", "check", dir+"/out.qcow2"); !strings.Contains(out, "No errors") {
				t.Error(out)
			}
			toQcow2(t, openImage(t, dir+"/top.qcow2", "qcow2"), dir+"/flat.qcow2", &qcow2.Layout{}, nil)
			if err := os.Remove(dir + "/base.raw"); err != nil {
				t.Fatal(err)
			}
			if out := peers.Run(t, "qemu-img", "info", dir+"/flat.qcow2"); strings.Contains(out, "backing") {
				t.Error(out)
			}
		})
	}
}
