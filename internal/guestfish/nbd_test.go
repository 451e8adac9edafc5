//go:build libguestfs && linux

package guestfish

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
)

// volume is n bytes of which no two sectors are alike.
func volume(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>9) ^ byte(i>>17) ^ byte(i)
	}
	return b
}

// lend serves r, and returns the socket.
func lend(t *testing.T, r block.Reader) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(l, r)
	t.Cleanup(s.Close)
	return path
}

// TestServerPeers: qemu reads what is there, and zeros up to a whole sector.
func TestServerPeers(t *testing.T) {
	want := volume(5<<20 + 100)
	uri := "nbd+unix:///?socket=" + lend(t, bytes.NewReader(want))
	copied := filepath.Join(t.TempDir(), "copy")
	peers.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "raw", uri, copied)
	got, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 5<<20+512 || !bytes.Equal(got[:len(want)], want) || len(bytes.Trim(got[len(want):], "\x00")) > 0 {
		t.Errorf("qemu reads %d bytes, and not those", len(got))
	}
	out, err := peers.Command(t, "qemu-io", "-f", "raw", "-c", "write 0 512", uri).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "denied") {
		t.Errorf("a write: %v %s", err, out)
	}
}

// A torn reader fails past its first half.
type torn struct{ *bytes.Reader }

func (r torn) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > r.Size()/2 {
		return 0, errors.New("torn")
	}
	return r.Reader.ReadAt(p, off)
}

// TestServerReadError: what cannot be read is an error of the peer, not zeros.
func TestServerReadError(t *testing.T) {
	uri := "nbd+unix:///?socket=" + lend(t, torn{bytes.NewReader(volume(8 << 20))})
	peers.Run(t, "qemu-io", "-r", "-f", "raw", "-c", "read 0 2M", uri)
	for _, at := range []string{"read 5M 4k", "read 2M 4M"} {
		if out, err := peers.Command(t, "qemu-io", "-r", "-f", "raw", "-c", at, uri).CombinedOutput(); err == nil {
			t.Errorf("%s: no error: %s", at, out)
		}
	}
}
