package exfat

import (
	"bytes"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

var fixtures = []string{"small", "large"}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	return testimg.Unpack(t, "testdata/"+name+".img.gz")
}

func openFS(r block.Reader) (vfs.FS, error) { return Open(r, nil) }

func mustOpen(t testing.TB, b []byte) vfs.FS {
	t.Helper()
	fsys, err := Open(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

// options leave out what a FUSE mount makes up.
var options = testimg.TreeOptions{NoXattrs: true, NoOwner: true, NoMode: true, NoNlink: true, NoDirSize: true, NoAtime: true, NoCtime: true}

// kept drops it from a tree that is listed.
func kept(tree map[string]testimg.Node) map[string]testimg.Node {
	out := map[string]testimg.Node{}
	for p, n := range tree {
		k := testimg.Node{Mode: n.Mode.Type(), Size: n.Size, SHA256: n.SHA256, Mtime: n.Mtime}
		if n.Mode.IsDir() {
			k.Size = 0
		}
		if p != "." { // the root has no time
			out[p] = k
		}
	}
	return out
}

// TestFixtures compares the images of testdata with what exfat-fuse showed.
func TestFixtures(t *testing.T) {
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			fsys := mustOpen(t, fixture(t, name))
			tree, err := testimg.ReadTree(fsys, options)
			if err != nil {
				t.Fatal(err)
			}
			testimg.CompareListings(t, testimg.Listing(kept(tree)), string(testimg.Unpack(t, "testdata/"+name+".tree.gz")))
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			i := fsys.Info()
			if i.Type != "exfat" || i.Label != "a label" || i.UUID != "1234-ABCD" || i.Version != "1.0" || i.Free <= 0 || i.Free >= i.Size || i.Dirty {
				t.Errorf("Info = %+v", i)
			}
			for _, other := range []string{"NAMES/plain", "names/PLAIN", "names/ÜNÏCODE"} {
				if _, err := fsys.Stat(other); err != nil {
					t.Error(err)
				}
			}
			sub, err := fs.Sub(fsys, "many")
			if err != nil {
				t.Fatal(err)
			}
			if err := fstest.TestFS(sub, "f3"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestContent(t *testing.T) {
	for _, name := range fixtures {
		fsys := mustOpen(t, fixture(t, name))
		for _, path := range []string{"size-0", "size-5000", "zeros", "broken", "unwritten"} {
			f, err := fsys.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			t.Run(name+"/"+path, func(t *testing.T) {
				want, err := fs.ReadFile(fsys, path)
				if err != nil {
					t.Fatal(err)
				}
				testimg.TestDevice(t, f.(*vfs.File), bytes.NewReader(want), 512)
			})
		}
	}
}
