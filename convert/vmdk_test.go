package convert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/vmdk"
)

// TestWriteVMDK has every subformat judged: by the reader, by qemu-img, and by
// vmdkmount.
func TestWriteVMDK(t *testing.T) {
	type want struct {
		name string
		l    vmdk.Layout
	}
	var all []want
	for _, s := range vmdk.Subformats() {
		for i, a := range vmdk.Adapters() {
			l := vmdk.Layout{Subformat: s, Adapter: a}
			if i == 1 {
				l.HWVersion, l.ToolsVersion = 13, "10338"
			}
			all = append(all, want{fmt.Sprintf("%s %s", s, a), l})
		}
	}
	all = append(all,
		want{"zeroed grains", vmdk.Layout{ZeroedGrain: true}},
		want{"small grains", vmdk.Layout{GrainSize: 8 << 10}},
		want{"large grains", vmdk.Layout{GrainSize: 1 << 20, Subformat: vmdk.TwoGbMaxExtentSparse}},
		want{"stream of small grains", vmdk.Layout{GrainSize: 8 << 10, Subformat: vmdk.StreamOptimized}})
	for i, x := range all {
		t.Run(x.name, func(t *testing.T) {
			size := []int64{4<<20 + 512*3, 512, 3<<20 - 100, 2 << 20}[i%4]
			src := openImage(t, sample(t, size), "raw")
			out := &Output{Path: filepath.Join(t.TempDir(), "out.vmdk"), Format: "vmdk", VMDK: x.l, Verify: true}
			if _, err := ToFile(context.Background(), src, out, nil); err != nil {
				t.Fatal(err)
			}
			judgeVMDK(t, src, out.Path)
		})
	}
}

// judgeVMDK compares an image with the disk that was its source.
func judgeVMDK(t *testing.T, src format.Image, path string) {
	t.Helper()
	im := openImage(t, path, "vmdk")
	if p := im.Problems(); len(p) > 0 {
		t.Errorf("problems: %v", p)
	}
	if im.Size() != src.Size()+(-src.Size()&511) {
		t.Errorf("%d bytes became %d", src.Size(), im.Size())
	}
	if d, err := Compare(context.Background(), src, im, false, nil); d != nil || err != nil {
		t.Errorf("Compare = %+v, %v", d, err)
	}
	res, err := format.CheckFile(context.Background(), path, &format.Options{FollowOwnDir: true}, func(f format.Fault) { t.Error(f.Err) })
	if err != nil || !res.Clean() || res.Dirty {
		t.Errorf("CheckFile = %+v, %v", res, err)
	}
	peers.Need(t, "qemu-img", "vmdkmount")
	peers.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "vmdk", src.Info().Name, path)
	if out := peers.Run(t, "qemu-img", "check", "-f", "vmdk", path); !strings.Contains(out, "No errors were found") {
		t.Errorf("qemu-img check: %s", out)
	}
	var info struct {
		Size   int64 `json:"virtual-size"`
		Format struct {
			Data struct {
				CreateType string `json:"create-type"`
			}
		} `json:"format-specific"`
	}
	if err := json.Unmarshal([]byte(peers.Run(t, "qemu-img", "info", "--output=json", path)), &info); err != nil {
		t.Fatal(err)
	}
	if info.Size != im.Size() || info.Format.Data.CreateType != im.Info().Subformat {
		t.Errorf("qemu-img info says %+v", info)
	}
	if im.Info().Subformat == string(vmdk.MonolithicFlat) {
		return // libvmdk mounts no such disk, whoever made it
	}
	peers.NeedRoot(t)
	dir := t.TempDir()
	peers.Run(t, "vmdkmount", path, dir)
	t.Cleanup(func() { peers.Unmount(t, dir) })
	mounted, err := format.OpenFile(dir+"/vmdk1", &format.Options{Format: "raw"})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := Compare(context.Background(), mounted, im, true, nil); d != nil || err != nil {
		t.Errorf("vmdkmount reads otherwise: %+v, %v", d, err)
	}
	mounted.Close()
	peers.Unmount(t, dir)
}

// TestEmptyVMDK creates disks of which nothing is written.
func TestEmptyVMDK(t *testing.T) {
	for _, s := range vmdk.Subformats() {
		for _, size := range []int64{512, 1 << 20, 5 << 30} {
			out := &Output{Path: filepath.Join(t.TempDir(), "empty.vmdk"), Format: "vmdk", VMDK: vmdk.Layout{Subformat: s}}
			if err := Create(out, size); err != nil {
				t.Fatal(err)
			}
			im := openImage(t, out.Path, "vmdk")
			e, err := im.Extent(0)
			if im.Size() != size || err != nil || !e.Zero {
				t.Errorf("%s of %d bytes: %d, %+v, %v", s, size, im.Size(), e, err)
			}
			if size == 1<<20 {
				judgeVMDK(t, openImage(t, empty(t, size), "raw"), out.Path)
			}
		}
	}
}

func empty(t *testing.T, size int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "empty.raw")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestSplitVMDK writes extents of 2047 MiB, of which qemu reads more than the
// first.
func TestSplitVMDK(t *testing.T) {
	peers.Need(t, "qemu-io")
	raw := empty(t, 4500<<20)
	peers.Run(t, "qemu-io", "-f", "raw", "-c", "write -P 1 0 1M", "-c", "write -P 2 2046M 3M", "-c", "write -P 3 4093M 2M", "-c", "write -P 4 4499M 1M", raw)
	src := openImage(t, raw, "raw")
	for _, s := range []string{vmdk.TwoGbMaxExtentSparse, vmdk.TwoGbMaxExtentFlat} {
		out := &Output{Path: filepath.Join(t.TempDir(), "big.vmdk"), Format: "vmdk", VMDK: vmdk.Layout{Subformat: s}}
		if _, err := ToFile(context.Background(), src, out, nil); err != nil {
			t.Fatal(err)
		}
		im := openImage(t, out.Path, "vmdk")
		if d, err := Compare(context.Background(), src, im, true, nil); d != nil || err != nil {
			t.Errorf("%s: %+v, %v", s, d, err)
		}
		peers.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, out.Path)
	}
}

// TestSeveralFiles is about outputs of several files: all of them appear, or
// none.
func TestSeveralFiles(t *testing.T) {
	src := bytesDisk(1 << 20)
	flat := func(dir string) *Output {
		return &Output{Path: dir + "/out.vmdk", Format: "vmdk", VMDK: vmdk.Layout{Subformat: vmdk.MonolithicFlat}}
	}
	t.Run("the extent exists", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/out-flat.vmdk", []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ToFile(context.Background(), src, flat(dir), nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("err = %v", err)
		}
		if b, _ := os.ReadFile(dir + "/out-flat.vmdk"); string(b) != "old" {
			t.Errorf("it was changed: %q", b)
		}
		os.Remove(dir + "/out-flat.vmdk")
		nothing(t, dir)
	})
	t.Run("the descriptor appears meanwhile", func(t *testing.T) {
		dir := t.TempDir()
		_, err := ToFile(context.Background(), src, flat(dir), &Options{Progress: func(Progress) {
			os.WriteFile(dir+"/out.vmdk", []byte("other"), 0o600)
		}})
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("err = %v", err)
		}
		os.Remove(dir + "/out.vmdk")
		nothing(t, dir)
	})
	t.Run("replaced", func(t *testing.T) {
		dir := t.TempDir()
		out := flat(dir)
		out.File.Replace = true
		for range 2 {
			if _, err := ToFile(context.Background(), src, out, nil); err != nil {
				t.Fatal(err)
			}
		}
		if d, err := Compare(context.Background(), src, openImage(t, out.Path, "vmdk"), true, nil); d != nil || err != nil {
			t.Errorf("%+v, %v", d, err)
		}
		// What was replaced is not taken away.
		if err := os.Remove(out.Path); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(out.Path, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := ToFile(context.Background(), src, out, nil); err == nil {
			t.Error("a folder was replaced")
		}
		if _, err := os.Stat(dir + "/out-flat.vmdk"); err != nil {
			t.Error(err)
		}
	})
	t.Run("the source is an extent", func(t *testing.T) {
		dir := t.TempDir()
		if _, err := ToFile(context.Background(), src, flat(dir), nil); err != nil {
			t.Fatal(err)
		}
		out := flat(dir)
		out.File = FileOptions{Replace: true, Sources: []string{dir + "/out-flat.vmdk"}}
		if _, err := ToFile(context.Background(), openImage(t, dir+"/out-flat.vmdk", "raw"), out, nil); !errors.Is(err, block.ErrRefused) {
			t.Errorf("err = %v", err)
		}
	})
}

// TestMeasureVMDK compares with what is written.
func TestMeasureVMDK(t *testing.T) {
	src := openImage(t, sample(t, 4<<20+512), "raw")
	for _, s := range vmdk.Subformats() {
		dir := t.TempDir()
		out := &Output{Path: dir + "/out.vmdk", Format: "vmdk", VMDK: vmdk.Layout{Subformat: s, CID: 1}}
		exact, err := MeasureDisk(context.Background(), src, out, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		bound, err := MeasureDisk(context.Background(), src, out, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ToFile(context.Background(), src, out, nil); err != nil {
			t.Fatal(err)
		}
		size := int64(0)
		names, _ := filepath.Glob(dir + "/*.vmdk")
		for _, name := range names {
			fi, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			size += fi.Size()
		}
		if exact.Required != size || bound.Required < size || bound.FullyAllocated < bound.Required {
			t.Errorf("%s: measured %+v and %+v, written are %d bytes", s, exact, bound, size)
		}
	}
}

// TestVMDKHost says that the extents of an image of several files lie in host
// files, so that they can be copied in the kernel.
func TestVMDKHost(t *testing.T) {
	src := openImage(t, sample(t, 4<<20), "raw")
	for _, s := range vmdk.Subformats() {
		out := &Output{Path: filepath.Join(t.TempDir(), "out.vmdk"), Format: "vmdk", VMDK: vmdk.Layout{Subformat: s}}
		if _, err := ToFile(context.Background(), src, out, nil); err != nil {
			t.Fatal(err)
		}
		data := int64(0)
		for e, err := range block.Extents(openImage(t, out.Path, "vmdk"), 0, 4<<20) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Zero || e.Compressed {
				continue
			}
			data += e.Len
			h, ok := e.Host.(*format.HostFile)
			if !ok {
				t.Fatalf("%s: the data at %#x lies in a %T", s, e.Off, e.Host)
			}
			got, want := make([]byte, e.Len), make([]byte, e.Len)
			if _, err := h.File().ReadAt(got, e.HostOff); err != nil {
				t.Fatal(err)
			}
			if err := block.ReadFull(src, want, e.Off); err != nil || string(got) != string(want) {
				t.Fatalf("%s: the data at %#x lies elsewhere: %v", s, e.Off, err)
			}
		}
		if data == 0 && s != vmdk.StreamOptimized {
			t.Errorf("%s: no data", s)
		}
	}
}
