package fuzz_test

import (
	"bytes"
	iofs "io/fs"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/fs/fat"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/partition"
	"github.com/guestkit/guestkit/volume"
)

// gzSeeds gives f the start of each fixture that the pattern names, up to n
// bytes.
func gzSeeds(f *testing.F, pattern string, n int) {
	f.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range paths {
		b := testimg.Unpack(f, path)
		f.Add(b[:min(len(b), n)])
	}
}

// FuzzPartition reads a partition table and the tree of volumes: what is found
// lies inside the disk, numbers rise, and names are unique.
func FuzzPartition(f *testing.F) {
	gzSeeds(f, "../partition/testdata/*.img.gz", 24<<10)
	f.Fuzz(func(t *testing.T, b []byte) {
		d := block.Plain(bytes.NewReader(b))
		table, err := partition.Read(d, nil)
		if err == nil {
			last := 0
			for _, p := range table.Partitions {
				if p.Start < 0 || p.Size < 0 || p.Start > d.Size() || p.Size > d.Size()-p.Start || p.Number <= last {
					t.Fatalf("%+v after %d on %d bytes", p, last, d.Size())
				}
				last = p.Number
			}
		}
		tree, err := volume.Scan(t.Context(), []block.Device{d, d}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range tree.Volumes {
			if w, ok := tree.Lookup(v.Name); !ok || w != v || v.Device.Size() != v.Size {
				t.Fatalf("%+v", v)
			}
		}
	})
}

// FuzzFAT lists a volume and reads its files; a name that is listed is found.
func FuzzFAT(f *testing.F) {
	gzSeeds(f, "../fs/fat/testdata/*.img.gz", 64<<10)
	f.Fuzz(func(t *testing.T, b []byte) {
		fsys, err := fat.Open(bytes.NewReader(b), nil)
		if err != nil {
			return
		}
		visits := 0
		iofs.WalkDir(fsys, ".", func(p string, d iofs.DirEntry, err error) error {
			if visits++; visits > 200 {
				return iofs.SkipAll
			}
			if err != nil || !d.Type().IsRegular() {
				return nil
			}
			file, err := fsys.Open(p)
			if err != nil {
				return nil
			}
			defer file.Close()
			dev := file.(*vfs.File)
			n := min(dev.Size(), 64<<10)
			got, err := block.ReadBytes(dev, 0, n, n)
			if err != nil {
				return nil
			}
			for e, err := range block.Extents(dev, 0, n) {
				if err != nil {
					t.Fatalf("%s is read, and its extents are not: %v", p, err)
				}
				same := make([]byte, e.Len)
				if err := block.ReadFull(e.Host, same, e.HostOff); err != nil || !bytes.Equal(same, got[e.Off:e.Off+e.Len]) {
					t.Fatalf("%s: extent %+v: %v", p, e, err)
				}
			}
			return nil
		})
		_ = fsys.Problems()
	})
}

// FuzzVolumeProbe says what a volume holds and opens it. What is found twice is the
// same, and Open agrees with it.
func FuzzVolumeProbe(f *testing.F) {
	gzSeeds(f, "../fs/fat/testdata/*.img.gz", 72<<10)
	gzSeeds(f, "../partition/testdata/*.img.gz", 4<<10)
	for off, magic := range map[int]string{0x438: "\x53\xEF\x01\x00", 0: "XFSB", 0x10040: "_BHRfS_M", 3: "NTFS    ", 0xFF6: "SWAPSPACE2",
		0x8001: "CD001", 0x218: "LVM2 001", 1: "UKS\xBA\xBE"} {
		b := make([]byte, 80<<10)
		copy(b[off:], magic)
		copy(b[512:], "LABELONE\x01")
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := fs.Probe(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err) // reading cannot fail
		}
		if found.Kind == "" || (found.Type == "") != (found.Kind == fs.Empty || found.Kind == fs.Unknown || found.Kind == fs.Ambiguous) {
			t.Fatalf("%+v", found)
		}
		if !found.Supported && found.Reason == "" {
			t.Fatalf("no reason: %+v", found)
		}
		fsys, err := fs.Open(bytes.NewReader(b), nil)
		switch {
		case err == nil && !found.Supported:
			t.Fatalf("opened: %+v", found)
		case err == nil:
			iofs.ReadDir(fsys, ".")
		}
	})
}
