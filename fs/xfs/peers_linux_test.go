package xfs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/fs/xfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"golang.org/x/sys/unix"
)

// newImage makes an empty XFS of the given size with mkfs.xfs.
func newImage(t testing.TB, size int64, args ...string) string {
	t.Helper()
	img := filepath.Join(t.TempDir(), "xfs.img")
	if err := os.WriteFile(img, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(img, size); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "mkfs.xfs", append(append([]string{"-q", "-f"}, args...), img)...)
	return img
}

// openImage opens an image file.
func openImage(t testing.TB, img string, o *xfs.Options) vfs.FS {
	t.Helper()
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := xfs.Open(sized{f, fi.Size()}, o)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

type sized struct {
	*os.File
	size int64
}

func (s sized) Size() int64 { return s.size }

// fill fills a mounted filesystem with the hard cases.
func fill(t testing.TB, dir string, args ...string) {
	t.Helper()
	script, err := filepath.Abs("testdata/fill.sh")
	if err != nil {
		t.Fatal(err)
	}
	peers.Need(t, "setfattr", "setfacl", "xfs_io", "bash")
	peers.Run(t, "bash", append([]string{script, dir}, args...)...)
}

// compareWithKernel compares an unmounted image with the kernel's view of it.
func compareWithKernel(t *testing.T, img string, o *xfs.Options, mountOptions ...string) {
	t.Helper()
	fsys := openImage(t, img, o)
	to := testimg.TreeOptions{}
	got, err := testimg.ReadTree(fsys, to)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range fsys.Problems() {
		t.Errorf("problem: %v", p)
	}
	dir := peers.Mount(t, img, "xfs", append([]string{"ro", "noatime"}, mountOptions...)...)
	want, err := testimg.HostTree(dir, to)
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	peers.Unmount(t, dir)
	testimg.CompareTrees(t, got, want, to)
	i := fsys.Info()
	if size := i.Size - i.Overhead; i.Free >= 0 && (size != int64(st.Blocks)*int64(st.Bsize) || i.Free != int64(st.Bfree)*int64(st.Bsize) || i.Inodes != int64(st.Files) || i.InodesFree != int64(st.Ffree)) {
		t.Errorf("%d bytes, %d free, %d inodes, %d free; statfs says %+v", size, i.Free, i.Inodes, i.InodesFree, st)
	}
	t.Logf("%d paths", len(want))
}

// TestKernelVariants fills what mkfs can make and the kernel mounts.
func TestKernelVariants(t *testing.T) {
	for i, v := range []struct{ name, args string }{
		{"default", ""},
		{"nrext64", "-i nrext64=1"},
		{"1k blocks", "-b size=1024"},
		{"2k blocks, 512-byte sectors, 16k directories", "-b size=2048 -s size=512 -n size=16k"},
		{"64k directories, 4k sectors", "-n size=64k -s size=4096"},
		{"inodes of 2048", "-i size=2048"},
		{"inodes of 1024, aligned only", "-i size=1024,sparse=0"},
		{"no bigtime, reflink, rmapbt or inobtcount", "-m bigtime=0,reflink=0,rmapbt=0,inobtcount=0"},
		{"rmapbt, reflink", "-m rmapbt=1,reflink=1"},
		{"no finobt", "-m finobt=0,inobtcount=0"},
	} {
		t.Run(v.name, func(t *testing.T) {
			img := newImage(t, 400<<20, strings.Fields(v.args)...)
			dir := peers.Mount(t, img, "xfs")
			if i == 0 {
				fill(t, dir)
			} else {
				fill(t, dir, "600")
			}
			peers.Unmount(t, dir)
			compareWithKernel(t, img, nil)
		})
	}
}

// TestLargeBlocks has blocks of 64 KiB, larger than pages, which Linux mounts since
// 6.12.
func TestLargeBlocks(t *testing.T) {
	peers.NeedRoot(t)
	img := newImage(t, 512<<20, strings.Fields("-b size=64k -n size=64k -i size=2048 -s size=4096 -m rmapbt=1")...)
	dir := peers.Mount(t, img, "xfs")
	fill(t, dir, "600")
	peers.Unmount(t, dir)
	compareWithKernel(t, img, nil)
}

// TestParentPointers sets the feature bits that this mkfs does not know yet on
// an empty filesystem; the kernel then writes parent attributes, which are its
// own and are not shown.
func TestParentPointers(t *testing.T) {
	peers.Need(t, "xfs_db")
	img := newImage(t, 400<<20, "-i", "nrext64=1")
	peers.Run(t, "xfs_db", "-x", "-c", "sb 0", "-c", "write -d features_incompat 0xeb", img)
	dir := peers.Mount(t, img, "xfs")
	fill(t, dir)
	peers.Unmount(t, dir)
	compareWithKernel(t, img, nil)
}
