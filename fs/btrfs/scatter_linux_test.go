package btrfs

import (
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestScattered reads files made of parts of extents in another order, one of
// them of compressed extents.
func TestScattered(t *testing.T) {
	p := newPool(t, 1, "128M")
	dir := p.mount(t, "noatime")
	want := testimg.Scatter(t, filepath.Join(dir, "scattered"), 600, 4096)
	peers.Unmount(t, dir)
	testimg.CheckScattered(t, openAll(t, nil, p.readers(t)...), "scattered", want, 4096)
}
