package iso9660

import (
	"bytes"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fixtures are the images of testdata, with the feature that each shows.
var fixtures = []struct{ name, feature string }{{"rockridge", "rock_ridge"}, {"xorriso", "rock_ridge"}, {"zisofs", "rock_ridge"}, {"joliet", "joliet"}, {"plain", "el_torito"}}

func openFS(r block.Reader) (vfs.FS, error) { return Open(r, nil) }

// TestFixtures compares what is read with listings: of the folder that an image
// was made of, where Rock Ridge keeps all that it had.
func TestFixtures(t *testing.T) {
	for _, x := range fixtures {
		t.Run(x.name, func(t *testing.T) {
			fsys := testimg.MustOpen(t, testimg.Fixture(t, x.name), openFS)
			tree, err := testimg.ReadTree(fsys, testimg.TreeOptions{NoXattrs: true})
			if err != nil {
				t.Fatal(err)
			}
			testimg.CompareListings(t, testimg.Listing(kept(tree, x.feature != "rock_ridge")), string(testimg.Unpack(t, "testdata/"+x.name+".tree.gz")))
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			if i := fsys.Info(); i.Type != "iso9660" || i.Label != "A LABEL" || !slices.Contains(i.Features, x.feature) || i.UUID == "" || i.BlockSize != 2048 {
				t.Errorf("Info = %+v", i)
			}
			sub, err := fs.Sub(fsys, "many")
			if err != nil {
				t.Fatal(err)
			}
			es, err := fs.ReadDir(sub, ".")
			if err != nil || len(es) == 0 {
				t.Fatal(err)
			}
			if err := fstest.TestFS(sub, es[0].Name()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestContent(t *testing.T) {
	for _, x := range fixtures {
		fsys := testimg.MustOpen(t, testimg.Fixture(t, x.name), openFS)
		t.Run(x.name, func(t *testing.T) {
			testimg.TestFiles(t, fsys, 2048, "size-0", "size-5000", "holes", "zeros", "noise")
		})
	}
}

func TestBootImages(t *testing.T) {
	b := testimg.Fixture(t, "plain")
	got, err := BootImages(bytes.NewReader(b))
	if err != nil || len(got) != 1 || got[0].Size != 2048 || !got[0].Bootable || got[0].Platform != 0 || string(b[got[0].Off:got[0].Off+4]) != "BOOT" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := BootImages(bytes.NewReader(testimg.Fixture(t, "rockridge"))); len(got) > 0 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// kept drops what the format does not keep. Without Rock Ridge that is all but
// names, sizes, contents and times.
func kept(tree map[string]testimg.Node, bare bool) map[string]testimg.Node {
	out := maps.Clone(tree)
	delete(out, "rr_moved") // which genisoimage adds
	for p, n := range out {
		n.Mtime = n.Mtime.Truncate(time.Second).UTC()
		if n.Mode.IsDir() {
			n.Size, n.Nlink = 0, 0
		}
		if p == "." {
			n.Mtime, n.Mode, n.UID, n.GID = time.Time{}, fs.ModeDir, 0, 0
		}
		if bare {
			n.Mode, n.UID, n.GID, n.Nlink = n.Mode.Type(), 0, 0, 0
		}
		if n.Mode&fs.ModeSymlink != 0 {
			n.Nlink = 0
		}
		n.Xattrs = nil
		out[p] = n
	}
	return out
}
