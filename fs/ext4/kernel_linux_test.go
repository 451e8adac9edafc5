package ext4_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fileReader is a host file as a block.Reader.
type fileReader struct {
	*os.File
	size int64
}

func (f fileReader) Size() int64 { return f.size }

func openFile(t testing.TB, path string) fileReader {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return fileReader{f, fi.Size()}
}

func openImage(t testing.TB, path string) vfs.FS {
	t.Helper()
	fsys, err := ext4.Open(openFile(t, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

// mkfs makes an image of size with mke2fs.
func mkfs(t testing.TB, size string, args ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	args = append(append([]string{"-q", "-F"}, args...), image, size)
	peers.Run(t, "mke2fs", args...)
	return image
}

var kernelConfigs = []struct {
	name, size string
	args       []string
	names      int
}{
	{"ext2-1k", "128M", []string{"-t", "ext2", "-b", "1024", "-N", "20000"}, 1500},
	{"ext2-4k", "128M", []string{"-t", "ext2", "-b", "4096", "-N", "20000"}, 1000},
	{"ext3-1k", "128M", []string{"-t", "ext3", "-b", "1024", "-N", "20000"}, 1500},
	{"ext3-inode128", "128M", []string{"-t", "ext3", "-I", "128", "-N", "20000"}, 1500},
	{"ext4", "256M", []string{"-t", "ext4", "-N", "70000"}, 50000},
	{"ext4-1k", "128M", []string{"-t", "ext4", "-b", "1024", "-N", "20000"}, 10000},
	{"ext4-2k", "128M", []string{"-t", "ext4", "-b", "2048", "-N", "20000"}, 1500},
	{"no-extents", "128M", []string{"-t", "ext4", "-O", "^extents,^64bit", "-N", "20000"}, 1500},
	{"meta_bg", "128M", []string{"-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode", "-N", "20000"}, 1500},
	{"bigalloc", "256M", []string{"-t", "ext4", "-O", "bigalloc", "-C", "16384", "-N", "16384"}, 1500},
	{"bigalloc-1k", "256M", []string{"-t", "ext4", "-b", "1024", "-O", "bigalloc,meta_bg,^resize_inode", "-C", "8192", "-N", "20000"}, 1500},
	{"inline_data", "128M", []string{"-t", "ext4", "-O", "inline_data", "-I", "256", "-N", "20000"}, 1500},
	{"inline_data-512", "128M", []string{"-t", "ext4", "-O", "inline_data", "-I", "512", "-N", "20000"}, 1500},
	{"inline_data-1k", "128M", []string{"-t", "ext4", "-b", "1024", "-O", "inline_data", "-I", "1024", "-N", "20000"}, 1500},
	{"csum_seed", "128M", []string{"-t", "ext4", "-O", "metadata_csum_seed", "-N", "20000"}, 1500},
	{"no-64bit", "128M", []string{"-t", "ext4", "-O", "^64bit", "-N", "20000"}, 1500},
	{"inode128", "128M", []string{"-t", "ext4", "-I", "128", "-N", "20000"}, 1500},
	{"inode512", "128M", []string{"-t", "ext4", "-I", "512", "-N", "20000"}, 1500},
	{"inode1024", "128M", []string{"-t", "ext4", "-I", "1024", "-N", "20000"}, 1500},
	{"ea_inode", "128M", []string{"-t", "ext4", "-O", "ea_inode", "-N", "20000"}, 1500},
	{"ea_inode-nocsum", "128M", []string{"-t", "ext4", "-b", "1024", "-O", "ea_inode,^metadata_csum", "-N", "20000"}, 1500},
	{"large_dir", "256M", []string{"-t", "ext4", "-b", "1024", "-O", "large_dir", "-N", "70000"}, 50000},
	{"no-dir_index", "128M", []string{"-t", "ext4", "-O", "^dir_index", "-N", "20000"}, 1000},
	{"no-metadata_csum", "128M", []string{"-t", "ext4", "-O", "^metadata_csum", "-N", "20000"}, 1500},
	{"uninit_bg", "128M", []string{"-t", "ext4", "-O", "^metadata_csum,uninit_bg", "-N", "20000"}, 1500},
	{"no-filetype", "128M", []string{"-t", "ext2", "-O", "^filetype", "-N", "20000"}, 1000},
	{"sparse_super2", "128M", []string{"-t", "ext4", "-O", "sparse_super2", "-N", "20000"}, 1000},
	{"no-sparse_super", "128M", []string{"-t", "ext4", "-b", "1024", "-O", "^sparse_super,^resize_inode", "-N", "20000"}, 1000},
	{"no-flex_bg", "128M", []string{"-t", "ext4", "-b", "1024", "-O", "^flex_bg", "-N", "20000"}, 1000},
	{"orphan_file", "128M", []string{"-t", "ext4", "-O", "orphan_file", "-N", "20000"}, 1000},
	{"fast_commit", "128M", []string{"-t", "ext4", "-O", "fast_commit", "-N", "20000"}, 1000},
	{"quota-project", "128M", []string{"-t", "ext4", "-N", "20000"}, 1000},
	{"verity", "128M", []string{"-t", "ext4", "-O", "verity", "-N", "20000"}, 1000},
	{"mmp-packed", "128M", []string{"-t", "ext4", "-O", "mmp", "-E", "packed_meta_blocks=1", "-N", "20000"}, 1000},
	{"hash-tea", "128M", []string{"-t", "ext4", "-b", "1024", "-N", "20000"}, 1500},
	{"hash-legacy", "128M", []string{"-t", "ext4", "-b", "1024", "-N", "20000"}, 1500},
	{"unsigned", "128M", []string{"-t", "ext4", "-b", "1024", "-N", "20000"}, 1500},
	{"no-journal", "128M", []string{"-t", "ext4", "-O", "^has_journal", "-L", "a label", "-N", "20000"}, 1000},
}

// TestKernel fills filesystems of every kind through the kernel and compares all
// that it shows of them with what is read here.
func TestKernel(t *testing.T) {
	peers.NeedRoot(t)
	for _, c := range kernelConfigs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			image := mkfs(t, c.size, c.args...)
			if alg, ok := strings.CutPrefix(c.name, "hash-"); ok {
				peers.Run(t, "tune2fs", "-E", "hash_alg="+alg, image)
			}
			if c.name == "unsigned" { // as machines make it whose char is unsigned
				peers.Run(t, "debugfs", "-w", "-R", "ssv flags 2", image)
			}
			dir := peers.Mount(t, image, "ext4", "noatime")
			size := fullSize
			if !slices.Contains(c.args, "1024") { // three levels of pointers start at 64 MiB
				size.lastOffset = 20 << 20
			}
			fill(t, dir, c.names, size)
			peers.Unmount(t, dir)
			if c.name == "quota-project" { // kernels without quotas write to none that has them
				peers.Run(t, "tune2fs", "-O", "quota,project", "-Q", "usrquota,grpquota,prjquota", image)
			}
			compareKernel(t, image)
			if c.names >= 50000 {
				lookupIsShort(t, image)
			}
		})
	}
}

// lookupIsShort finds a name among 50,000, or does not, without reading all.
func lookupIsShort(t *testing.T, image string) {
	t.Helper()
	for name, found := range map[string]bool{"many/name-033332-" + strings.Repeat("x", 33332%17): true, "many/name-033333": false} {
		trace := &testimg.Trace{Reader: openFile(t, image)}
		fsys, err := ext4.Open(trace, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fsys.Stat(name); (err == nil) != found {
			t.Errorf("%s: %v", name, err)
		}
		if n := trace.Bytes(); n > 128<<10 {
			t.Errorf("%s: %d bytes were read", name, n)
		}
	}
}

// compareKernel mounts an image read-only and compares the trees.
func compareKernel(t *testing.T, image string) {
	t.Helper()
	dir := peers.Mount(t, image, "ext4", "ro")
	want, err := testimg.HostTree(dir, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fsys := openImage(t, image)
	got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	testimg.CompareTrees(t, got, want, testimg.TreeOptions{})
	if p := fsys.Problems(); len(p) > 0 {
		t.Errorf("problems: %v", p)
	}
	compareInfo(t, fsys.Info(), image, dir)
}

func compareInfo(t *testing.T, info vfs.Info, image, dir string) {
	t.Helper()
	id := map[string]string{}
	for _, line := range strings.Split(peers.Run(t, "blkid", "-p", "-o", "export", image), "\n") {
		k, v, _ := strings.Cut(line, "=")
		id[k] = v
	}
	if info.Type != id["TYPE"] || info.UUID != id["UUID"] || info.Label != strings.ReplaceAll(id["LABEL"], `\ `, " ") {
		t.Errorf("Info = %+v, blkid says %v", info, id)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	if int64(info.BlockSize) != int64(st.Bsize) || info.Free != int64(st.Bfree)*int64(st.Bsize) || info.Dirty {
		t.Errorf("Info = %+v, statfs says %d blocks of %d are free", info, st.Bfree, st.Bsize)
	}
	if info.Size-info.Overhead != int64(st.Blocks)*int64(st.Bsize) {
		t.Errorf("%d bytes for files, statfs says %d", info.Size-info.Overhead, int64(st.Blocks)*int64(st.Bsize))
	}
}
