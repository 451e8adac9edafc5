package ext4

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestMakeContinuedFixture makes a directory whose index has a leaf that
// continues the hash with which the leaf before it ends: two names of one hash
// lie where the kernel splits the first leaf.
func TestMakeContinuedFixture(t *testing.T) {
	if os.Getenv("GUESTKIT_MAKE_FIXTURES") == "" {
		t.Skip("run testdata/make.sh")
	}
	const uuid = "6f6b6579-0000-4000-8000-000000000001"
	seed := [16]byte{0x6f, 0x6b, 0x65, 0x79, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}
	seen := map[uint32]string{}
	var pair [2]string
	var hash uint32
	var names []string
	for i := 0; pair[0] == ""; i++ {
		name := fmt.Sprintf("name-%011d", i)
		names = append(names, name)
		h, _ := nameHash(hashHalfMD4, seed, []byte(name))
		if first, ok := seen[h]; ok && h > 1<<30 && h < 3<<30 {
			pair, hash = [2]string{first, name}, h
		}
		seen[h] = name
	}
	for low := range 40 {
		image := filepath.Join(t.TempDir(), "image")
		peers.Run(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-N", "16", "-U", uuid, "-E", "hash_seed="+uuid,
			"-O", "^has_journal,^resize_inode", image, "128k")
		dir := filepath.Join(peers.Mount(t, image, "ext4", "noatime"), "d")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(os.Mkdir(dir, 0o755))
		must(os.WriteFile(filepath.Join(dir, pair[0]), nil, 0o644))
		link := func(name string) { must(os.Link(filepath.Join(dir, pair[0]), filepath.Join(dir, name))) }
		link(pair[1])
		below, above := low, 43-low
		for _, name := range names {
			h, _ := nameHash(hashHalfMD4, seed, []byte(name))
			if h < hash && below > 0 {
				below--
				link(name)
			} else if h > hash && above > 0 {
				above--
				link(name)
			}
		}
		peers.Unmount(t, filepath.Dir(dir))
		if strings.Contains(peers.Run(t, "debugfs", "-R", "htree_dump /d", image), fmt.Sprintf("Hash 0x%08x", hash|1)) {
			b, err := os.ReadFile(image)
			must(err)
			testimg.Keep(t, "continued.img.gz", b)
			t.Logf("%q and %q have hash %#x", pair[0], pair[1], hash)
			return
		}
	}
	t.Fatal("the kernel split no leaf between the two names")
}
