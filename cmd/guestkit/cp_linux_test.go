package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestCopyKeepsAll compares a copy with the kernel's view of what was copied: times that
// are no number of nanoseconds, attributes of links and devices, and their modes.
func TestCopyKeepsAll(t *testing.T) {
	peers.Need(t, "mke2fs", "setfattr")
	dir := t.TempDir()
	image, out := filepath.Join(dir, "fs.img"), filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "mke2fs", "-q", "-t", "ext4", "-I", "256", image, "16M")
	mnt := peers.Mount(t, image, "ext4", "noatime")
	peers.Run(t, "sh", "-ec", `cd "$1"; rmdir lost+found; mkdir dir; echo x >file; ln -s file link; mkfifo fifo
mknod char c 1 3; mknod block b 259 70000; chmod 4751 char; chmod 2640 block; chmod 1666 fifo; chown 4711:4712 char
for f in dir file link fifo char block; do
	setfattr -h -n security.selinux -v "of_$f" $f; setfattr -h -n trusted.t -v y $f
	touch -h -d '2400-02-03 04:05:06.789' $f
done; touch -d '1905-01-01 00:00:00.5' file`, "sh", mnt)
	peers.Run(t, "sync", "-f", mnt)
	if r := gk(t, "cp", "--special", image, "/.", out); r.code != exitDone || r.err != "" {
		t.Fatalf("%+v", r)
	}
	o := testimg.TreeOptions{SkipPaths: map[string]bool{".": true}, NoDirSize: true, NoCtime: true, NoAtime: true}
	want, err := testimg.HostTree(mnt, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := testimg.HostTree(out, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	delete(want, ".")
	delete(got, ".")
	testimg.CompareTrees(t, got, want, o)
}
