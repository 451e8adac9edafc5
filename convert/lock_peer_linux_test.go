package convert

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestStorageLocksQEMU: while an image is changed in place, programs of QEMU cannot
// open it for writing, nor can it be changed twice; afterwards all can.
func TestStorageLocksQEMU(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	path := filepath.Join(t.TempDir(), "a.qcow2")
	peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "1M")
	s, err := OpenStorage(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := OpenStorage(path); err == nil {
		again.Close()
		t.Error("it was opened twice for writing")
	}
	writers := [][]string{
		{"qemu-io", "-f", "qcow2", "-c", "write 0 64k", path},
		{"qemu-img", "snapshot", "-c", "s", path},
		{"qemu-img", "check", "-r", "all", path},
		{"qemu-img", "resize", "-f", "qcow2", path, "2M"},
	}
	for _, w := range writers {
		out, err := peers.Command(t, w[0], w[1:]...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "lock") {
			t.Errorf("%s of an image that is being changed: %v, %s", w, err, out)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, w := range writers {
		peers.Run(t, w[0], w[1:]...)
	}
}
