package iso9660

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

func source(t testing.TB, o testimg.Fill) string {
	t.Helper()
	peers.NeedRoot(t)
	dir := filepath.Join(t.TempDir(), "source")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	testimg.FillTree(t, dir, o)
	if err := os.RemoveAll(filepath.Join(dir, "attrs")); err != nil { // xorriso takes modes from access control lists
		t.Fatal(err)
	}
	for _, name := range []string{"links/to-255", "links/to-1000", "links/to-4000"} { // at which genisoimage never ends
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(strings.Repeat("../some/dir/", 12)+"end", filepath.Join(dir, "links/long")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// make makes an image of a folder.
func makeImage(t testing.TB, dir, command string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image.iso")
	words := strings.Fields(command)
	for i, w := range words {
		w = strings.ReplaceAll(w, "DIR", dir)
		words[i] = strings.ReplaceAll(strings.ReplaceAll(w, "IMG", image), "A_LABEL", "A LABEL")
	}
	peers.Run(t, words[0], words[1:]...)
	return image
}

const (
	genisoimage = "genisoimage -quiet -V A_LABEL -o IMG "
	xorriso     = "xorriso -report_about FAILURE -volid A_LABEL -outdev IMG "
)

var rockRidgeCommands = []struct{ name, command string }{
	{"rockridge", genisoimage + "-R DIR"},
	{"rockridge-joliet", genisoimage + "-R -J DIR"},
	{"level-4", genisoimage + "-R -iso-level 4 DIR"},
	{"xorriso", xorriso + "-padding 0 -map DIR /"},
	{"xorriso-deep-off", xorriso + "-compliance deep_paths_off:long_paths_off -map DIR /"},
	{"zisofs", xorriso + "-padding 0 -map DIR / -set_filter_r --zisofs / --"},
	{"zisofs2", xorriso + "-zisofs version_2=on:block_size=128k -map DIR / -set_filter_r --zisofs / --"},
	{"zisofs2-z2", xorriso + "-zisofs version_2=on:susp_z2=on:bpt_free_ratio=-1 -map DIR / -set_filter_r --zisofs / --"},
	{"xorriso-rec-mtime", xorriso + "-compliance rec_mtime -map DIR /"},
}

// TestMakeFixtures makes the images of testdata; testdata/make.sh runs it.
func TestMakeFixtures(t *testing.T) {
	if os.Getenv("GUESTKIT_MAKE_FIXTURES") == "" {
		t.Skip("run testdata/make.sh")
	}
	dir := source(t, testimg.Fill{Names: 150, Largest: 9000, Hole: 50 << 10, ASCII: true})
	tree, err := testimg.HostTree(dir, testimg.TreeOptions{NoXattrs: true})
	if err != nil {
		t.Fatal(err)
	}
	keep := func(name, image string, want map[string]testimg.Node, bare bool) {
		b, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		testimg.Keep(t, name+".img.gz", b)
		testimg.Keep(t, name+".tree.gz", []byte(testimg.Listing(kept(want, bare))))
	}
	for _, x := range rockRidgeCommands {
		if x.name == "rockridge" || x.name == "xorriso" || x.name == "zisofs" {
			keep(x.name, makeImage(t, dir, x.command), tree, false)
		}
	}
	small := filepath.Join(t.TempDir(), "small")
	for _, name := range []string{"many", "sub/dir"} {
		if err := os.MkdirAll(filepath.Join(small, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, n := range map[string]int{"size-0": 0, "size-5000": 5000, "holes": 100, "zeros": 3000, "noise": 4096, "boot": 2048, "many/some.txt": 7, "sub/dir/a": 1} {
		if err := os.WriteFile(filepath.Join(small, name), []byte(strings.Repeat("BOOT", n/4+1)[:n]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if tree, err = testimg.HostTree(small, testimg.TreeOptions{NoXattrs: true}); err != nil {
		t.Fatal(err)
	}
	// The relaxed names are those that a case-blind eye has anyway.
	image := makeImage(t, small, genisoimage+"-l -allow-lowercase -relaxed-filenames -b boot -no-emul-boot -boot-load-size 4 DIR")
	fsys, err := Open(testimg.File(t, image), nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for p := range n { // genisoimage adds the catalog
		if strings.HasPrefix(p, "boot.") {
			tree[p] = n[p]
		}
	}
	keep("plain", image, tree, true)
	long := "a name that only Joliet can hold, ünïcode 日本語.with.dots"
	if err := os.WriteFile(filepath.Join(small, long), []byte(long), 0o644); err != nil {
		t.Fatal(err)
	}
	if tree, err = testimg.HostTree(small, testimg.TreeOptions{NoXattrs: true}); err != nil {
		t.Fatal(err)
	}
	keep("joliet", makeImage(t, small, genisoimage+"-J -input-charset utf-8 DIR"), tree, true)
}

// TestRockRidge compares images with the folders that they were made of.
func TestRockRidge(t *testing.T) {
	dir := source(t, testimg.Fill{Names: 700, Largest: 1 << 20, Hole: 3 << 20, ASCII: true})
	want, err := testimg.HostTree(dir, testimg.TreeOptions{NoXattrs: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range rockRidgeCommands {
		t.Run(x.name, func(t *testing.T) {
			fsys, err := Open(testimg.File(t, makeImage(t, dir, x.command)), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := testimg.ReadTree(fsys, testimg.TreeOptions{NoXattrs: true})
			if err != nil {
				t.Fatal(err)
			}
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			testimg.CompareListings(t, testimg.Listing(kept(got, false)), testimg.Listing(kept(want, false)))
		})
	}
}
