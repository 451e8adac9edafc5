package exfat

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestScattered reads a file whose clusters lie out of order, by its chain in the
// FAT.
func TestScattered(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, make([]byte, 6<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "mkfs.exfat", "-c", "4096", image)
	dir := mount(t, image)
	want := testimg.ScatterFull(t, filepath.Join(dir, "scattered"), 300, 4096)
	peers.Unmount(t, dir)
	fsys, err := Open(testimg.File(t, image), nil)
	if err != nil {
		t.Fatal(err)
	}
	testimg.CheckScattered(t, fsys, "scattered", want, 4096)
}
