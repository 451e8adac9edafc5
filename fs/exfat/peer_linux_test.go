package exfat

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// mount mounts a volume by exfat-fuse.
func mount(t testing.TB, image string, args ...string) string {
	t.Helper()
	return peers.Fuse(t, "mount.exfat-fuse", peers.Loop(t, image), args...)
}

// makeVolume makes a volume with files of every kind.
func makeVolume(t testing.TB, size int64, files int, args ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "mkfs.exfat", append([]string{"-L", "a label"}, append(args, image)...)...)
	peers.Run(t, "tune.exfat", "-I", "0x1234abcd", image)
	dir := mount(t, image)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name string, b []byte) {
		t.Helper()
		must(os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		must(os.WriteFile(filepath.Join(dir, name), b, 0o644))
	}
	text := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i>>9*7 + i)
		}
		return b
	}
	for _, n := range []int{0, 1, 511, 512, 513, 5000, 33000} {
		write(fmt.Sprintf("size-%d", n), text(n))
	}
	write("zeros", make([]byte, 20000))
	for i := range files {
		write(fmt.Sprintf("many/f%d", i), text(i%5*100))
	}
	for i := 0; i < files; i += 4 { // and gone again, so that clusters are free here and there
		must(os.Remove(filepath.Join(dir, fmt.Sprintf("many/f%d", i))))
	}
	write("broken", text(60000))
	write("deep/a/b/c/d/e", []byte("deep"))
	for _, name := range []string{"plain", "ünïcode", "日本語", "\U0001F600", "a name of more than thirty characters, in three entries", "UPPER"} {
		write("names/"+name, []byte(name))
	}
	f, err := os.Create(filepath.Join(dir, "unwritten"))
	must(err)
	_, err = f.Write(text(700))
	must(err)
	must(f.Truncate(40000))
	must(f.Close())
	peers.Unmount(t, dir)
	return image
}

func TestMakeFixtures(t *testing.T) {
	if os.Getenv("GUESTKIT_MAKE_FIXTURES") == "" {
		t.Skip("run testdata/make.sh")
	}
	for name, args := range map[string][]string{"small": {"-c", "512"}, "large": {"-c", "32K"}} {
		image := makeVolume(t, 8<<20, 60, args...)
		want, err := testimg.HostTree(mount(t, image, "-o", "ro"), options)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		testimg.Keep(t, name+".img.gz", b)
		testimg.Keep(t, name+".tree.gz", []byte(testimg.Listing(kept(want))))
	}
}

// TestFuse compares what is read with what exfat-fuse shows.
func TestFuse(t *testing.T) {
	for _, args := range [][]string{{}, {"-c", "512"}, {"-c", "4K"}, {"-c", "128K"}, {"--pack-bitmap"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			image := makeVolume(t, 64<<20, 400, args...)
			want, err := testimg.HostTree(mount(t, image, "-o", "ro"), options)
			if err != nil {
				t.Fatal(err)
			}
			fsys, err := Open(testimg.File(t, image), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := testimg.ReadTree(fsys, options)
			if err != nil {
				t.Fatal(err)
			}
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			testimg.CompareListings(t, testimg.Listing(kept(got)), testimg.Listing(kept(want)))
		})
	}
}
