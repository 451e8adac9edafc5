package udf

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fixtures are the images of testdata; whole ones have all that the kernel can
// store of the folder.
var fixtures = []struct {
	name, version, feature string
	whole                  bool
}{
	{"hd", "2.01", "", true}, {"short", "1.02", "", true}, {"sparable", "1.50", "sparable", true}, {"replaced", "2.01", "", true},
	{"bridge", "1.02", "", false}, {"virtual", "2.01", "virtual", false}, {"virtual150", "1.50", "virtual", false},
}

func openFS(r block.Reader) (vfs.FS, error) { return Open(r, nil) }

// kept is of a tree what UDF keeps: no time of a change, and none of access of
// what the listing was made of; the size of a directory is its own.
func kept(tree map[string]testimg.Node) map[string]testimg.Node {
	out := map[string]testimg.Node{}
	for p, n := range tree {
		if p == "." || strings.HasPrefix(p, "lost+found") || strings.HasPrefix(p, "Non-Allocatable") {
			continue
		}
		n.Mtime = n.Mtime.Truncate(time.Second) // as tar has it
		n.Atime, n.Ctime = n.Mtime, n.Mtime
		if n.Mode.IsDir() {
			n.Size, n.Nlink = 0, 0
		}
		out[p] = n
	}
	return out
}

// TestMakeTree writes the listing of the fixtures; testdata/make.sh runs it.
func TestMakeTree(t *testing.T) {
	dir := os.Getenv("GUESTKIT_MAKE_FIXTURES")
	if dir == "" {
		t.Skip("run testdata/make.sh")
	}
	tree, err := testimg.HostTree(dir, testimg.TreeOptions{NoXattrs: true})
	if err != nil {
		t.Fatal(err)
	}
	testimg.Keep(t, "tree.gz", []byte(testimg.Listing(kept(tree))))
}

// TestFixtures compares what is read with the folder that the kernel stored.
func TestFixtures(t *testing.T) {
	want := string(testimg.Unpack(t, "testdata/tree.gz"))
	for _, x := range fixtures {
		t.Run(x.name, func(t *testing.T) {
			fsys := testimg.MustOpen(t, testimg.Fixture(t, x.name), openFS)
			tree, err := testimg.ReadTree(fsys, testimg.TreeOptions{NoXattrs: true})
			if err != nil {
				t.Fatal(err)
			}
			if x.whole {
				testimg.CompareListings(t, testimg.Listing(kept(tree)), want)
			}
			if x.whole {
				for p, n := range tree { // as the kernel counts: ".", the name, and ".." of each folder below
					below := 0
					for q, m := range tree {
						if q != "." && path.Dir(q) == p && m.Mode.IsDir() {
							below++
						}
					}
					if n.Mode.IsDir() && n.Nlink != uint64(2+below) {
						t.Errorf("%s has %d links and %d folders", p, n.Nlink, below)
					}
				}
			}
			files := 0
			for p, n := range tree { // genisoimage leaves out links and devices
				if n.Mode.IsRegular() && !strings.Contains(want, n.SHA256) {
					t.Errorf("%s has other bytes", p)
				} else if n.Mode.IsRegular() {
					files++
				}
			}
			if x.feature != "virtual" && files < 67 {
				t.Errorf("%d files", files)
			}
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			if i := fsys.Info(); i.Type != "udf" || i.Label != "A LABEL" || i.Version != x.version || x.feature != "" && !slices.Contains(i.Features, x.feature) || len(i.UUID) != 16 || i.Dirty {
				t.Errorf("Info = %+v", i)
			}
			if x.feature == "virtual" { // mkudffs makes an empty one
				if _, err := fs.ReadDir(fsys, "lost+found"); err != nil && len(tree) != 1 {
					t.Errorf("%v, %v", tree, err)
				}
				return
			}
			testimg.TestSub(t, fsys, "many", "a file with a name of some length 7")
		})
	}
}

func TestContent(t *testing.T) {
	for _, x := range fixtures[:5] {
		fsys := testimg.MustOpen(t, testimg.Fixture(t, x.name), openFS)
		t.Run(x.name, func(t *testing.T) {
			testimg.TestFiles(t, fsys, 2048, "size-0", "size-5000", "holes", "small", "noise")
		})
	}
}
