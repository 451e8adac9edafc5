package convert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/vdi"
	"github.com/guestkit/guestkit/vhd"
	"github.com/guestkit/guestkit/vhdx"
	"github.com/guestkit/guestkit/vmdk"
)

// hypervisors are the images of VHD, VHDX and VDI that the tests write.
var hypervisors = []struct {
	name      string
	out       Output
	subformat string
	alone     bool // qemu-img does not read it
}{
	{"vhd", Output{Format: "vhd"}, "dynamic", false},
	{"vhd fixed", Output{Format: "vhd", VHD: vhd.Layout{Subformat: "fixed"}}, "fixed", false},
	{"vhd geometry", Output{Format: "vhd", VHD: vhd.Layout{Geometry: true}}, "dynamic", false},
	{"vhd fixed geometry", Output{Format: "vhd", VHD: vhd.Layout{Subformat: "fixed", Geometry: true}}, "fixed", false},
	{"vhd 512k", Output{Format: "vhd", VHD: vhd.Layout{BlockSize: 512 << 10}}, "dynamic", false},
	{"vhd 16M", Output{Format: "vhd", VHD: vhd.Layout{BlockSize: 16 << 20, Allocate: true}}, "dynamic", false},
	{"vhdx", Output{Format: "vhdx"}, "dynamic", false},
	{"vhdx fixed", Output{Format: "vhdx", VHDX: vhdx.Layout{Subformat: "fixed", LogSize: 3 << 20}}, "fixed", false},
	{"vhdx 1M", Output{Format: "vhdx", VHDX: vhdx.Layout{BlockSize: 1 << 20, BlockStateZero: true}}, "dynamic", false},
	{"vhdx 256M", Output{Format: "vhdx", VHDX: vhdx.Layout{BlockSize: 256 << 20}}, "dynamic", false},
	{"vhdx 4Kn", Output{Format: "vhdx", VHDX: vhdx.Layout{LogicalSector: 4096}}, "dynamic", true},
	{"vdi", Output{Format: "vdi"}, "dynamic", false},
	{"vdi static", Output{Format: "vdi", VDI: vdi.Layout{Subformat: "static"}}, "static", false},
}

// TestWriteHypervisors writes disks of odd sizes as every layout, reads them
// back, and lets qemu-img read them.
func TestWriteHypervisors(t *testing.T) {
	for _, size := range []int64{1, 66048, 9<<20 + 3*512 + 100} {
		src := openImage(t, sample(t, size), "raw")
		for _, x := range hypervisors {
			t.Run(fmt.Sprintf("%s of %d", x.name, size), func(t *testing.T) {
				out := x.out
				out.Path, out.Verify = filepath.Join(t.TempDir(), "out"), true
				out.File.NoSync = true
				if _, err := ToFile(context.Background(), src, &out, nil); err != nil {
					t.Fatal(err)
				}
				im := openImage(t, out.Path, out.Format)
				if p := im.Problems(); len(p) > 0 || im.Info().Subformat != x.subformat {
					t.Errorf("problems: %v; Info %+v", p, im.Info())
				}
				if n := (size + 511) / 512 * 512; im.Size() != n && !strings.Contains(x.name, "geometry") && x.name != "vhdx 4Kn" || im.Size() < n {
					t.Errorf("the disk has %d bytes, want %d", im.Size(), n)
				}
				if d, err := Compare(context.Background(), src, im, false, nil); d != nil || err != nil {
					t.Errorf("Compare = %+v, %v", d, err)
				}
				res, err := format.CheckFile(context.Background(), out.Path, &format.Options{Format: out.Format}, func(f format.Fault) { t.Error(f.Err) })
				if err != nil || !res.Clean() || res.Dirty || res.Allocated > 0 && res.ImageEnd == 0 {
					t.Errorf("CheckFile = %+v, %v", res, err)
				}
				m, err := MeasureDisk(context.Background(), src, &out, nil, true)
				if fi, serr := os.Stat(out.Path); err != nil || serr != nil || m.Required != fi.Size() || m.FullyAllocated < fi.Size() {
					t.Errorf("measured %+v, %v; the file has %d bytes (%v)", m, err, fi.Size(), serr)
				}
				if !x.alone {
					judgeHypervisor(t, src.Info().Name, &out, im.Size())
				}
			})
		}
	}
}

// judgeHypervisor lets qemu-img compare an image with a raw one, tell its size
// and check it, where it can.
func judgeHypervisor(t *testing.T, raw string, out *Output, size int64) {
	t.Helper()
	peers.Need(t, "qemu-img")
	format := qemuName(out.Format)
	peers.Run(t, "qemu-img", "compare", "-q", "-f", "raw", "-F", format, raw, out.Path)
	if n := qemuSize(t, out); n != size {
		t.Errorf("qemu-img takes the disk for %d bytes, want %d", n, size)
	}
	if format != "vpc" { // which it cannot check
		peers.Run(t, "qemu-img", "check", "-q", "-f", format, out.Path)
	}
	if format != "vdi" {
		sameMounted(t, openImage(t, out.Path, out.Format), out.Path, 1)
	}
}

// sameMounted compares a disk with what vhdimount reads, whose chain of images
// has the number given.
func sameMounted(t *testing.T, want block.Device, path string, chain int) {
	t.Helper()
	peers.NeedRoot(t)
	dir := t.TempDir()
	peers.Run(t, "vhdimount", path, dir)
	t.Cleanup(func() { peers.Unmount(t, dir) })
	im, err := format.OpenFile(fmt.Sprintf("%s/vhdi%d", dir, chain), &format.Options{Format: "raw"})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := Compare(context.Background(), im, want, true, nil); d != nil || err != nil {
		t.Errorf("vhdimount reads otherwise: %+v, %v", d, err)
	}
	im.Close()
	peers.Unmount(t, dir)
}

// changed is a disk of which some sectors are others than those of the disk
// beneath, to which it leaves the rest.
type changed struct {
	block.Device
	top map[int64]byte // a sector full of it; 0 for zeros
}

func (c changed) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Device.ReadAt(p, off)
	for i := range p[:n] {
		if v, ok := c.top[(off+int64(i))/512]; ok {
			p[i] = v
		}
	}
	return n, err
}

func (c changed) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= c.Size() {
		return block.Extent{}, io.EOF
	}
	v, ok := c.top[off/512]
	e := block.Extent{Off: off, Len: min(512-off%512, c.Size()-off), Zero: ok && v == 0}
	if !ok {
		e.Depth = 1
	}
	return e, nil
}

// TestDifferencingVHD writes a chain of three images.
func TestDifferencingVHD(t *testing.T) {
	dir := t.TempDir()
	base := openImage(t, sample(t, 9<<20+3*512), "raw")
	if _, err := ToFile(context.Background(), base, &Output{Path: dir + "/base.vhd", Format: "vhd"}, nil); err != nil {
		t.Fatal(err)
	}
	end := base.Size()/512 - 1
	want, below := block.Device(base), "base.vhd"
	for n, top := range []map[int64]byte{
		{0: 7, 1: 0, 3: 9, 4095: 8, 4096: 6, 9000: 0, 9001: 0, end: 5},
		{0: 0, 2: 1, 4096: 3, 13000: 4, end: 0},
	} {
		name := fmt.Sprintf("top%d.vhd", n)
		im, err := format.OpenFile(dir+"/"+below, &format.Options{FollowOwnDir: true})
		if err != nil {
			t.Fatal(err)
		}
		parent := &vhd.Parent{Name: below, UUID: im.(interface{ Unwrap() block.Device }).Unwrap().(*vhd.Image).UUID(), Size: im.Size()}
		im.Close()
		src := changed{want, top}
		out := &Output{Path: dir + "/" + name, Format: "vhd", VHD: vhd.Layout{Parent: parent}}
		res, err := ToFile(context.Background(), src, out, &Options{KeepDepth: 1})
		if err != nil || res.Kept < base.Size()-int64(len(top))*4096 {
			t.Fatalf("%+v, %v", res, err)
		}
		want, below = src, name
		im, err = format.OpenFile(dir+"/"+below, &format.Options{FollowOwnDir: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { im.Close() })
		if d, err := Compare(context.Background(), want, im, true, nil); d != nil || err != nil {
			t.Errorf("Compare = %+v, %v", d, err)
		}
		check, err := format.CheckFile(context.Background(), dir+"/"+below, nil, func(f format.Fault) { t.Error(f.Err) })
		if err != nil || !check.Clean() || check.Allocated == 0 || check.Allocated == check.Total {
			t.Errorf("CheckFile = %+v, %v", check, err)
		}
		for sector, v := range top {
			if e, err := im.Extent(sector * 512); err != nil || e.Depth != 0 || e.Unset || v != 0 && e.Zero {
				t.Errorf("sector %d: %+v, %v", sector, e, err)
			}
		}
		if e, err := im.Extent(20 * 512); err != nil || e.Depth == 0 {
			t.Errorf("a sector of the parent: %+v, %v", e, err)
		}
		peers.Need(t, "vhdimount")
		sameMounted(t, want, dir+"/"+below, n+2)
	}
}

// qemuName is what qemu-img calls a format.
func qemuName(format string) string {
	if format == "vhd" {
		return "vpc"
	}
	return format
}

// qemuSize is the size of the disk as qemu-img sees it.
func qemuSize(t *testing.T, out *Output) int64 {
	t.Helper()
	var info struct {
		Size int64 `json:"virtual-size"`
	}
	if err := json.Unmarshal([]byte(peers.Run(t, "qemu-img", "info", "-f", qemuName(out.Format), "--output=json", out.Path)), &info); err != nil {
		t.Error(err)
	}
	return info.Size
}

// pins is a disk of zeros with a byte here and there.
type pins struct {
	holes
	at map[int64]byte
}

func (p pins) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.holes.ReadAt(b, off)
	for at, v := range p.at {
		if at >= off && at < off+int64(n) {
			b[at-off] = v
		}
	}
	return n, err
}

func (p pins) Extent(off int64) (block.Extent, error) {
	e, err := p.holes.Extent(off)
	for at := range p.at {
		switch start := at &^ 511; {
		case off >= start && off < start+512:
			return block.Extent{Off: off, Len: start + 512 - off}, nil
		case start > off:
			e.Len = min(e.Len, start-off)
		}
	}
	return e, err
}

// TestLargeHypervisors writes disks past the limits of geometries and of 32
// bits, and the largest ones.
func TestLargeHypervisors(t *testing.T) {
	const tib = 1 << 40
	for _, x := range []struct {
		out  Output
		size int64
	}{
		{Output{Format: "vhd"}, 140<<30 + 512},
		{Output{Format: "vhd", VHD: vhd.Layout{Geometry: true}}, 140 << 30},
		{Output{Format: "vhd"}, vhd.MaxSize},
		{Output{Format: "vhdx"}, tib + 4096},
		{Output{Format: "vhdx", VHDX: vhdx.Layout{BlockSize: 1 << 20}}, tib},
		{Output{Format: "vhdx"}, vhdx.MaxSize},
		{Output{Format: "vdi"}, tib + 512},
	} {
		t.Run(fmt.Sprintf("%s of %d", x.out.Format, x.size), func(t *testing.T) {
			src := pins{holes(x.size), map[int64]byte{0: 1, 2<<20 - 1: 2, 127 << 30: 3, x.size / 2: 4, x.size - 1: 5}}
			out := x.out
			out.Path, out.File.NoSync = filepath.Join(t.TempDir(), "out"), true
			if _, err := ToFile(context.Background(), src, &out, nil); err != nil {
				t.Fatal(err)
			}
			im := openImage(t, out.Path, out.Format)
			if d, err := Compare(context.Background(), src, im, true, nil); d != nil || err != nil {
				t.Errorf("Compare = %+v, %v", d, err)
			}
			// qemu-img compare would read all the zeros.
			for at, v := range src.at {
				if got := qemuReads(t, &out, at, v); strings.Contains(got, "failed") || !strings.Contains(got, "read 1/1") {
					t.Errorf("qemu-io at %d: %s", at, got)
				}
			}
			if n := qemuSize(t, &out); n != x.size {
				t.Errorf("qemu-img takes the disk for %d bytes", n)
			}
		})
	}
}

// TestLargeFixedVHD writes a fixed VHD above the limit of the other types, which
// qemu refuses and libvhdi reads.
func TestLargeFixedVHD(t *testing.T) {
	const size = 4095 << 30
	src := pins{holes(size), map[int64]byte{0: 1, vhd.MaxSize - 1: 2, vhd.MaxSize: 3, size - 1: 4}}
	out := Output{Path: filepath.Join(t.TempDir(), "out"), Format: "vhd", VHD: vhd.Layout{Subformat: "fixed"}, File: FileOptions{NoSync: true}}
	if _, err := ToFile(context.Background(), src, &out, nil); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(out.Path); err != nil || fi.Size() != size+512 {
		t.Fatal(fi.Size(), err)
	}
	im := openImage(t, out.Path, "vhd")
	if im.Size() != size {
		t.Errorf("it reads as %d bytes", im.Size())
	}
	for at, v := range src.at {
		var b [1]byte
		if err := block.ReadFull(im, b[:], at); err != nil || b[0] != v {
			t.Errorf("byte %d is %d, %v", at, b[0], err)
		}
	}
	peers.Need(t, "vhdiinfo")
	if text := peers.Run(t, "vhdiinfo", out.Path); !strings.Contains(text, fmt.Sprintf("(%d bytes)", int64(size))) {
		t.Error(text)
	}
}

// qemuReads lets qemu-io compare a byte.
func qemuReads(t *testing.T, out *Output, at int64, v byte) string {
	return peers.Run(t, "qemu-io", "-r", "-f", qemuName(out.Format), "-c", fmt.Sprintf("read -P %d %d 1", v, at), out.Path)
}

// TestHypervisorLimits refuses what the formats cannot say.
func TestHypervisorLimits(t *testing.T) {
	limit, option := block.ErrLimit, error(nil)
	for _, x := range []struct {
		out  Output
		size int64
		want error // nil for any
	}{
		{Output{Format: "vhd"}, vhd.MaxSize + 1, limit},
		{Output{Format: "vhd", VHD: vhd.Layout{Subformat: "fixed"}}, vhd.MaxFixedSize + 1, limit},
		{Output{Format: "vhdx"}, vhdx.MaxSize + 1, limit},
		{Output{Format: "vdi"}, vdi.MaxSize + 1, limit},
		{Output{Format: "vhd", VHD: vhd.Layout{Subformat: "sparse"}}, 1, option},
		{Output{Format: "vhd", VHD: vhd.Layout{Subformat: "fixed"}}, 0, option},
		{Output{Format: "vhd", VHD: vhd.Layout{BlockSize: 3 << 20}}, 1, option},
		{Output{Format: "vhd", VHD: vhd.Layout{BlockSize: 256 << 10}}, 1, option},
		{Output{Format: "vhdx", VHDX: vhdx.Layout{BlockSize: 512 << 20}}, 1, option},
		{Output{Format: "vhdx", VHDX: vhdx.Layout{LogSize: 4096}}, 1, option},
		{Output{Format: "vhdx", VHDX: vhdx.Layout{LogicalSector: 1024}}, 1, option},
		{Output{Format: "vhdx", VHDX: vhdx.Layout{Subformat: "differencing"}}, 1, option},
		{Output{Format: "vhdx"}, 0, option},
		{Output{Format: "vdi"}, -1, option},
	} {
		dir := t.TempDir()
		x.out.Path = dir + "/out"
		if err := Create(&x.out, x.size); err == nil || x.want != nil && !errors.Is(err, x.want) {
			t.Errorf("%s of %d bytes: %v, want %v", x.out.Format, x.size, err, x.want)
		}
		nothing(t, dir)
	}
}

// TestHypervisorsAreNoImageBefore cuts a copy short before each write of its
// Commit: what is there by then must not be taken for an image.
func TestHypervisorsAreNoImageBefore(t *testing.T) {
	src := bytesDisk(3 << 20)
	for _, x := range hypervisors {
		for k := 1; ; k++ {
			dir := t.TempDir()
			f, err := CreateFile(dir+"/out", &FileOptions{NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			var left atomic.Int64
			left.Store(int64(k))
			out := x.out
			w, err := writerOf(out.Format)
			if err != nil {
				t.Fatal(err)
			}
			target, err := w.start(&out, src.Size(), failing{f, &left}, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Run(context.Background(), src, target, &Options{Workers: 1})
			target.Close()
			if left.Load() > 0 {
				if err != nil || k < 6 {
					t.Fatalf("%s: %d operations, %v", x.name, k, err)
				}
				f.Close()
				break
			}
			if !errors.Is(err, errFull) {
				t.Fatalf("%s: operation %d failed, and the error is %v", x.name, k, err)
			}
			n, _ := f.Seek(0, io.SeekEnd)
			im, err := format.Open(sized{f, n}, &format.Options{Format: out.Format})
			if err == nil { // nothing was missing but the other footer, or to wait for the disk
				if d, err := Compare(context.Background(), src, im, false, nil); d != nil || err != nil {
					t.Errorf("%s: operation %d failed, and there is an image: %+v, %v", x.name, k, d, err)
				}
			}
			f.Close()
		}
	}
}

// TestHypervisorsReadLittle reads 4 KiB of disks of 1 TiB, which takes a page
// of the table and not the table.
func TestHypervisorsReadLittle(t *testing.T) {
	const size = 1 << 40
	for _, out := range []Output{{Format: "vhd"}, {Format: "vhdx", VHDX: vhdx.Layout{BlockSize: 1 << 20}}, {Format: "vdi"}, {Format: "vmdk"}} {
		out.Path, out.File.NoSync = filepath.Join(t.TempDir(), "out"), true
		if _, err := ToFile(context.Background(), pins{holes(size), map[int64]byte{size/2 + 5: 7}}, &out, nil); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		im, err := format.OpenFile(out.Path, &format.Options{Format: out.Format})
		if err != nil {
			t.Fatal(err)
		}
		_, err = im.ReadAt(b, size/2)
		runtime.ReadMemStats(&after)
		im.Close()
		if n := after.TotalAlloc - before.TotalAlloc; err != nil || b[5] != 7 || n > 512<<10 {
			t.Errorf("%s: %d bytes were allocated for a read of 4 KiB (%v)", out.Format, n, err)
		}
	}
}

// TestHolesOfPreallocated reads the holes of files in which every block has its
// place: who copies such a disk must not read terabytes of zeros.
func TestHolesOfPreallocated(t *testing.T) {
	const size = 64 << 20
	for _, out := range []Output{
		{Format: "vhd", VHD: vhd.Layout{Subformat: "fixed"}},
		{Format: "vhdx", VHDX: vhdx.Layout{Subformat: "fixed"}},
		{Format: "vdi", VDI: vdi.Layout{Subformat: "static"}},
		{Format: "vmdk", VMDK: vmdk.Layout{Subformat: vmdk.MonolithicFlat}},
	} {
		out.Path, out.File.NoSync = filepath.Join(t.TempDir(), "out"), true
		src := pins{holes(size), map[int64]byte{3 << 20: 7, 40 << 20: 9}}
		if _, err := ToFile(context.Background(), src, &out, nil); err != nil {
			t.Fatal(err)
		}
		host, err := format.OpenHostFile(out.Path)
		if err != nil {
			t.Fatal(err)
		}
		knows := false
		for e, err := range block.Extents(host, 0, host.Size()) {
			knows = knows || err == nil && e.Zero
		}
		host.Close()
		if !knows && out.Format != "vmdk" {
			t.Skip("the file system tells no holes")
		}
		im := openImage(t, out.Path, out.Format)
		data := int64(0)
		for e, err := range block.Extents(im, 0, size) {
			if err != nil {
				t.Fatal(err)
			}
			if !e.Zero {
				data += e.Len
			}
		}
		if data == 0 || data > 1<<20 {
			t.Errorf("%s: %d bytes are said to be data", out.Format, data)
		}
		if d, err := Compare(context.Background(), src, im, true, nil); d != nil || err != nil {
			t.Errorf("%s: Compare = %+v, %v", out.Format, d, err)
		}
	}
}
