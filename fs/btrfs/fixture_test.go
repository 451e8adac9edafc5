package btrfs

import (
	"bytes"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fixtures are the images in testdata that have a listing of what the kernel
// showed of them.
var fixtures = []string{"single", "mixed", "log"}

func openFS(r block.Reader) (vfs.FS, error) { return Open([]block.Reader{r}, nil) }

// TestFixtures compares the images in testdata with what the kernel showed of
// them when they were made.
func TestFixtures(t *testing.T) {
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			fsys, err := openFS(bytes.NewReader(testimg.Fixture(t, name)))
			if err != nil {
				t.Fatal(err)
			}
			tree, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for p := range tree {
				if testimg.Stat(t, fsys, vfs.EscapeTarget(p)).Ino == emptySubvolDir {
					delete(tree, p)
				}
			}
			testimg.CompareListings(t, testimg.Listing(tree), string(testimg.Unpack(t, "testdata/"+name+".tree.gz")))
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			if info := fsys.Info(); info.Dirty != (name == "log") || info.Replayed != info.Dirty || info.UUID != "6f6b6579-0000-4000-8000-00000000000b" {
				t.Errorf("Info = %+v", info)
			}
		})
	}
}

// TestFS runs the tests that io/fs has for its implementations, on trees without
// dangling links and backslashes, which those take amiss.
func TestFS(t *testing.T) {
	for _, name := range []string{"single", "mixed"} {
		fsys, err := openFS(bytes.NewReader(testimg.Fixture(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		for dir, file := range map[string]string{"tree/deep": "0/1/2", "many": "name-000001-x", "times": "5", "tree/nodes": "fifo", "@": "home/user", "snapshots": "writable/etc"} {
			testimg.TestSub(t, fsys, dir, file)
		}
	}
}

// TestContent runs the conformance test of devices on files of every shape.
func TestContent(t *testing.T) {
	for _, name := range []string{"single", "mixed"} {
		fsys, err := openFS(bytes.NewReader(testimg.Fixture(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			testimg.TestFiles(t, fsys, 4096, "tree/size-0", "size-100", "tree/size-4097", "size-70000", "noise-70000", "mixed", "punched", "prealloc", "fragments-0", "reflink", "reflink-parts", "nodatacow")
		})
	}
}

// TestSubvolumes lists the subvolumes and makes each the root.
func TestSubvolumes(t *testing.T) {
	image := bytes.NewReader(testimg.Fixture(t, "single"))
	fsys, err := openFS(image)
	if err != nil {
		t.Fatal(err)
	}
	subs, err := vfs.Subvolumes(fsys)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{".": "", "@": "etc", "@/home": "user", "@/var/lib/renamed/nested": "file", "snapshots/writable": "etc",
		"snapshots/readonly": "etc", "latin1-\uEFE9": "x"}
	uuids := map[string]string{}
	for _, s := range subs {
		name, ok := want[s.Path]
		if !ok {
			t.Errorf("subvolume %+v", s)
			continue
		}
		delete(want, s.Path)
		uuids[s.UUID] = s.Path
		if s.ReadOnly != (s.Path == "snapshots/readonly") || s.Default != (s.ID == 5) || s.UUID == "" && s.ID != 5 {
			t.Errorf("%+v", s)
		}
		if s.ParentUUID != "" && uuids[s.ParentUUID] != "@" {
			t.Errorf("%+v is a snapshot of %s", s, uuids[s.ParentUUID])
		}
		for _, o := range []*Options{{SubvolID: s.ID}, {Subvol: vfs.Unescape(s.Path)}} {
			sub, err := Open([]block.Reader{image}, o)
			if err != nil {
				t.Errorf("%+v: %v", s, err)
				continue
			}
			if _, err := sub.Stat(name); name != "" && err != nil {
				t.Errorf("%s: %v", s.Path, err)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	for _, o := range []*Options{{Subvol: "nothing"}, {Subvol: "many"}, {Subvol: "size-1"}, {SubvolID: 7}, {SubvolID: 9999}} {
		if _, err := Open([]block.Reader{image}, o); err == nil {
			t.Errorf("%+v was opened", o)
		}
	}
}
