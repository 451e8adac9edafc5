package ext4_test

import (
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestScattered reads files whose blocks lie out of order, through extents of
// several depths and through indirect blocks.
func TestScattered(t *testing.T) {
	for name, args := range map[string][]string{
		"extents":  {"32M", "-t", "ext4", "-b", "1024", "-O", "^has_journal"},
		"bigalloc": {"32M", "-t", "ext4", "-b", "1024", "-O", "bigalloc,^has_journal", "-C", "4096"},
		"indirect": {"5M", "-t", "ext4", "-b", "1024", "-O", "^extents,^64bit,^has_journal", "-N", "6000"},
	} {
		t.Run(name, func(t *testing.T) {
			image := mkfs(t, args[0], args[1:]...)
			dir := peers.Mount(t, image, "ext4", "noatime")
			path := filepath.Join(dir, "scattered")
			var want []byte
			if name == "indirect" {
				want = testimg.ScatterFull(t, path, 600, 1024)
			} else {
				want = testimg.Scatter(t, path, 400, 4096)
			}
			peers.Unmount(t, dir)
			testimg.CheckScattered(t, openImage(t, image), "scattered", want, 1024)
		})
	}
}
