package inspect

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestHidden reads a filesystem on a leg of a mirror, which is in no list.
func TestHidden(t *testing.T) {
	peers.Need(t, "mkfs.ext2")
	files := testimg.Case(t, "../volume/lvm/testdata/groups.tar.zst", "raids")
	var disks []block.Device
	of := map[block.Reader][]byte{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name[0] == 'm' {
			r := bytes.NewReader(files[name])
			of[r] = files[name]
			disks = append(disks, block.Plain(r))
		}
	}
	open := func() *Report {
		t.Helper()
		rep, err := Volumes(t.Context(), disks, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { rep.Close() })
		return rep
	}
	const name = "lvm:raids/r1_rimage_1"
	leg, ok := open().Volume(name)
	if !ok || leg.Status != StatusUnknown {
		t.Fatalf("%+v", leg)
	}
	e, err := leg.Device().Extent(0)
	if err != nil || e.Host == nil {
		t.Fatal(e, err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("of one leg"), 0o644); err != nil {
		t.Fatal(err)
	}
	img := filepath.Join(t.TempDir(), "fs")
	peers.Run(t, "mkfs.ext2", "-q", "-d", dir, img, "256k")
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	copy(of[e.Host][e.HostOff:min(e.HostOff+e.Len, e.Host.Size())], b)
	rep := open()
	leg, _ = rep.Volume(name)
	fsys, err := leg.FS()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := fs.ReadFile(fsys, "file"); err != nil || string(b) != "of one leg" {
		t.Errorf("%q, %v", b, err)
	}
	if again, _ := rep.Volume(name); again != leg || slices.Contains(rep.Volumes, leg) {
		t.Error("it was opened again, or listed")
	}
}
