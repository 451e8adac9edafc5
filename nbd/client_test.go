package nbd_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/nbd"
	"github.com/guestkit/guestkit/retry"
)

// dial opens an export for the length of the test.
func dial(t testing.TB, uri string, o *nbd.ClientOptions) *nbd.Client {
	t.Helper()
	c, err := nbd.Dial(uri, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// content is what a device holds.
func content(t testing.TB, d block.Device) []byte {
	t.Helper()
	b := make([]byte, d.Size())
	if err := block.ReadFull(d, b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// sparse is data, zeros and holes, as bytes and as a file.
func sparse(t testing.TB) (path string, want []byte) {
	t.Helper()
	want = make([]byte, 9<<20)
	rand.Read(want[1<<20 : 3<<20])
	rand.Read(want[5<<20 : 5<<20+64<<10])
	path = filepath.Join(t.TempDir(), "raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt(want[1<<20:3<<20], 1<<20)
	f.WriteAt(want[5<<20:5<<20+64<<10], 5<<20)
	f.Truncate(9 << 20)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path, want
}

// start runs a server until the test ends, and returns when its socket is there.
func start(t testing.TB, socket string, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	for {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return cmd
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", cmd.Path, errs.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestServers reads from the servers of others, and compares all bytes and runs.
func TestServers(t *testing.T) {
	peers.Need(t, "qemu-nbd", "qemu-img", "nbdkit")
	raw, want := sparse(t)
	qcow2 := filepath.Join(t.TempDir(), "disk.qcow2")
	peers.Run(t, "qemu-img", "convert", "-O", "qcow2", raw, qcow2)
	for name, s := range map[string]struct {
		command []string // SOCKET stands for the socket
		export  string
		holes   bool
	}{
		"qemu-nbd":              {[]string{"qemu-nbd", "-r", "-t", "-e", "8", "--socket", "SOCKET", "-f", "qcow2", qcow2}, "", true},
		"qemu-nbd, by name":     {[]string{"qemu-nbd", "-r", "-t", "-e", "8", "-x", "web disk", "-D", "a disk", "--socket", "SOCKET", "-f", "raw", raw}, "web%20disk", true},
		"nbdkit":                {[]string{"nbdkit", "-f", "-r", "-U", "SOCKET", "file", raw}, "", true},
		"nbdkit, no structure":  {[]string{"nbdkit", "-f", "-r", "--no-sr", "-U", "SOCKET", "file", raw}, "", false},
		"nbdkit, blocks":        {[]string{"nbdkit", "-f", "-r", "-U", "SOCKET", "--filter=blocksize-policy", "file", raw, "blocksize-minimum=4096", "blocksize-preferred=4096", "blocksize-maximum=65536", "blocksize-error-policy=error"}, "", true},
		"nbdkit, slow":          {[]string{"nbdkit", "-f", "-r", "-U", "SOCKET", "--filter=delay", "file", raw, "rdelay=1ms"}, "", true},
		"nbdkit, one at a time": {[]string{"nbdkit", "-f", "-r", "-U", "SOCKET", "--filter=noparallel", "file", raw}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			args := append([]string(nil), s.command[1:]...)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "SOCKET", socket)
			}
			start(t, socket, peers.Command(t, s.command[0], args...))
			c := dial(t, "nbd+unix:///"+s.export+"?socket="+socket, nil)
			if got := content(t, c); !bytes.Equal(got, want) {
				t.Error("the bytes differ")
			}
			testimg.TestDevice(t, c, bytes.NewReader(want), 64<<10)
			zeros := int64(0)
			for e, err := range block.Extents(c, 0, c.Size()) {
				if err != nil {
					t.Fatal(err)
				}
				if e.Zero {
					zeros += e.Len
				}
			}
			if s.holes != (zeros >= 6<<20) {
				t.Errorf("%d bytes are known to be zeros", zeros)
			}
			if err := c.Changed(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOwnServer reads what package nbd serves, over TLS as well.
func TestOwnServer(t *testing.T) {
	_, want := sparse(t)
	socket := serve(t, nbd.Export{Name: "disk", Description: "zeros", Device: block.Plain(bytes.NewReader(want))})
	c := dial(t, "nbd+unix:///disk?socket="+socket, nil)
	testimg.TestDevice(t, c, bytes.NewReader(want), 64<<10)
	if c.Description() != "zeros" || c.Size() != int64(len(want)) {
		t.Errorf("%q, %d", c.Description(), c.Size())
	}
	_, err := nbd.Dial("nbd+unix:///nope?socket="+socket, nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	c.Close()
	if _, err := c.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestURIs: what is taken and what is not.
func TestURIs(t *testing.T) {
	for _, uri := range []string{"", "http://h/x", "nbd://", "nbd:///x", "nbd+unix:///x", "nbd+unix://h/x?socket=s", "nbd://h/x?socket=s", "nbd://h/x?colour=red", "nbd://h/x?tls-certificates=d", "nbd://h/" + strings.Repeat("x", 5000), "nbd://h/%zz"} {
		if _, err := nbd.Dial(uri, nil); !errors.Is(err, block.ErrOption) {
			t.Errorf("%q: %v", uri, err)
		}
	}
	if !nbd.Is("NBDS://h") || nbd.Is("nbdx://h") || nbd.Is("nbd") {
		t.Error("Is is wrong")
	}
}

// A script is a server that says what it is told to, to one connection after the
// other; the last one is said again. What follows a then waits for one more request.
type script struct {
	says  []string
	calls atomic.Int64
}

const then = "\x00then\x00"

func (s *script) dial(context.Context, string, string) (net.Conn, error) {
	n := min(int(s.calls.Add(1)), len(s.says)) - 1
	c := &scripted{parts: strings.Split(s.says[n], then), changed: make(chan struct{}, 1)}
	return c, nil
}

// scripted is the client's end of a connection with a script.
type scripted struct {
	net.Conn
	mu       sync.Mutex
	parts    []string // the first is being said
	requests int      // that wait for their part
	closed   bool
	deadline time.Time
	changed  chan struct{}
}

func (c *scripted) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *scripted) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) == 28 && binary.BigEndian.Uint32(p) == 0x25609513 {
		c.requests++
		c.wake()
	}
	return len(p), nil
}

func (c *scripted) Read(p []byte) (int, error) {
	for {
		c.mu.Lock()
		switch {
		case c.closed:
			c.mu.Unlock()
			return 0, net.ErrClosed
		case len(c.parts[0]) > 0:
			n := copy(p, c.parts[0])
			c.parts[0] = c.parts[0][n:]
			c.mu.Unlock()
			return n, nil
		case len(c.parts) == 1:
			c.mu.Unlock()
			return 0, io.EOF
		case c.requests > 0:
			c.requests--
			c.parts = c.parts[1:]
			c.mu.Unlock()
			continue
		}
		deadline := c.deadline
		c.mu.Unlock()
		var late <-chan time.Time
		if !deadline.IsZero() {
			late = time.After(time.Until(deadline))
		}
		select {
		case <-c.changed:
		case <-late:
			return 0, os.ErrDeadlineExceeded
		}
	}
}

func (c *scripted) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.wake()
	return nil
}

func (c *scripted) SetReadDeadline(at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = at
	c.wake()
	return nil
}

func (c *scripted) SetWriteDeadline(time.Time) error { return nil }

func u16(n uint16) string { return string(binary.BigEndian.AppendUint16(nil, n)) }
func u32(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }
func u64(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// What a good server says, piece by piece.
func greeting() string { return "NBDMAGICIHAVEOPT" + u16(3) }
func replyTo(opt, typ uint32, data string) string {
	return u64(0x0003e889045565a9) + u32(opt) + u32(typ) + u32(uint32(len(data))) + data
}
func exportOf(size uint64) string {
	return replyTo(7, 3, u16(0)+u64(size)+u16(1|2|1<<8)) + replyTo(7, 1, "")
}
func structured() string { return replyTo(8, 1, "") }
func allocation() string { return replyTo(10, 4, u32(7)+"base:allocation") + replyTo(10, 1, "") }
func chunkOf(flags, typ uint16, cookie uint64, data string) string {
	return u32(0x668e33ef) + u16(flags) + u16(typ) + u64(cookie) + u32(uint32(len(data))) + data
}
func opened(size uint64) string { return greeting() + structured() + allocation() + exportOf(size) }
func identity(size int) string {
	return then + chunkOf(1, 1, 1, u64(0)+strings.Repeat("i", size)) + then
}

// TestLies: what no server should say is an error of a class, and ends.
func TestLies(t *testing.T) {
	const size = 1 << 20
	good := opened(size) + identity(4096)
	read := func(c *nbd.Client) error { _, err := c.ReadAt(make([]byte, 64<<10), 0); return err }
	extent := func(c *nbd.Client) error { _, err := c.Extent(0); return err }
	for _, x := range []struct {
		name, says string
		do         func(*nbd.Client) error // nil where it does not open
		class      error
		want       string
	}{
		{"nothing", "", nil, io.ErrUnexpectedEOF, ""},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", nil, block.ErrFormat, "does not speak NBD"},
		{"old style", "NBDMAGIC" + u64(0x00420281861253) + u16(0), nil, block.ErrUnsupported, "old style"},
		{"not fixed", "NBDMAGICIHAVEOPT" + u16(0), nil, block.ErrUnsupported, "fixed new style"},
		{"another magic", "NBDMAGICNBDMAGIC" + u16(3), nil, block.ErrCorrupt, "second word"},
		{"reply to another option", greeting() + replyTo(3, 1, ""), nil, block.ErrCorrupt, "answers option 3"},
		{"reply without magic", greeting() + strings.Repeat("x", 100), nil, block.ErrCorrupt, "magic"},
		{"giant reply", greeting() + replyTo(8, 1, "")[:16] + u32(1<<31), nil, block.ErrLimit, "2147483648 bytes"},
		{"endless replies", greeting() + structured() + strings.Repeat(replyTo(10, 4, u32(1)+"x:y"), 1000), nil, block.ErrLimit, "more than 256"},
		{"TLS needed", greeting() + replyTo(8, 1<<31|5, ""), nil, fs.ErrPermission, "nbds://"},
		{"no size", greeting() + structured() + allocation() + replyTo(7, 1, ""), nil, block.ErrCorrupt, "does not say its size"},
		{"negative size", opened(1 << 63), nil, block.ErrLimit, "9223372036854775808 bytes"},
		{"short info", greeting() + structured() + allocation() + replyTo(7, 3, u16(0)+"x"), nil, block.ErrCorrupt, "size and flags"},
		{"blocks of nothing", greeting() + structured() + allocation() + replyTo(7, 3, u16(3)+u32(0)+u32(1)+u32(1<<20)) + exportOf(size), nil, block.ErrCorrupt, "smallest block"},
		{"giant blocks", greeting() + structured() + allocation() + replyTo(7, 3, u16(3)+u32(1<<31)+u32(1<<31)+u32(1<<31)) + exportOf(size), nil, block.ErrCorrupt, "smallest block"},
		{"tiny requests", greeting() + structured() + allocation() + replyTo(7, 3, u16(3)+u32(1)+u32(1)+u32(1)) + exportOf(size), nil, block.ErrCorrupt, "largest request"},
		{"not allowed", greeting() + structured() + allocation() + replyTo(7, 1<<31|2, ""), nil, fs.ErrPermission, "not allow"},
		{"unknown cookie", good + chunkOf(1, 1, 99, u64(0)+"x"), read, block.ErrCorrupt, "no request had"},
		{"garbage", good + strings.Repeat("garbage!", 10), read, block.ErrCorrupt, "magic"},
		{"data elsewhere", good + chunkOf(1, 1, 2, u64(64<<10)+"x"), read, block.ErrCorrupt, "were asked for"},
		{"data before", good + chunkOf(1, 1, 2, u64(1<<64-1)+"xx"), read, block.ErrCorrupt, "were asked for"},
		{"too much data", good + chunkOf(1, 1, 2, u64(0)+strings.Repeat("x", 64<<10+1)), read, block.ErrCorrupt, "were asked for"},
		{"data twice", good + chunkOf(0, 1, 2, u64(0)+"xx") + chunkOf(0, 1, 2, u64(1)+"x"), read, block.ErrCorrupt, "comes again"},
		{"too little", good + chunkOf(1, 1, 2, u64(0)+"x"), read, block.ErrCorrupt, "not all of it has come"},
		{"a giant hole", good + chunkOf(1, 2, 2, u64(0)+u32(1<<32-1)), read, block.ErrCorrupt, "were asked for"},
		{"a hole of nothing", good + chunkOf(1, 2, 2, u64(0)+u32(0)), read, block.ErrCorrupt, "were asked for"},
		{"a short hole", good + chunkOf(1, 2, 2, u64(0)), read, block.ErrCorrupt, "a hole has 8 bytes"},
		{"status to a read", good + chunkOf(1, 5, 2, u32(7)+u32(1)+u32(0)), read, block.ErrCorrupt, "does not answer"},
		{"a simple reply", good + u32(0x67446698) + u32(0) + u64(2) + strings.Repeat("x", 64<<10), read, block.ErrCorrupt, "structured"},
		{"an error without number", good + chunkOf(1, 1<<15|1, 2, u32(0)+u16(0)), read, block.ErrCorrupt, "the number 0"},
		{"an error with a long text", good + chunkOf(1, 1<<15|1, 2, u32(5)+u16(9)+"x"), read, block.ErrCorrupt, "a text of 9"},
		{"an error", good + chunkOf(1, 1<<15|1, 2, u32(5)+u16(3)+"bad"), read, nil, "error 5: bad"},
		{"an error in the end", good + chunkOf(0, 1, 2, u64(0)+"x") + chunkOf(1, 1<<15|1, 2, u32(5)+u16(0)), read, nil, "error 5"},
		{"no status", good + chunkOf(1, 0, 2, ""), extent, block.ErrCorrupt, "without any"},
		{"status of nothing", good + chunkOf(1, 5, 2, u32(7)+u32(0)+u32(0)), extent, block.ErrCorrupt, "no bytes"},
		{"status of another context", good + chunkOf(1, 5, 2, u32(8)+u32(1)+u32(0)), extent, block.ErrCorrupt, "context 8"},
		{"half a status", good + chunkOf(1, 5, 2, u32(7)+u32(1)), extent, block.ErrCorrupt, "block status has 8 bytes"},
		{"another size", good, read, block.ErrChanged, "it had 1048576 bytes"},
		{"other bytes", good, read, block.ErrChanged, "begins with other bytes"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := &script{says: []string{x.says}}
			switch x.name {
			case "another size":
				s.says = append(s.says, opened(size+512)+identity(4096))
			case "other bytes":
				s.says = append(s.says, opened(size)+strings.ReplaceAll(identity(4096), "i", "j"))
			}
			c, err := nbd.Dial("nbd://server/x", &nbd.ClientOptions{Dial: s.dial, Conns: 1, Retry: retry.Policy{Attempts: 3, First: time.Nanosecond}})
			if err == nil {
				defer c.Close()
				if x.do == nil {
					t.Fatal("it opens")
				}
				err = x.do(c)
			} else if x.do != nil {
				t.Fatalf("it does not open: %v", err)
			}
			if err == nil || x.class != nil && !errors.Is(err, x.class) || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%v", err)
			}
		})
	}
	// A server that does not know what is data costs time and no bytes.
	c := dial(t, "nbd://server/x", &nbd.ClientOptions{Dial: (&script{says: []string{good + chunkOf(1, 1<<15|1, 2, u32(22)+u16(0))}}).dial})
	if e, err := c.Extent(0); err != nil || e.Zero || e.Len < 1 {
		t.Errorf("%+v, %v", e, err)
	}
}

// breaking connects through what breaks each connection after some bytes.
type breaking struct {
	net.Conn
	left atomic.Int64
}

func (b *breaking) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.left.Add(-int64(n)) < 0 {
		b.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// TestReconnect reads by many goroutines over connections that break.
func TestReconnect(t *testing.T) {
	want := make([]byte, 4<<20)
	rand.Read(want)
	socket := serve(t, nbd.Export{Name: "disk", Device: block.Plain(bytes.NewReader(want))})
	var made atomic.Int64
	dialing := func(ctx context.Context, network, address string) (net.Conn, error) {
		made.Add(1)
		c, err := net.Dial("unix", socket)
		if err != nil {
			return nil, err
		}
		b := &breaking{Conn: c}
		b.left.Store(1 << 20)
		return b, nil
	}
	c := dial(t, "nbd://server/disk", &nbd.ClientOptions{Dial: dialing, Retry: retry.Policy{Attempts: 100, First: time.Nanosecond, Longest: time.Microsecond}})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			b := make([]byte, 128<<10)
			for off := int64(i) * int64(len(b)); off < int64(len(want)); off += 8 * int64(len(b)) {
				if _, err := c.ReadAt(b, off); err != nil || !bytes.Equal(b, want[off:off+int64(len(b))]) {
					t.Errorf("at %d: %v", off, err)
				}
			}
		})
	}
	wg.Wait()
	if made.Load() < 4 {
		t.Errorf("%d connections were made", made.Load())
	}
}

// TestSilence: a server that says nothing ends by time, and by context.
func TestSilence(t *testing.T) {
	// It answers the first request, and no more.
	client := (&script{says: []string{opened(1<<20) + identity(4096) + strings.Repeat(then, 100)}}).dial
	c := dial(t, "nbd://server/x", &nbd.ClientOptions{Dial: client, Timeout: 50 * time.Millisecond, Retry: retry.Policy{Attempts: 1}})
	if _, err := c.ReadAt(make([]byte, 10), 0); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	mute := func(context.Context, string, string) (net.Conn, error) { c, _ := net.Pipe(); return c, nil }
	if _, err := nbd.Dial("nbd://server/x", &nbd.ClientOptions{Dial: mute, Timeout: 10 * time.Millisecond, Retry: retry.Policy{Attempts: 2, First: time.Nanosecond}}); err == nil {
		t.Error("a server that says nothing opens")
	}
	ctx, cancel := context.WithCancel(t.Context())
	c = dial(t, "nbd://server/x", &nbd.ClientOptions{Context: ctx, Dial: client})
	done := make(chan error)
	go func() { _, err := c.ReadAt(make([]byte, 10), 0); done <- err }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestTLS speaks with our server and nbdkit over TLS.
func TestTLS(t *testing.T) {
	dir := certificates(t)
	_, want := sparse(t)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server-cert.pem"), filepath.Join(dir, "server-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- (&nbd.Server{Exports: []nbd.Export{{Name: "disk", Device: block.Plain(bytes.NewReader(want))}}, TLS: &tls.Config{Certificates: []tls.Certificate{pair}}}).Serve(ctx, l)
	}()
	defer func() { cancel(); <-done }()
	at := l.Addr().String()
	c := dial(t, fmt.Sprintf("nbds://%s/disk?tls-certificates=%s", at, dir), nil)
	if !bytes.Equal(content(t, c), want) {
		t.Error("the bytes differ")
	}
	for uri, wanted := range map[string]string{
		"nbds://" + at + "/disk": "certificate",
		"nbds://" + at + "/disk?tls-hostname=other&tls-certificates=" + dir: "other",
		"nbd://" + at + "/disk": "nbds://",
	} {
		if _, err := nbd.Dial(uri, nil); err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	dial(t, "nbds://"+at+"/disk?tls-verify-peer=false", nil)
	plain := serve(t, nbd.Export{Name: "disk", Device: block.Plain(bytes.NewReader(want))})
	if _, err := nbd.Dial("nbds+unix:///disk?socket="+plain, nil); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("a server without TLS: %v", err)
	}
	t.Run("nbdkit", func(t *testing.T) {
		peers.Need(t, "nbdkit")
		socket := filepath.Join(t.TempDir(), "s")
		raw := filepath.Join(t.TempDir(), "raw")
		os.WriteFile(raw, want, 0o600)
		start(t, socket, peers.Command(t, "nbdkit", "-f", "-r", "--tls=require", "--tls-certificates="+dir, "-U", socket, "file", raw))
		c := dial(t, "nbds+unix:///?socket="+socket+"&tls-certificates="+dir, nil)
		if !bytes.Equal(content(t, c), want) {
			t.Error("the bytes differ")
		}
	})
}

func FuzzClient(f *testing.F) {
	good := opened(1<<20) + identity(4096)
	f.Add([]byte(good + chunkOf(0, 1, 2, u64(0)+"xx") + chunkOf(1, 2, 2, u64(2)+u32(65534))))
	f.Add([]byte(good + chunkOf(1, 1<<15|1, 2, u32(5)+u16(3)+"bad")))
	f.Add([]byte(opened(1000) + identity(1000) + chunkOf(1, 5, 2, u32(7)+u32(512)+u32(3)+u32(488)+u32(0))))
	f.Add([]byte(greeting() + replyTo(8, 1<<31|1, "") + replyTo(7, 1<<31|1, "") + u64(512) + u16(3) + u32(0x67446698) + u32(0) + u64(1) + strings.Repeat("x", 512)))
	f.Add([]byte(greeting() + structured() + allocation() + replyTo(7, 3, u16(3)+u32(512)+u32(4096)+u32(65536)) + exportOf(70000)))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &script{says: []string{string(b)}}
		c, err := nbd.Dial("nbd://server/x", &nbd.ClientOptions{Dial: s.dial, Timeout: 50 * time.Millisecond, Retry: retry.Policy{Attempts: 2, First: time.Nanosecond}})
		if err != nil {
			return
		}
		defer c.Close()
		e, err := c.Extent(0)
		if err == nil && e.Len < 1 {
			t.Errorf("%+v", e)
		}
		p := make([]byte, min(c.Size(), 100_000))
		c.ReadAt(p, 0)
		if c.Size() > 10 {
			c.ReadAt(p[:10], c.Size()-10)
		}
	})
}
