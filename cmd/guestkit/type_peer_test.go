package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestType: --type says what --volume is taken for, where two filesystems are
// sound, and whatever is found there.
func TestType(t *testing.T) {
	peers.Need(t, "mke2fs", "genisoimage")
	dir := t.TempDir()
	tree, iso, img := filepath.Join(dir, "tree"), filepath.Join(dir, "iso"), filepath.Join(dir, "img")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "on-the-disc"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "genisoimage", "-quiet", "-R", "-o", iso, tree)
	peers.Run(t, "mke2fs", "-q", "-t", "ext2", "-O", "^resize_inode", "-b", "4096", "-N", "16", "-d", tree, img, "16M")
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	disc, err := os.ReadFile(iso)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[32<<10:], disc[32<<10:]) // over what is behind the root directory
	if err := os.WriteFile(img, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		out  string
	}{
		{"volumes " + img, exitDone, "several signatures hold: ext2 at 0x438, iso9660 at 0x8001"},
		{"ls --volume disk " + img, exitFailed, "state its type with --type"},
		{"ls --volume disk --type ext2 " + img + " /", exitDone, "lost+found"},
		{"ls --volume disk1 --type iso9660 " + img + " /", exitDone, "on-the-disc"},
		{"find --volume /dev/sda --volume-type iso9660 -type f " + img, exitDone, "/on-the-disc"},
		{"ls --volume disk --type xfs " + img, exitFailed, "xfs"},
		{"ls --type ext2 " + img, exitUsage, "--type is that of --volume"},
		{"ls --volume disk --type ext9 " + img, exitUsage, "there is no driver for"},
	} {
		if r := gk(t, strings.Fields(c.args)...); r.code != c.code || !strings.Contains(r.out+r.err, c.out) {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
}
