package exfat

import (
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

var fixtures = []string{"small", "large"}

func openFS(r block.Reader) (vfs.FS, error) { return Open(r, nil) }

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
			fsys := testimg.MustOpen(t, testimg.Fixture(t, name), openFS)
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
			testimg.TestSub(t, fsys, "many", "f3")
		})
	}
}

func TestContent(t *testing.T) {
	for _, name := range fixtures {
		fsys := testimg.MustOpen(t, testimg.Fixture(t, name), openFS)
		t.Run(name, func(t *testing.T) {
			testimg.TestFiles(t, fsys, 512, "size-0", "size-5000", "zeros", "broken", "unwritten")
		})
	}
}
