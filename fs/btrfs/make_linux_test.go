package btrfs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fixtureID is the UUID of all fixtures.
const fixtureID = "6f6b6579-0000-4000-8000-00000000000b"

// TestMakeFixtures makes the images of testdata and the listings of what the
// kernel shows of them. testdata/make.sh runs it.
func TestMakeFixtures(t *testing.T) {
	if os.Getenv("GUESTKIT_MAKE_FIXTURES") == "" {
		t.Skip("run testdata/make.sh")
	}
	for _, c := range []struct{ name, size, args, mount string }{
		{"single", "48M", "-m single -d single -L single", "noatime"},
		{"mixed", "40M", "--mixed -n 4096 -m single -d single --csum xxhash", "noatime,compress-force=zstd"},
	} {
		p := newPool(t, 1, c.size, append(strings.Fields(c.args), "-U", fixtureID)...)
		dir := p.mount(t, c.mount)
		fill(t, dir, true)
		peers.Unmount(t, dir)
		keep(t, c.name, p.images[0])
	}
	p := newPool(t, 1, "48M", "-m", "single", "-d", "single", "-U", fixtureID)
	dir := p.mount(t, "noatime", "commit=300")
	f := filler{t, dir, rand.New(rand.NewPCG(7, 8)), true}
	for i := range 20 {
		f.must(os.MkdirAll(f.path(fmt.Sprintf("d%d", i%4)), 0o755))
		f.write(fmt.Sprintf("d%d/old-%d", i%4, i), f.bytes(700*i))
	}
	peers.Run(t, "sync", "-f", dir)
	for i := range 10 {
		f.write(fmt.Sprintf("d0/new-%d", i), f.bytes(3000*i))
		fsync(t, f.path(fmt.Sprintf("d0/new-%d", i)))
	}
	f.must(os.Truncate(f.path("d1/old-17"), 4500))
	f.must(os.Link(f.path("d1/old-17"), f.path("d1/twice")))
	fsync(t, f.path("d1/old-17"))
	f.must(os.Remove(f.path("d2/old-2")))
	fsync(t, f.path("d2"))
	image := copyImage(t, p.images[0], p.images[0]+"-copy")
	peers.Unmount(t, dir)
	keep(t, "log", image)
}

// keep writes an image and what the kernel shows of it into testdata.
func keep(t *testing.T, name, image string) {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	testimg.Keep(t, name+".img.gz", b)
	dir := peers.Mount(t, image, "btrfs", "noatime", "subvolid=5")
	defer peers.Unmount(t, dir)
	tree, err := testimg.HostTree(dir, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for p := range tree {
		fi, err := os.Lstat(filepath.Join(dir, p))
		if err == nil && fi.IsDir() && inodeOf(fi) == emptySubvolDir {
			delete(tree, p) // its times are made up
		}
	}
	testimg.Keep(t, name+".tree.gz", []byte(testimg.Listing(tree)))
}

func inodeOf(fi os.FileInfo) uint64 { return fi.Sys().(*syscall.Stat_t).Ino }
