package btrfs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestProgsSuite opens the damaged and odd images of btrfs-progs' own tests: each
// is read or refused, within seconds and some memory.
func TestProgsSuite(t *testing.T) {
	suite := peers.Suite(t, "btrfs-progs")
	peers.Need(t, "xz", "btrfs-image")
	n, classes := 0, map[string]int{}
	err := filepath.WalkDir(filepath.Join(suite, "tests"), func(path string, d fs.DirEntry, err error) error {
		raw := strings.HasSuffix(path, ".raw.xz") || strings.HasSuffix(path, ".raw")
		if err != nil || !raw && !strings.HasSuffix(path, ".img") && !strings.HasSuffix(path, ".img.xz") {
			return err
		}
		n++
		image := filepath.Join(t.TempDir(), "image")
		if strings.HasSuffix(path, ".xz") {
			cmd := peers.Command(t, "sh", "-c", `xz -dc "$0" | cp --sparse=always /dev/stdin "$1"`, path, image)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", path, err, out)
			}
		} else {
			image = path
		}
		if !raw { // a dump of metadata
			dump := image
			image = filepath.Join(t.TempDir(), "restored")
			if out, err := peers.Command(t, "btrfs-image", "-r", dump, image).CombinedOutput(); err != nil {
				t.Logf("%s: btrfs-image: %v: %s", path, err, bytes.TrimSpace(out))
				return nil
			}
		}
		name, _ := filepath.Rel(suite, path)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		started := time.Now()
		err = explore(testimg.File(t, image))
		if took := time.Since(started); took > time.Minute {
			t.Errorf("%s: took %v", name, took)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if after.HeapAlloc > before.HeapAlloc+64<<20 {
			t.Errorf("%s: the heap grew by %d MiB", name, (after.HeapAlloc-before.HeapAlloc)>>20)
		}
		class := "read"
		if err != nil {
			class = "another error"
			for _, c := range []error{block.ErrFormat, block.ErrCorrupt, block.ErrTruncated, block.ErrUnsupported, block.ErrLoop, block.ErrMissing, block.ErrLimit} {
				if errors.Is(err, c) {
					class = c.Error()
				}
			}
		}
		classes[class]++
		t.Logf("%s: %v", name, err)
		if image != path {
			os.Remove(image)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d images: %v", n, classes)
	if n < 80 {
		t.Errorf("only %d images", n)
	}
}
