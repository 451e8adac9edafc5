package raw_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format/raw"
	"github.com/guestkit/guestkit/internal/testimg"
)

func TestDevice(t *testing.T) {
	b := make([]byte, 100<<10+17)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	im, err := raw.Open(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, im, bytes.NewReader(b), 4096)
	if e, err := im.Extent(100); err != nil || e.Host == nil || e.HostOff != 100 || e.Len != im.Size()-100 {
		t.Errorf("Extent = %+v, %v", e, err)
	}
}

// TestNothingIsInterpreted: a raw disk whose guest wrote an image's header onto
// it stays a raw disk.
func TestNothingIsInterpreted(t *testing.T) {
	b := append([]byte("QFI\xfb\x00\x00\x00\x03"), make([]byte, 504)...)
	im, err := raw.Open(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := block.ReadBytes(im, 0, 512, 512)
	if err != nil || !bytes.Equal(got, b) {
		t.Errorf("reads %q, %v", got[:8], err)
	}
}

func TestClose(t *testing.T) {
	im, err := raw.Open(bytes.NewReader(make([]byte, 512)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := im.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ReadAt: %v", err)
	}
	if _, err := im.Extent(0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Extent: %v", err)
	}
}

func ExampleOpen() {
	im, err := raw.Open(bytes.NewReader(make([]byte, 1<<20)), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()
	fmt.Println(im.Size())
	// Output: 1048576
}
