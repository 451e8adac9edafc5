package ntfs_test

import (
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/fs/ntfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestScattered reads a file whose clusters lie out of order, so that its runs
// lead back and forth, through an attribute list.
func TestScattered(t *testing.T) {
	img := mkntfs(t, 6<<20, "-c", "1024")
	dir, unmount := mount3g(t, img)
	want := testimg.ScatterFull(t, filepath.Join(dir, "scattered"), 400, 1024)
	unmount()
	fsys, err := ntfs.Open(testimg.File(t, img), nil)
	if err != nil {
		t.Fatal(err)
	}
	testimg.CheckScattered(t, fsys, "scattered", want, 1024)
}
