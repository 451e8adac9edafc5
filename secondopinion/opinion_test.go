// Package secondopinion compares guestkit with other Go libraries on what they
// read right. It is a module of its own, so that those who import guestkit do
// not depend on them.
package secondopinion

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	diskfs "github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/masahiro331/go-ext4-filesystem/ext4"
)

const image = "../testdata/images/debian12-uefi.qcow2"

// open opens the guest and writes its disk as a raw file, which is what the
// other libraries read.
func open(t *testing.T) (*guestkit.Guest, string) {
	t.Helper()
	g, err := guestkit.Open(image, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	path := filepath.Join(t.TempDir(), "disk.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := g.Images()[0]
	if err := f.Truncate(d.Size()); err != nil {
		t.Fatal(err)
	}
	for e, err := range block.Extents(d, 0, d.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Zero {
			continue
		}
		if _, err := io.Copy(io.NewOffsetWriter(f, e.Off), io.NewSectionReader(d, e.Off, e.Len)); err != nil {
			t.Fatal(err)
		}
	}
	return g, path
}

// files lists the regular files of ours with their content.
func files(t *testing.T, fsys vfs.FS) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			out[p], err = fs.ReadFile(fsys, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func filesystem(t *testing.T, g *guestkit.Guest, name string) (vfs.FS, block.Device) {
	t.Helper()
	rep, err := g.Volumes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range rep.Volumes {
		if v.Name == name {
			fsys, err := v.FS()
			if err != nil {
				t.Fatal(err)
			}
			return fsys, v.Device()
		}
	}
	t.Fatalf("no volume %s", name)
	return nil, nil
}

func TestPartitions(t *testing.T) {
	g, path := open(t)
	d, err := diskfs.Open(path, diskfs.WithOpenMode(diskfs.ReadOnly))
	if err != nil {
		t.Fatal(err)
	}
	table, err := d.GetPartitionTable()
	if err != nil {
		t.Fatal(err)
	}
	other := table.(*gpt.Table)
	rep, err := g.Volumes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, v := range rep.Volumes {
		if v.Partition == nil {
			continue
		}
		n++
		o := other.Partitions[v.Partition.Number-1]
		if int64(o.Start)*512 != v.Offset || int64(o.Size) != v.Size || !strings.EqualFold(o.GUID, v.Partition.UUID) || !strings.EqualFold(string(o.Type), v.Partition.Type) || o.Name != v.Partition.Name {
			t.Errorf("%s: go-diskfs has %+v, we have %+v", v.Name, o, v.Partition)
		}
	}
	if n != 2 {
		t.Errorf("%d partitions", n)
	}
}

func TestFAT(t *testing.T) {
	g, path := open(t)
	d, err := diskfs.Open(path, diskfs.WithOpenMode(diskfs.ReadOnly))
	if err != nil {
		t.Fatal(err)
	}
	other, err := d.GetFilesystem(1)
	if err != nil {
		t.Fatal(err)
	}
	fsys, _ := filesystem(t, g, "gpt1")
	ours := files(t, fsys)
	if len(ours) == 0 {
		t.Fatal("no files")
	}
	for p, want := range ours {
		f, err := other.OpenFile("/"+p, os.O_RDONLY)
		if err != nil {
			t.Errorf("%s: go-diskfs: %v", p, err)
			continue
		}
		b, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s: go-diskfs reads %d bytes (%v), we read %d", p, len(b), err, len(want))
		}
	}
}

func TestExt4(t *testing.T) {
	g, _ := open(t)
	fsys, dev := filesystem(t, g, "gpt2")
	other, err := ext4.NewFS(*io.NewSectionReader(dev, 0, dev.Size()), nil)
	if err != nil {
		t.Fatal(err)
	}
	same := 0
	for p, want := range files(t, fsys) {
		if vfs.Unescape(p) != p {
			continue // a name that is not UTF-8: go-ext4-filesystem has no way to open it
		}
		b, err := fs.ReadFile(other, p)
		if err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s: go-ext4-filesystem reads %d bytes (%v), we read %d", p, len(b), err, len(want))
			continue
		}
		same++
	}
	if same < 20 {
		t.Errorf("only %d files were compared", same)
	}
}
