package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/vmdk"
)

// names lists a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// joined is what the files hold, one behind the other.
func joined(t *testing.T, dir string, files ...string) []byte {
	t.Helper()
	var out []byte
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

// holed is a disk of n bytes with data, zeros and an end that is no sector.
func holed(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		if i/(100<<10)%3 != 1 {
			b[i] = byte(i>>8 ^ i)
		}
	}
	return b
}

func TestSplit(t *testing.T) {
	disk := holed(2<<20 + 17)
	for _, c := range []struct {
		size  int64
		bytes int
		parts int
	}{{1 << 20, len(disk), 3}, {1 << 20, 2 << 20, 2}, {1 << 30, len(disk), 1}, {4096, 3*4096 + 1, 4}} {
		want := disk[:c.bytes]
		for _, path := range []string{"disk.raw", "disk.raw.001"} {
			for _, stream := range []bool{false, true} {
				dir := t.TempDir()
				out := &Output{Path: filepath.Join(dir, path), Format: "raw", SplitSize: c.size, Verify: true}
				var res Result
				var err error
				if stream {
					res, err = StreamToFile(context.Background(), unsized{bytes.NewReader(want)}, out, nil)
				} else {
					res, err = ToFile(context.Background(), block.Plain(bytes.NewReader(want)), out, nil)
				}
				if err != nil || res.File != int64(len(want)) {
					t.Fatalf("%+v, stream %t: %+v, %v", c, stream, res, err)
				}
				var files []string
				for i := range c.parts {
					files = append(files, fmt.Sprintf("disk.raw.%03d", i+1))
				}
				if got := names(t, dir); !slices.Equal(got, files) {
					t.Fatalf("%+v: the files are %q", c, got)
				}
				if !bytes.Equal(joined(t, dir, files...), want) {
					t.Errorf("%+v, stream %t: the parts are not the disk", c, stream)
				}
				im, err := format.OpenFile(filepath.Join(dir, files[0]), nil)
				if err != nil {
					t.Fatal(err)
				}
				if d, err := Compare(context.Background(), block.Plain(bytes.NewReader(want)), im, true, nil); d != nil || err != nil {
					t.Errorf("%+v: reads differently: %v, %v", c, d, err)
				}
				im.Close()
				if m, err := MeasureDisk(context.Background(), block.Plain(bytes.NewReader(want)), out, nil, false); err != nil || m.Required != int64(len(want)) {
					t.Errorf("measured %+v, %v", m, err)
				}
			}
		}
	}
}

// unsized is a stream of unknown size.
type unsized struct{ *bytes.Reader }

func (unsized) Size() int64 { return -1 }

// TestSplitReplaces: no part of another image is left beside those of a new one,
// where it would be read as a part of it, and none is replaced unasked.
func TestSplitReplaces(t *testing.T) {
	dir := t.TempDir()
	out := &Output{Path: filepath.Join(dir, "d"), Format: "raw", SplitSize: 8192}
	write := func(n int) error {
		_, err := ToFile(context.Background(), block.Plain(bytes.NewReader(holed(n))), out, nil)
		return err
	}
	if err := write(5 * 8192); err != nil {
		t.Fatal(err)
	}
	old := joined(t, dir, "d.001", "d.002", "d.003", "d.004", "d.005")
	if err := write(2 * 8192); !errors.Is(err, fs.ErrExist) {
		t.Errorf("unasked: %v", err)
	}
	for _, name := range []string{"d.001", "d.002"} { // any part keeps a new image from being written
		os.Remove(filepath.Join(dir, name))
		if err := write(2 * 8192); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "read as a part") {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if got := names(t, dir); len(got) != 3 {
		t.Fatalf("left are %q", got)
	}
	for i, b := range [][]byte{old[:8192], old[8192:16384]} {
		os.WriteFile(filepath.Join(dir, fmt.Sprintf("d.%03d", i+1)), b, 0o600)
	}
	out.File.Replace = true
	// A run that fails leaves the old image as it was.
	if _, err := ToFile(context.Background(), lost{block.Plain(bytes.NewReader(holed(4 * 8192)))}, out, nil); err == nil {
		t.Error("a source that cannot be read was copied")
	}
	if !bytes.Equal(joined(t, dir, "d.001", "d.002", "d.003", "d.004", "d.005"), old) || len(names(t, dir)) != 5 {
		t.Errorf("after a failure there are %q", names(t, dir))
	}
	// A part that is a source, or no file, is not removed.
	out.File.Sources = []string{filepath.Join(dir, "d.004")}
	if err := write(2 * 8192); !errors.Is(err, block.ErrRefused) || len(names(t, dir)) != 5 {
		t.Errorf("an old part is the source: %v, and %q", err, names(t, dir))
	}
	out.File.Sources = nil
	if err := write(2 * 8192); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"d.001", "d.002"}) || !bytes.Equal(joined(t, dir, got...), holed(2*8192)) {
		t.Errorf("replaced: %q", got)
	}
	// A raw image that is not cut, under the name of a first part.
	plain := &Output{Path: filepath.Join(dir, "d.001"), Format: "raw", File: FileOptions{Replace: true}}
	if _, err := ToFile(context.Background(), block.Plain(bytes.NewReader(holed(8192))), plain, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("beside a part of another image: %v", err)
	}
}

func TestSplitRefused(t *testing.T) {
	for name, out := range map[string]*Output{
		"not aligned": {Format: "raw", SplitSize: 5000}, "too many": {Format: "raw", SplitSize: 4096}, "qcow2": {Format: "qcow2", SplitSize: 1 << 20},
		"a device":                 {Format: "raw", SplitSize: 1 << 20, Device: true},
		"a VMDK that is not split": {Format: "vmdk", VMDK: vmdk.Layout{SplitSize: 1 << 20}},
		"an extent above 2 GiB":    {Format: "vmdk", VMDK: vmdk.Layout{Subformat: vmdk.TwoGbMaxExtentFlat, SplitSize: 4 << 30}},
		"half a MiB":               {Format: "vmdk", VMDK: vmdk.Layout{Subformat: vmdk.TwoGbMaxExtentFlat, SplitSize: 1 << 19}},
	} {
		dir := t.TempDir()
		out.Path = filepath.Join(dir, "x")
		if _, err := ToFile(context.Background(), block.Plain(bytes.NewReader(make([]byte, 5<<20))), out, nil); err == nil || len(names(t, dir)) > 0 {
			t.Errorf("%s: %v, and there are %q", name, err, names(t, dir))
		}
	}
	// A stream gets too long for its parts.
	dir := t.TempDir()
	out := &Output{Path: filepath.Join(dir, "x"), Format: "raw", SplitSize: 4096}
	if _, err := StreamToFile(context.Background(), unsized{bytes.NewReader(make([]byte, 5<<20))}, out, nil); !errors.Is(err, block.ErrLimit) || len(names(t, dir)) > 0 {
		t.Errorf("a long stream: %v, and there are %q", err, names(t, dir))
	}
}

// TestSplitSizeVMDK: extents have the size that is asked for, and other programs read
// them.
func TestSplitSizeVMDK(t *testing.T) {
	disk := holed(10 << 20)
	for _, sub := range []string{vmdk.TwoGbMaxExtentSparse, vmdk.TwoGbMaxExtentFlat} {
		dir := t.TempDir()
		out := &Output{Path: filepath.Join(dir, "x.vmdk"), Format: "vmdk", VMDK: vmdk.Layout{Subformat: sub, SplitSize: 3 << 20}, Verify: true}
		if _, err := ToFile(context.Background(), block.Plain(bytes.NewReader(disk)), out, nil); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(out.Path)
		if got := names(t, dir); err != nil || len(got) != 5 || strings.Count(string(text), "RW 6144 ") != 3 || strings.Count(string(text), "RW 2048 ") != 1 {
			t.Errorf("%s: %q, %s, %v", sub, got, text, err)
		}
		t.Run("peer "+string(sub), func(t *testing.T) {
			peers.Need(t, "qemu-img")
			raw := filepath.Join(dir, "raw")
			if err := os.WriteFile(raw, disk, 0o600); err != nil {
				t.Fatal(err)
			}
			peers.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, out.Path)
		})
	}
}

// lost is a disk whose end cannot be read.
type lost struct{ block.Device }

func (d lost) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > d.Size()/2 {
		return 0, errors.New("lost")
	}
	return d.Device.ReadAt(p, off)
}
