package format_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestArchives opens archives of other kinds than tar as they are, packed and
// checked.
func TestArchives(t *testing.T) {
	dir := t.TempDir()
	data := make([]byte, 1<<20)
	copy(data[64<<10:], bytes.Repeat([]byte("guestkit"), 8<<10))
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pack := func(b []byte) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		z.Write(b)
		z.Close()
		return out.Bytes()
	}
	zipped := func(names ...string) []byte {
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		for _, name := range names {
			f, err := z.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			f.Write(data)
		}
		z.Close()
		return out.Bytes()
	}
	fixture := func(name string) []byte {
		b, err := os.ReadFile("../ova/testdata/" + name + ".gz")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	o := &format.Options{Unwrap: true}
	path := write("disk.zip", zipped("disk.raw"))
	im, err := format.OpenFile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, im, bytes.NewReader(data), 64<<10)
	im.Close()
	for name, c := range map[string]struct {
		image  []byte
		format string
		disks  int
	}{
		"disk.zip":    {zipped("disk.raw"), "zip", 1},
		"disk.zip.gz": {pack(zipped("disk.raw")), "zip", 1},
		"two.zip":     {zipped("a.raw", "b.raw"), "zip", 2},
		"vm.vma.gz":   {fixture("two.vma"), "vma", 2},
		"vm.xva.gz":   {fixture("two.xva"), "xva", 2},
	} {
		path := write(name, c.image)
		info, _, err := format.DescribeFile(path, o)
		if err != nil || info.Format != c.format || len(info.Disks) != c.disks {
			t.Errorf("%s: %+v, %v", name, info, err)
			continue
		}
		images, err := format.OpenFileDisks(path, o)
		if err != nil || len(images) != c.disks {
			t.Fatal(name, len(images), err)
		}
		for _, im := range images {
			im.Close()
		}
		if _, err := format.OpenFile(path, o); (err == nil) != (c.disks == 1) {
			t.Errorf("%s as one disk: %v", name, err)
		}
		res, err := format.CheckFile(t.Context(), path, o, nil)
		if err != nil || !res.Clean() || len(res.Package.Disks) < c.disks || res.Package.Disks[0].Result == nil {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
	}
	// What no name and no content calls a disk is none, unless that is stated.
	path = write("notes.zip", zipped("notes"))
	if _, err := format.OpenFile(path, o); !errors.Is(err, block.ErrUnsupported) {
		t.Error(err)
	}
	if im, err = format.OpenFile(path, &format.Options{DiskFormat: "raw"}); err != nil {
		t.Fatal(err)
	}
	im.Close()
	bad := zipped("disk.raw")
	bad[bytes.LastIndex(bad, []byte("PK\x01\x02"))+16] ^= 1
	if res, err := format.CheckFile(t.Context(), write("bad.zip", bad), o, nil); err == nil && res.Clean() && res.Package.Disks[0].Err == nil {
		t.Errorf("a wrong checksum: %+v", res)
	}
}

// TestCheckWrapped checks an image in a compressed file.
func TestCheckWrapped(t *testing.T) {
	peers.Need(t, "qemu-img", "gzip")
	path := filepath.Join(t.TempDir(), "x.qcow2")
	peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "1M")
	peers.Run(t, "gzip", path)
	res, err := format.CheckFile(t.Context(), path+".gz", &format.Options{Unwrap: true}, nil)
	if err != nil || !res.Clean() || res.Format != "qcow2" {
		t.Errorf("%+v, %v", res, err)
	}
}
