package xfs_test

import (
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/fs/xfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestScattered reads a file whose blocks lie out of order, through a B+tree of
// extents.
func TestScattered(t *testing.T) {
	for name, args := range map[string][]string{"1 KiB": {"-b", "size=1024"}, "no reflinks": {"-m", "reflink=0"}} {
		t.Run(name, func(t *testing.T) {
			img := newImage(t, 320<<20, args...)
			dir := peers.Mount(t, img, "xfs")
			want := testimg.Scatter(t, filepath.Join(dir, "scattered"), 600, 4096)
			peers.Unmount(t, dir)
			fsys, err := xfs.Open(testimg.File(t, img), nil)
			if err != nil {
				t.Fatal(err)
			}
			testimg.CheckScattered(t, fsys, "scattered", want, 4096)
		})
	}
}
