package ext4_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fillPlain makes a tree that mke2fs -d copies faithfully.
func fillPlain(t testing.TB, dir string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := func(name string) string { return filepath.Join(dir, name) }
	f := filler{t: t, dir: dir, rng: newRand()}
	for _, n := range []int{0, 1, 60, 1000, 4096, 65535, 65536, 65537, 200000} {
		f.write(fmt.Sprintf("size-%d", n), f.bytes(n))
	}
	h, err := os.Create(p("holes"))
	must(err)
	for _, off := range []int64{0, 300000, 5 << 20} {
		_, err := h.WriteAt(f.bytes(3000), off)
		must(err)
	}
	must(h.Close())
	must(os.MkdirAll(p("dir/sub/deeper"), 0o711))
	for i := range 150 {
		must(os.WriteFile(p(fmt.Sprintf("dir/%s-%d", strings.Repeat("n", i%200), i)), []byte{byte(i)}, 0o600))
	}
	must(os.WriteFile(p("latin1-\xe9"), []byte("x"), 0o644))
	for _, n := range []int{1, 59, 60, 255, 1000} {
		must(os.Symlink(strings.Repeat("t", n), p(fmt.Sprintf("link-%d", n))))
	}
	must(unix.Mknod(p("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(unix.Mknod(p("big"), unix.S_IFBLK|0o660, int(unix.Mkdev(300, 70000))))
	must(unix.Mknod(p("fifo"), unix.S_IFIFO|0o622, 0))
	must(os.Link(p("size-1000"), p("dir/hard")))
	must(unix.Setxattr(p("size-60"), "user.small", []byte("value"), 0))
	must(unix.Setxattr(p("size-60"), "user.big", bytes.Repeat([]byte("b"), 3000), 0))
	for i, name := range []string{"size-0", "size-1", "dir"} {
		must(unix.Chown(p(name), 1000+i, 100000+i))
	}
}

// TestLargeBlocks reads blocks of 8 to 64 KiB, which this machine's kernel may
// not mount: mke2fs copies a tree, which is the judge, as is what debugfs dumps.
func TestLargeBlocks(t *testing.T) {
	peers.NeedRoot(t)
	tree := t.TempDir()
	if err := os.Chmod(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	fillPlain(t, tree)
	want, err := testimg.HostTree(tree, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"8k", []string{"-t", "ext4", "-b", "8192"}},
		{"16k", []string{"-t", "ext4", "-b", "16384", "-O", "inline_data"}},
		{"32k-ext2", []string{"-t", "ext2", "-b", "32768"}},
		{"64k", []string{"-t", "ext4", "-b", "65536"}},
		{"64k-map", []string{"-t", "ext4", "-b", "65536", "-O", "^extents,^metadata_csum,^64bit"}},
		{"64k-bigalloc", []string{"-t", "ext4", "-b", "65536", "-O", "bigalloc", "-C", "262144"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			image := mkfs(t, "96M", append(c.args, "-N", "2000", "-d", tree)...)
			fsys := openImage(t, image)
			got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []string{".", "lost+found"} { // not copied but made
				delete(got, p)
			}
			want := maps.Clone(want)
			delete(want, ".")
			testimg.CompareTrees(t, got, want, testimg.TreeOptions{NoDirSize: true, TimeWithin: time.Second, NoAtime: true})
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			for _, name := range []string{"size-65537", "holes", "size-200000"} {
				out := filepath.Join(t.TempDir(), "dump")
				peers.Run(t, "debugfs", "-R", "dump "+name+" "+out, image)
				dumped, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				if b, err := fs.ReadFile(fsys, name); err != nil || !bytes.Equal(b, dumped) {
					t.Errorf("%s: %d bytes, %v; debugfs dumps %d", name, len(b), err, len(dumped))
				}
			}
		})
	}
}
