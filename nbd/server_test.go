package nbd_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/nbd"
)

// serve serves exports on a Unix socket for the length of the test.
func serve(t testing.TB, exports ...nbd.Export) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&nbd.Server{Exports: exports}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Error("the server does not end")
		}
	})
	return socket
}

// disk makes a qcow2 with data, zeros and holes, and opens it.
func disk(t testing.TB) (path string, img format.Image) {
	t.Helper()
	dir := t.TempDir()
	raw, path := filepath.Join(dir, "raw"), filepath.Join(dir, "disk.qcow2")
	b := make([]byte, 9<<20+512)
	rand.Read(b[1<<20 : 3<<20])
	rand.Read(b[5<<20 : 5<<20+70_000])
	rand.Read(b[len(b)-512:])
	if err := os.WriteFile(raw, b, 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "qemu-img", "convert", "-O", "qcow2", raw, path)
	img, err := format.OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return path, img
}

// TestClients has real clients read, and compare with the image.
func TestClients(t *testing.T) {
	peers.Need(t, "qemu-img", "nbdinfo", "nbdcopy")
	path, img := disk(t)
	socket := serve(t, nbd.Export{Name: "disk", Description: "a qcow2", Device: img}, nbd.Export{Name: "lvm:vg/root", Device: block.Section(img, 1<<20, 4<<20)})
	url := "nbd+unix:///disk?socket=" + socket
	peers.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", url, path)
	info := peers.Run(t, "nbdinfo", url)
	for _, want := range []string{"export-size: 9437696", "base:allocation", "is_read_only: true", "can_multi_conn: true", "a qcow2"} {
		if !strings.Contains(info, want) {
			t.Errorf("nbdinfo does not say %q:\n%s", want, info)
		}
	}
	if list := peers.Run(t, "nbdinfo", "--list", "nbd+unix://?socket="+socket); !strings.Contains(list, "lvm:vg/root") {
		t.Errorf("the list is\n%s", list)
	}
	m := peers.Run(t, "nbdinfo", "--map", url)
	q := peers.Run(t, "qemu-img", "map", "--output=json", path)
	if strings.Count(m, "hole,zero") < 2 || !strings.Contains(q, `"zero": true`) {
		t.Errorf("the map is\n%s", m)
	}
	out := filepath.Join(t.TempDir(), "copy")
	peers.Run(t, "nbdcopy", url, out)
	peers.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", out, path)
	peers.Run(t, "nbdcopy", "nbd+unix:///lvm%3Avg%2Froot?socket="+socket, out)
	want := make([]byte, 4<<20)
	if err := block.ReadFull(img, want, 1<<20); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(out); !bytes.Equal(got, want) {
		t.Error("the volume differs")
	}
	if err := peers.Command(t, "qemu-io", "-f", "raw", "-c", "write 0 512", url).Run(); err == nil {
		t.Error("a write is no error")
	}
}

// failing is a device that cannot be read behind its first MiB.
type failing struct{ block.Device }

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > 1<<20 {
		return 0, errors.New("broken")
	}
	return f.Device.ReadAt(p, off)
}

func TestReadError(t *testing.T) {
	peers.Need(t, "qemu-io")
	socket := serve(t, nbd.Export{Name: "disk", Device: failing{block.Plain(bytes.NewReader(make([]byte, 4<<20)))}})
	url := "nbd+unix:///disk?socket=" + socket
	if out, err := peers.Command(t, "qemu-io", "-r", "-f", "raw", "-c", "read 2M 64k", url).CombinedOutput(); !strings.Contains(string(out), "Input/output error") {
		t.Errorf("%s, %v", out, err)
	}
	peers.Run(t, "qemu-io", "-r", "-f", "raw", "-c", "read -P 0 0 64k", url)
}

// hello begins a connection by hand.
func hello(t testing.TB, socket string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.ReadFull(c, make([]byte, 18)); err != nil {
		t.Fatal(err)
	}
	c.Write([]byte{0, 0, 0, 3})
	return c
}

func option(opt uint32, data string) []byte {
	b := append([]byte("IHAVEOPT"), 0, 0, 0, 0, 0, 0, 0, 0)
	binary.BigEndian.PutUint32(b[8:], opt)
	binary.BigEndian.PutUint32(b[12:], uint32(len(data)))
	return append(b, data...)
}

// TestHostileClients sends what no client should; the server goes on with others.
func TestHostileClients(t *testing.T) {
	socket := serve(t, nbd.Export{Name: "disk", Device: block.Plain(bytes.NewReader(make([]byte, 1<<20)))})
	for name, bytes := range map[string][]byte{
		"garbage":           []byte(strings.Repeat("garbage!", 100)),
		"giant option":      append(option(7, "")[:12], 0xff, 0xff, 0xff, 0xff),
		"no name":           option(7, ""),
		"long name":         option(7, "\xff\xff\xff\xffdisk"),
		"count of infos":    option(7, "\x00\x00\x00\x04disk\xff\xff"),
		"count of contexts": option(10, "\x00\x00\x00\x04disk\xff\xff\xff\xff"),
		"unknown":           option(99, "x"),
		"cut":               option(7, "")[:5],
		"list with data":    option(3, "x"),
		"many options":      []byte(strings.Repeat(string(option(99, "")), 400)),
		"requests":          append(option(1, "disk"), make([]byte, 1000)...),
		"far read":          append(option(1, "disk"), 0x25, 0x60, 0x95, 0x13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
	} {
		c := hello(t, socket)
		c.Write(bytes)
		if u, ok := c.(*net.UnixConn); ok {
			u.CloseWrite()
		}
		if n, err := io.Copy(io.Discard, c); n > 1<<20 {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
	var wg sync.WaitGroup
	for range 200 { // more than are allowed at once
		wg.Go(func() {
			if c, err := net.Dial("unix", socket); err == nil {
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				io.ReadFull(c, make([]byte, 18))
			}
		})
	}
	wg.Wait()
	c := hello(t, socket)
	c.Write(option(1, "disk"))
	b := make([]byte, 10)
	if _, err := io.ReadFull(c, b); err != nil || binary.BigEndian.Uint64(b) != 1<<20 {
		t.Errorf("a good client gets %x, %v", b, err)
	}
}

func FuzzServer(f *testing.F) {
	f.Add(option(7, "\x00\x00\x00\x04disk\x00\x00"))
	f.Add(append(option(8, ""), option(10, "\x00\x00\x00\x04disk\x00\x00\x00\x01\x00\x00\x00\x0fbase:allocation")...))
	f.Add(append(option(11, ""), option(1, "disk")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			(&nbd.Server{Exports: []nbd.Export{{Name: "disk", Device: block.Plain(bytes.NewReader(make([]byte, 1<<16)))}}}).Serve(context.Background(), &once{c: server})
		}()
		go io.Copy(io.Discard, client)
		client.SetDeadline(time.Now().Add(5 * time.Second))
		client.Write(append([]byte{0, 0, 0, 3}, b...))
		client.Close()
		<-done
	})
}

// once is a listener for one connection.
type once struct{ c net.Conn }

func (o *once) Accept() (net.Conn, error) {
	if o.c == nil {
		return nil, net.ErrClosed
	}
	c := o.c
	o.c = nil
	return c, nil
}
func (o *once) Close() error   { return nil }
func (o *once) Addr() net.Addr { return nil }
