package ufs

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

var fixtures = []string{"ufs1-le", "ufs1-be", "ufs2-le", "ufs2-be"}

func openFS(r block.Reader) (vfs.FS, error) { return Open(r, nil) }

// kept is of a tree what makefs keeps: it counts links anew, and directories have
// sizes of their own.
func kept(tree map[string]testimg.Node) map[string]testimg.Node {
	out := map[string]testimg.Node{}
	for p, n := range tree {
		n.Mtime = n.Mtime.Truncate(time.Second)
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

// TestFixtures compares what is read with the folder that makefs stored.
func TestFixtures(t *testing.T) {
	want := string(testimg.Unpack(t, "testdata/tree.gz"))
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			fsys := testimg.MustOpen(t, testimg.Fixture(t, name), openFS)
			tree, err := testimg.ReadTree(fsys, testimg.TreeOptions{NoXattrs: true})
			if err != nil {
				t.Fatal(err)
			}
			testimg.CompareListings(t, testimg.Listing(kept(tree)), want)
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			i := fsys.Info()
			if i.Type != "ufs" || i.Version != name[3:4] || len(i.UUID) != 16 || i.Dirty || i.Size != 12<<20 || i.Free <= 0 || i.InodesFree <= 0 || slices.Contains(i.Features, "big_endian") != (name[5:] == "be") {
				t.Errorf("Info = %+v", i)
			}
			testimg.TestSub(t, fsys, "many", "a file with a name of some length 7")
		})
	}
}

func TestContent(t *testing.T) {
	for _, name := range fixtures {
		fsys := testimg.MustOpen(t, testimg.Fixture(t, name), openFS)
		t.Run(name, func(t *testing.T) {
			testimg.TestFiles(t, fsys, 4096, "size-0", "size-5000", "holes", "small", "noise")
		})
	}
}
