package guestkit_test

import (
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestDynamicDisks reads a file on a volume of each kind, whole and without one of
// its disks where the others make up for it. The disks are those that libldm tests
// itself with, and so is the file.
func TestDynamicDisks(t *testing.T) {
	peers.Need(t, "tar", "xz")
	dir := t.TempDir()
	peers.Run(t, "tar", "-C", dir, "-xJSf", filepath.Join(peers.Suite(t, "libldm"), "test/data/ldm-data.tar.xz"))
	for _, v := range []struct {
		disks, volume string
		spare         bool
	}{
		{"2003r2-simple", "Volume1", false},
		{"2003r2-spanned", "Volume2", false},
		{"2003r2-striped", "Stripe1", false},
		{"2003r2-mirrored", "Volume3", true},
		{"2003r2-raid5", "Raid1", true},
		{"2008r2-spanned", "Volume1", false},
		{"2008r2-striped", "Volume2", false},
		{"2008r2-mirrored", "Volume3", true},
		{"2008r2-raid5", "Volume4", true},
	} {
		files, err := filepath.Glob(filepath.Join(dir, "ldm-"+v.disks+"-*.img"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		sets := [][]string{files}
		if len(files) > 1 {
			for i := range files {
				sets = append(sets, slices.Delete(slices.Clone(files), i, i+1))
			}
		}
		for i, set := range sets {
			var readers []block.Reader
			for _, f := range set {
				readers = append(readers, testimg.File(t, f))
			}
			g, err := guestkit.OpenReaders(readers, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			rep, err := g.Inspect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(rep.Volumes, func(x *inspect.Volume) bool { return filepath.Base(x.Name) == v.volume })
			if at < 0 {
				t.Fatalf("%s: %+v", v.disks, rep.Volumes)
			}
			fsys, err := rep.Volumes[at].FS()
			if i > 0 && !v.spare {
				if err == nil {
					t.Errorf("%s: %s is read without a disk", v.disks, v.volume)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s without disk %d: %v", v.disks, i, err)
				continue
			}
			if b, err := fs.ReadFile(fsys, "test.txt"); err != nil || string(b) != "Filesystem test" {
				t.Errorf("%s without disk %d: %q, %v", v.disks, i, b, err)
			}
		}
	}
}
