package btrfs

import (
	"os"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestRealTree copies the programs of this machine into compressed filesystems and
// compares all that there is. It takes minutes: GUESTKIT_LARGE asks for it.
func TestRealTree(t *testing.T) {
	if os.Getenv("GUESTKIT_LARGE") == "" {
		t.Skip("GUESTKIT_LARGE is not set")
	}
	for _, c := range []struct{ name, args, mount string }{
		{"zstd", "", "compress=zstd"}, {"lzo", "--csum xxhash", "compress-force=lzo"}, {"zlib-raid6", "-d raid6 -m raid1c3", "compress=zlib"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 1
			if strings.Contains(c.args, "raid") {
				n = 4
			}
			p := newPool(t, n, "6G", strings.Fields(c.args)...)
			dir := p.mount(t, "noatime", c.mount)
			peers.Run(t, "cp", "-a", "/usr/lib", "/usr/bin", "/etc", dir)
			peers.Unmount(t, dir)
			dir = p.mount(t, "ro")
			fsys := openAll(t, nil, p.readers(t)...)
			compare(t, fsys, dir)
			noProblems(t, fsys)
		})
	}
}
