package erofs

import (
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// BenchmarkMounts is against the kernel's mount.
func BenchmarkMounts(b *testing.B) {
	peers.NeedRoot(b)
	dir := b.TempDir()
	testimg.BenchTree(b, dir)
	for _, args := range []string{"-Eforce-inode-extended", "-zlz4hc"} {
		b.Run(args, func(b *testing.B) {
			testimg.BenchMounts(b, mkfs(b, dir, args), "erofs", openFS)
		})
	}
}
