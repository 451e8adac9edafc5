package squashfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// unkept are times that squashfs does not keep.
var unkept = testimg.TreeOptions{NoAtime: true, NoCtime: true}

// mksquashfs makes an image of a folder.
func mksquashfs(t testing.TB, dir string, args ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	peers.Run(t, "mksquashfs", append([]string{dir, image, "-no-progress", "-quiet", "-processors", "2"}, args...)...)
	return image
}

// source makes the folder that images are made of.
func source(t testing.TB, o testimg.Fill) string {
	t.Helper()
	peers.NeedRoot(t)
	dir := filepath.Join(t.TempDir(), "source")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	testimg.FillTree(t, dir, o)
	return dir
}

var small = testimg.Fill{Names: 330, Largest: 12300, Hole: 100 << 10}

// TestMakeFixtures makes the images of testdata; testdata/make.sh runs it.
func TestMakeFixtures(t *testing.T) {
	if os.Getenv("GUESTKIT_MAKE_FIXTURES") == "" {
		t.Skip("run testdata/make.sh")
	}
	dir := source(t, small)
	for _, name := range fixtures {
		args := []string{"-b", "4096", "-mkfs-time", "1600000000", "-comp", name}
		switch name {
		case "stored":
			args = append(args[:4], "-noI", "-noId", "-noD", "-noF", "-noX", "-no-fragments")
		case "xz":
			args = append(args, "-Xbcj", "x86,arm")
		case "lzo":
			args = append(args, "-always-use-fragments")
		}
		image := mksquashfs(t, dir, args...)
		b, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		testimg.Keep(t, name+".img.gz", b)
		if name == "gzip" {
			want, err := testimg.HostTree(peers.Mount(t, image, "squashfs", "ro"), unkept)
			if err != nil {
				t.Fatal(err)
			}
			testimg.Keep(t, "tree.gz", []byte(testimg.Listing(want)))
		}
	}
}

// TestKernel compares what is read with what the kernel shows, for every
// compressor and option that changes the structures.
func TestKernel(t *testing.T) {
	dir := source(t, testimg.Fill{Names: 1500, Largest: 1 << 20, Hole: 10 << 20})
	for _, args := range []string{
		"-comp gzip", "-comp gzip -b 4096", "-comp gzip -b 1M -always-use-fragments", "-comp gzip -no-fragments -no-duplicates", "-comp gzip -noI -noD -noF -noX -noId",
		"-comp gzip -noI -no-exports", "-comp gzip -no-sparse", "-comp gzip -Xstrategy default,huffman_only",
		"-comp xz", "-comp xz -b 1M -Xbcj x86,arm,armthumb,powerpc,sparc,ia64", "-comp lzo", "-comp lzo -Xalgorithm lzo1x_1", "-comp lz4", "-comp lz4 -Xhc", "-comp zstd", "-comp zstd -b 256K -noF", "-comp lzma",
		"-comp zstd -all-root -nopad", "-comp gzip -all-time 4294967295",
	} {
		t.Run(args, func(t *testing.T) {
			image := mksquashfs(t, dir, strings.Fields(args)...)
			fsys, err := Open(testimg.File(t, image), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			o := unkept
			if strings.Contains(args, "lzma") { // which the kernel does not read
				o.NoDirSize = true
				want, err := testimg.HostTree(unsquash(t, image), o)
				if err != nil {
					t.Fatal(err)
				}
				for p, n := range want { // unsquashfs makes each name once
					if n.Mode.IsDir() {
						n.Nlink = 0
						want[p] = n
					}
				}
				testimg.CompareTrees(t, got, want, o)
				return
			}
			// A loop device ends with the last whole sector of its file.
			if fi, err := os.Stat(image); err != nil || os.Truncate(image, (fi.Size()+4095)&^4095) != nil {
				t.Fatal(err)
			}
			want, err := testimg.HostTree(peers.Mount(t, image, "squashfs", "ro"), o)
			if err != nil {
				t.Fatal(err)
			}
			testimg.CompareTrees(t, got, want, o)
		})
	}
}

func unsquash(t *testing.T, image string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	peers.Run(t, "unsquashfs", "-no-progress", "-quiet", "-d", dir, image)
	return dir
}
