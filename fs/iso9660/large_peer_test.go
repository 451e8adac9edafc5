package iso9660

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestLargeFile reads a file of more than 4 GiB, which lies in several extents, in windows
// around the places where these meet and at random. The image takes as much: it is made
// where GUESTKIT_LARGE is set.
func TestLargeFile(t *testing.T) {
	if os.Getenv("GUESTKIT_LARGE") == "" {
		t.Skip("GUESTKIT_LARGE is not set")
	}
	peers.Need(t, "xorriso")
	dir := t.TempDir()
	src, image := filepath.Join(dir, "src"), filepath.Join(dir, "image.iso")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	const size, extent = 4402353823, 4294965248 // the longest extent of whole sectors
	big, err := os.Create(filepath.Join(src, "big"))
	if err == nil {
		err = big.Truncate(size)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer big.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	at := []int64{0, extent - 50, extent, 1<<32 - 50, size - 100, 1<<31 - 50}
	for range 100 {
		at = append(at, rng.Int64N(size-100))
	}
	noise := make([]byte, 100)
	for _, off := range at {
		for i := range noise {
			noise[i] = byte(rng.Uint32())
		}
		if _, err := big.WriteAt(noise, off); err != nil {
			t.Fatal(err)
		}
	}
	peers.Run(t, "xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-R", "-o", image, src)

	fsys, err := Open(testimg.File(t, image), nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := fsys.Open("big")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || fi.Size() != size {
		t.Fatalf("%v, %v", fi, err)
	}
	want, got := make([]byte, 1<<20), make([]byte, 1<<20)
	for _, off := range at {
		off = max(0, off-1<<19)
		n, err := big.ReadAt(want, off)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if m, err := f.(io.ReaderAt).ReadAt(got, off); m != n || err != nil && err != io.EOF || !bytes.Equal(want[:n], got[:n]) {
			t.Errorf("at %d: %d bytes of %d, %v", off, m, n, err)
		}
	}
	if p := fsys.Problems(); len(p) > 0 {
		t.Error(p)
	}
}
