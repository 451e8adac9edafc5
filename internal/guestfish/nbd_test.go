//go:build libguestfs && linux

package guestfish

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
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

// dial connects to the server.
func dial(t *testing.T, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func option(opt uint32, data string) []byte {
	b := binary.BigEndian.AppendUint64(nil, optMagic)
	b = binary.BigEndian.AppendUint32(b, opt)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

func request(cmd uint16, off uint64, n uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, requestMagic)
	b = binary.BigEndian.AppendUint32(b, uint32(cmd))
	b = binary.BigEndian.AppendUint64(b, 7)
	b = binary.BigEndian.AppendUint64(b, off)
	return binary.BigEndian.AppendUint32(b, n)
}

// TestServerRefuses: each request has its answer, or ends the connection, and
// nothing is read past the volume.
func TestServerRefuses(t *testing.T) {
	path := lend(t, bytes.NewReader(volume(1000)))
	begin := append([]byte{0, 0, 0, 3}, option(optExportName, "any")...)
	const greeting, exported = 18, 10
	for _, c := range []struct {
		name string
		send []byte
		code int // of the answer; -1 for a connection that ends
	}{
		{"an unknown flag", append([]byte{0, 0, 0, 7}, option(optExportName, "")...), -1},
		{"old style", append([]byte{0, 0, 0, 0}, option(optExportName, "")...), -1},
		{"no option", append([]byte{0, 0, 0, 3}, make([]byte, 16)...), -1},
		{"an option without end", append([]byte{0, 0, 0, 3}, append(option(optGo, "")[:12], 0xff, 0xff, 0xff, 0xff)...), -1},
		{"no request", append(bytes.Clone(begin), make([]byte, 28)...), -1},
		{"a read", append(bytes.Clone(begin), request(cmdRead, 0, 1024)...), 0},
		{"a read past the end", append(bytes.Clone(begin), request(cmdRead, 1000, 1024)...), nbdEINVAL},
		{"a read far away", append(bytes.Clone(begin), request(cmdRead, 1<<63+512, 512)...), nbdEINVAL},
		{"a large read", append(bytes.Clone(begin), request(cmdRead, 0, 1<<31)...), nbdEINVAL},
		{"a write", append(append(bytes.Clone(begin), request(cmdWrite, 0, 4)...), "data"...), nbdEPERM},
		{"a large write", append(bytes.Clone(begin), request(cmdWrite, 0, 1<<31)...), -1},
		{"a trim", append(bytes.Clone(begin), request(4, 0, 512)...), nbdEPERM},
		{"a goodbye", append(bytes.Clone(begin), request(cmdDisc, 0, 0)...), -1},
	} {
		conn := dial(t, path)
		conn.Write(c.send)
		b := make([]byte, greeting+exported+16)
		_, err := io.ReadFull(conn, b)
		switch reply := b[greeting+exported:]; {
		case c.code < 0 && err == nil:
			t.Errorf("%s: there is an answer", c.name)
		case c.code < 0:
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case binary.BigEndian.Uint32(reply) != replyMagic, int(binary.BigEndian.Uint32(reply[4:])) != c.code, binary.BigEndian.Uint64(reply[8:]) != 7:
			t.Errorf("%s: % x, want the code %d", c.name, reply, c.code)
		}
		conn.Close()
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
