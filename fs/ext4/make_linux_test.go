package ext4_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestMakeFixtures makes the images of testdata and the listings of what the
// kernel shows of them. testdata/make.sh runs it.
func TestMakeFixtures(t *testing.T) {
	if os.Getenv("GUESTKIT_MAKE_FIXTURES") == "" {
		t.Skip("run testdata/make.sh")
	}
	peers.NeedRoot(t)
	const uuid = "6f6b6579-0000-4000-8000-000000000001"
	id := []string{"-U", uuid, "-E", "hash_seed=" + uuid}
	for name, args := range map[string][]string{ // with the size first
		"ext2":   {"8M", "-t", "ext2", "-b", "1024", "-N", "600", "-L", "two"},
		"ext3":   {"8M", "-t", "ext3", "-b", "1024", "-I", "128", "-N", "600", "-J", "size=1", "-O", "^resize_inode"},
		"ext4":   {"8M", "-t", "ext4", "-b", "1024", "-N", "600", "-J", "size=1", "-O", "ea_inode,metadata_csum_seed,^resize_inode"},
		"inline": {"16M", "-t", "ext4", "-b", "4096", "-I", "512", "-N", "600", "-O", "inline_data,^has_journal,^resize_inode"},
	} {
		image := mkfs(t, args[0], slices.Concat(id, args[1:])...)
		dir := peers.Mount(t, image, "ext4", "noatime")
		fill(t, dir, 500, smallSize)
		peers.Unmount(t, dir)
		keep(t, name, image, kernelTree(t, image))
	}
	// Few files without checksums, for the recipes of hostile images.
	few := t.TempDir()
	for _, dir := range []string{"d", "d/e"} {
		if err := os.Mkdir(filepath.Join(few, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, n := range map[string]int{"f": 6, "d/g": 5000} {
		if err := os.WriteFile(filepath.Join(few, name), bytes.Repeat([]byte("g"), n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{"a": "b", "b": "a", "esc": "/../../../../etc/passwd"} {
		if err := os.Symlink(to, filepath.Join(few, from)); err != nil {
			t.Fatal(err)
		}
	}
	plain := slices.Concat(id, []string{"-t", "ext4", "-b", "1024", "-N", "64", "-d", few, "-O"})
	keep(t, "plain", mkfs(t, "8M", append(plain, "^metadata_csum,^has_journal,^dir_index,^resize_inode")...), nil)
	keep(t, "plain-journal", mkfs(t, "8M", append(plain, "^metadata_csum,^dir_index,^resize_inode")...), nil)

	image := mkfs(t, "8M", slices.Concat(id, []string{"-t", "ext4", "-b", "1024", "-N", "400", "-J", "size=2", "-O", "^resize_inode"})...)
	dir := peers.Mount(t, image, "ext4", "noatime", "commit=300", "data=journal")
	churn(t, dir, 2)
	dirty := copyFile(t, image)
	peers.Unmount(t, dir)
	keep(t, "dirty", dirty, kernelTree(t, copyFile(t, dirty)))

	// The kernel mounts no blocks of 64 KiB: what it shows is the tree that
	// mke2fs copied.
	tree := t.TempDir()
	if err := os.Chmod(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	fillPlain(t, tree)
	image = mkfs(t, "24M", slices.Concat(id, []string{"-t", "ext4", "-b", "65536", "-N", "300", "-O", "^has_journal", "-d", tree})...)
	want, err := testimg.HostTree(tree, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, copied, image, want)
}

// kernelTree returns the kernel's view of an image, which it recovers.
func kernelTree(t *testing.T, image string) map[string]testimg.Node {
	t.Helper()
	dir := peers.Mount(t, image, "ext4", "noatime")
	defer peers.Unmount(t, dir)
	tree, err := testimg.HostTree(dir, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func keep(t *testing.T, name, image string, tree map[string]testimg.Node) {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	pack(t, name+".img.gz", b)
	if tree != nil {
		pack(t, name+".tree.gz", []byte(listing(name, tree)))
	}
}

func pack(t *testing.T, name string, b []byte) {
	t.Helper()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", name), out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d bytes", name, out.Len())
}
