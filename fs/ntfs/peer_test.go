package ntfs_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

func TestFirst(t *testing.T) {
	img := mkntfs(t, 64<<20, "-L", "Första")
	dir, umount := mount3g(t, img)
	rng := rand.New(rand.NewPCG(1, 1))
	write := func(name string, b []byte) {
		t.Helper()
		p := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(p), 0o777)
		if err := os.WriteFile(p, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	write("small", []byte("hello"))
	write("empty", nil)
	write("big", random(3_000_000))
	write("dir/sub/x", random(5000))
	for i := range 500 {
		write(fmt.Sprintf("many/file-%d", i), []byte(fmt.Sprint(i)))
	}
	os.Symlink("small", filepath.Join(dir, "link"))
	os.Symlink("/dir/sub/x", filepath.Join(dir, "abs"))
	os.Link(filepath.Join(dir, "small"), filepath.Join(dir, "hard"))
	write("ünïcode 😀", bytes.Repeat([]byte("abc"), 1000))
	umount()

	dir, umount = mount3g(t, img, "ro")
	o := testimg.TreeOptions{NoOwner: true, NoDirSize: true}
	want, err := testimg.HostTree(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	umount()
	fsys, _ := openImage(t, img, nil)
	t.Logf("%+v %v", fsys.Info(), fsys.Problems())
	t.Log(peers.Run(t, "blkid", "-p", img))
	got, err := testimg.ReadTree(fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	testimg.CompareTrees(t, got, want, o)
}
