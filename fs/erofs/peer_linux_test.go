package erofs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// unkept are times that EROFS does not keep.
var unkept = testimg.TreeOptions{NoAtime: true, NoCtime: true}

// mkfs makes an image of a folder. A mkfs.erofs that does not know the options
// ends the test.
func mkfs(t testing.TB, dir string, args ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	args = append([]string{"--quiet", "-U6f6b6579-0000-4000-8000-000000000001"}, args...)
	if out, err := peers.Command(t, "mkfs.erofs", append(args, image, dir)...).CombinedOutput(); err != nil {
		t.Skipf("this mkfs.erofs does not make it: %v: %s", err, out)
	}
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
	for _, name := range []string{strings.Repeat("n", 255), "d-" + strings.Repeat("n", 250)} { // mkfs.erofs 1.5 fails at them
		if err := os.RemoveAll(filepath.Join(dir, "names", name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestMakeFixtures makes the images of testdata; testdata/make.sh runs it.
func TestMakeFixtures(t *testing.T) {
	if os.Getenv("GUESTKIT_MAKE_FIXTURES") == "" {
		t.Skip("run testdata/make.sh")
	}
	dir := source(t, testimg.Fill{Names: 200, Largest: 12300, Hole: 100 << 10})
	for _, x := range fixtures {
		t.Run(x.name, func(t *testing.T) {
			image := mkfs(t, dir, append(strings.Fields(x.args), "-La label", "--xattr-prefix=user.a.long.prefix.")...)
			want, err := testimg.HostTree(peers.Mount(t, image, "erofs", "ro"), unkept)
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(image)
			if err != nil {
				t.Fatal(err)
			}
			testimg.Keep(t, x.name+".img.gz", b)
			testimg.Keep(t, x.name+".tree.gz", []byte(testimg.Listing(want)))
		})
	}
}

// TestKernel compares what is read with what the kernel shows, for every option
// that changes the structures. Older tools make fewer of them.
func TestKernel(t *testing.T) {
	dir := source(t, testimg.Fill{Names: 1500, Largest: 1 << 20, Hole: 10 << 20})
	for _, args := range []string{
		"", "-Eforce-inode-extended", "-Enoinline_data", "-b512", "-x-1", "-x1", "-T1234567890", "--chunksize=4096", "--chunksize=65536", "--chunksize=4096 -Eforce-chunk-indexes",
		"-zlz4", "-zlz4hc,9", "-zlz4 -Elegacy-compress", "-zlz4hc -C65536", "-zlz4hc -C1048576 -Eztailpacking", "-zlz4hc -Eztailpacking", "-zlz4hc -Eztailpacking,legacy-compress",
		"-zlz4hc -Efragments", "-zlz4hc -C65536 -Efragments,dedupe", "-zlz4hc -Eall-fragments,ztailpacking", "-zlz4hc -C65536 -Efragments,dedupe,legacy-compress", "-zlz4hc -Ededupe", "-zlz4 --max-extent-bytes=65536",
		"-zlzma", "-zlzma -C65536 -Eztailpacking", "-zlzma -C1048576 -Eall-fragments,dedupe", "-zdeflate", "-zdeflate -C65536 -Efragments,ztailpacking,dedupe", "-zzstd", "-zzstd -C65536 -Efragments,dedupe", "-zzstd -C1048576 -Eztailpacking",
		"-zlz4hc:lzma -C65536", "-zlz4hc:zstd -C65536 -Ededupe",
		"-E48bit", "-E48bit -zlz4hc", "-E48bit -zzstd -C65536 -Efragments,dedupe", "-E48bit --chunksize=4096", "-E48bit -zlz4hc -Eztailpacking", "-zlz4 -b512",
		"--xattr-prefix=user.a.long.prefix.", "--xattr-prefix=user.a. -zlz4hc -Efragments -Exattr-name-filter", "-m4096:lz4hc -zlz4hc -E48bit", "-m65536:zstd -zzstd --MZ=i -E48bit --xattr-prefix=user.a.long.", "-zlz4hc --zD=1", "-m4096:lzma --MZ=i -E48bit -zlz4",
	} {
		t.Run(args, func(t *testing.T) {
			compare(t, mkfs(t, dir, strings.Fields(args)...), nil)
		})
	}
}

func compare(t *testing.T, image string, devices []block.Reader, options ...string) {
	t.Helper()
	fsys, err := Open(testimg.File(t, image), &Options{Devices: devices})
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
	want, err := testimg.HostTree(peers.Mount(t, image, "erofs", append(options, "ro")...), unkept)
	if err != nil {
		t.Fatal(err)
	}
	testimg.CompareTrees(t, got, want, unkept)
}

// TestDevices reads files whose chunks lie on another device.
func TestDevices(t *testing.T) {
	dir := source(t, testimg.Fill{Names: 10, Largest: 1 << 20, Hole: 1 << 20})
	blob := filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(blob, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	image := mkfs(t, dir, "--chunksize=4096", "--blobdev="+blob)
	compare(t, image, []block.Reader{testimg.File(t, blob)}, "device="+peers.Loop(t, blob))
	fsys, err := Open(testimg.File(t, image), nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := fsys.Problems(); len(p) != 1 || !strings.Contains(p[0].Error(), "device 1") {
		t.Errorf("problems without the device: %v", p)
	}
	if f, err := fsys.Open("noise"); err == nil {
		if _, err = f.Read(make([]byte, 10)); err == nil || !strings.Contains(err.Error(), "device 1") {
			t.Errorf("a file without its device: %v", err)
		}
	}
}
