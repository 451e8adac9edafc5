package format_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestBlockDevices opens images that lie on block devices, with sectors of two
// sizes: what they take there is not known.
func TestBlockDevices(t *testing.T) {
	b, err := os.ReadFile("../testdata/images/debian12-bios.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, make([]byte, 8<<20-len(b))...)
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sector := range []string{"512", "4096"} {
		dev := peers.Loop(t, path, "-r", "-b", sector)
		for _, f := range []string{"qcow2", "raw"} {
			img, err := format.OpenFile(dev, &format.Options{Format: f})
			if err != nil {
				t.Fatal(sector, f, err)
			}
			if i := img.Info(); i.Format != f || i.Allocated != -1 || i.FileSize != int64(len(b)) {
				t.Errorf("%s, %s: %+v", sector, f, i)
			}
			if f == "raw" {
				testimg.TestDevice(t, img, bytes.NewReader(b), 64<<10)
			}
			img.Close()
		}
	}
}
