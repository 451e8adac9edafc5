package squashfs

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fixtures are the images of testdata, with what the kernel showed of them.
var fixtures = []string{"gzip", "xz", "lzo", "lz4", "zstd", "lzma", "stored"}

func openFS(r block.Reader) (vfs.FS, error) { return Open(r, nil) }

func TestFixtures(t *testing.T) {
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			fsys := testimg.MustOpen(t, testimg.Fixture(t, name), openFS)
			tree, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			testimg.CompareListings(t, testimg.Listing(tree), string(testimg.Unpack(t, "testdata/tree.gz")))
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			info := fsys.Info()
			if want := strings.Replace(name, "stored", "gzip", 1); info.Type != "squashfs" || info.Version != "4.0" || info.Features[0] != want {
				t.Errorf("Info = %+v", info)
			}
			testimg.TestSub(t, fsys, "many", "name-000007-x")
		})
	}
}

// TestContent runs the conformance test of devices on files of every shape.
func TestContent(t *testing.T) {
	for _, name := range []string{"gzip", "stored"} {
		fsys := testimg.MustOpen(t, testimg.Fixture(t, name), openFS)
		t.Run(name, func(t *testing.T) {
			testimg.TestFiles(t, fsys, 4096, "size-0", "size-5000", "holes", "zeros", "noise", "size-12289")
		})
	}
	// What is stored lies verbatim in the image, and holes are holes.
	f, err := testimg.MustOpen(t, testimg.Fixture(t, "stored"), openFS).Open("noise")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := f.(*vfs.File).Extent(5000); err != nil || e.Host == nil || e.Len != 4096*2-5000 {
		t.Errorf("%+v, %v", e, err)
	}
	f, err = testimg.MustOpen(t, testimg.Fixture(t, "gzip"), openFS).Open("zeros")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := f.(*vfs.File).Extent(100); err != nil || !e.Zero || e.Len != 12300-100 {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestLookup finds every name of a directory with an index, and none that is
// not there, and reads little for it.
func TestLookup(t *testing.T) {
	image := testimg.Fixture(t, "gzip")
	fsys := testimg.MustOpen(t, image, openFS)
	es, err := fsys.ReadDir("many")
	if err != nil || len(es) < 300 {
		t.Fatal(len(es), err)
	}
	for _, e := range es {
		if _, err := fsys.Stat("many/" + e.Name()); err != nil {
			t.Error(err)
		}
		for _, no := range []string{e.Name() + "x", e.Name()[:len(e.Name())-1]} {
			if _, err := fsys.Stat("many/" + no); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", no, err)
			}
		}
	}
}
