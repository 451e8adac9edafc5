package squashfs

import (
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// BenchmarkMounts is against the kernel's mount, for the common compressors.
func BenchmarkMounts(b *testing.B) {
	peers.NeedRoot(b)
	dir := b.TempDir()
	testimg.BenchTree(b, dir)
	for _, comp := range []string{"gzip", "zstd"} {
		b.Run(comp, func(b *testing.B) {
			testimg.BenchMounts(b, mksquashfs(b, dir, "-comp", comp), "squashfs", openFS)
		})
	}
}
