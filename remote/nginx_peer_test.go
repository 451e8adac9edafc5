package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/remote"
	"github.com/guestkit/guestkit/retry"
)

// nginx serves a folder at /ranges/, and at /none/ without ranges.
type nginx struct {
	t      *testing.T
	dir    string // of the configuration
	root   string
	socket string
	cmd    *exec.Cmd
}

func startNginx(t *testing.T) *nginx {
	peers.Need(t, "nginx")
	n := &nginx{t: t, dir: t.TempDir(), root: t.TempDir()}
	os.Chmod(n.root, 0o755)
	n.socket = filepath.Join(n.dir, "s") // nobody else takes it, as somebody might a port
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	conf := fmt.Sprintf(`%s
daemon off; pid %[2]s/pid; error_log %[2]s/error.log; worker_processes 1;
events { worker_connections 64; }
http {
	access_log off; client_body_temp_path %[2]s; proxy_temp_path %[2]s; fastcgi_temp_path %[2]s; uwsgi_temp_path %[2]s; scgi_temp_path %[2]s;
	server {
		listen unix:%[3]s;
		location /ranges/ { alias %[4]s/; }
		location /none/ { alias %[4]s/; max_ranges 0; }
	}
}
`, user, n.dir, n.socket, n.root)
	if err := os.WriteFile(filepath.Join(n.dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start()
	t.Cleanup(n.stop)
	return n
}

func (n *nginx) start() {
	n.t.Helper()
	os.Remove(n.socket)
	n.cmd = peers.Command(n.t, "nginx", "-c", filepath.Join(n.dir, "nginx.conf"), "-p", n.dir)
	var said bytes.Buffer
	n.cmd.Stderr = &said
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	for range 600 {
		if c, err := net.Dial("unix", n.socket); err == nil {
			c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	n.t.Fatalf("nginx does not answer: %s", said.String())
}

func (n *nginx) stop() {
	n.cmd.Process.Signal(os.Interrupt) // fast shutdown, of the workers too
	n.cmd.Wait()
}

const nginxURL = "http://nginx.invalid"

// options are those by which requests come to it.
func (n *nginx) options(policy retry.Policy, count *remote.Count) *remote.Options {
	return &remote.Options{Retry: policy, Count: count, Transport: &http.Transport{DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", n.socket)
		}}}
}

func (n *nginx) write(name string, data []byte) {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.root, name), data, 0o644); err != nil {
		n.t.Fatal(err)
	}
}

// TestNginx reads what nginx serves, by ranges and without, while it is started anew,
// and when the file becomes another.
func TestNginx(t *testing.T) {
	n := startNginx(t)
	data := random(9 << 20)
	n.write("disk.raw", data)
	n.write("empty.raw", nil)
	patient := retry.Policy{Attempts: 200, First: 20 * time.Millisecond, Longest: 100 * time.Millisecond}

	count := &remote.Count{}
	src := open(t, nginxURL+"/ranges/disk.raw", n.options(patient, count))
	got, err := io.ReadAll(io.NewSectionReader(src, 0, src.Size()))
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if b := count.Bytes.Load(); b > int64(len(data))*5/4 {
		t.Errorf("%d bytes were fetched of %d", b, len(data))
	}
	src = open(t, nginxURL+"/ranges/disk.raw", n.options(patient, nil))
	p := make([]byte, 1000)
	if _, err := src.ReadAt(p, 8<<20); err != nil || !bytes.Equal(p, data[8<<20:8<<20+1000]) {
		t.Error(err)
	}
	n.stop()
	again := make(chan error)
	go func() {
		_, err := src.ReadAt(p, 4<<20)
		again <- err
	}()
	n.start()
	if err := <-again; err != nil || !bytes.Equal(p, data[4<<20:4<<20+1000]) {
		t.Errorf("over a restart: %v", err)
	}
	n.write("disk.raw", data[:len(data)-1])
	if _, err := src.ReadAt(p, 6<<20); !errors.Is(err, block.ErrChanged) {
		t.Errorf("a shorter file: %v", err)
	}

	empty := open(t, nginxURL+"/ranges/empty.raw", n.options(quick, nil))
	if empty.Size() != 0 {
		t.Errorf("an empty file has %d bytes", empty.Size())
	}
	for name, class := range map[string]error{"/none/disk.raw": block.ErrUnsupported, "/ranges/nothing": os.ErrNotExist} {
		if _, err := remote.Open(nginxURL+name, n.options(quick, nil)); !errors.Is(err, class) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPresigned: links that are signed in their query reach the server as they are, in
// each request, and no error shows them. The queries are of the documents of Azure
// ("Create a service SAS"), Google ("V4 signing process") and Amazon ("Authenticating
// Requests: Using Query Parameters").
func TestPresigned(t *testing.T) {
	for _, query := range []string{
		"sv=2022-11-02&sr=b&sig=Z%2FRHIX5Xcg0Mq2rqI3OlWTjEg2tYkboXr1P9ZUXDtkk%3D&se=2026-12-05T00%3A00%3A00Z&sp=r",
		"X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=example%40example-project.iam.gserviceaccount.com%2F20181026%2Fus-central1%2Fstorage%2Fgoog4_request&X-Goog-Date=20181026T181309Z&X-Goog-Expires=900&X-Goog-SignedHeaders=host&X-Goog-Signature=247a2aa45f169edf4d187d54e7cc46e4731b1e6273242c4f4c39a1d2507a0e58",
		"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
	} {
		data := random(2 << 20)
		expired := false
		srv := serve(t, data, func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.RawQuery != query || r.URL.EscapedPath() != "/my%20bucket/a%2Bb.qcow2" || expired {
				w.WriteHeader(http.StatusForbidden)
				return true
			}
			return false
		})
		address := srv.URL + "/my%20bucket/a%2Bb.qcow2?" + query
		src := open(t, address, &remote.Options{Retry: quick})
		if _, err := src.ReadAt(make([]byte, 100), 1<<20); err != nil {
			t.Error(err)
		}
		expired = true
		_, later := src.ReadAt(make([]byte, 100), 1800<<10)
		_, err := remote.Open(address, &remote.Options{Retry: quick})
		_, beside := src.Folder().Open("base.raw")
		srv.Close()
		_, gone := remote.Open(address, &remote.Options{Retry: quick})
		for _, err := range []error{later, err, beside, gone} {
			if err == nil || strings.ContainsAny(err.Error(), "?&") && !strings.Contains(err.Error(), "?…") || strings.Contains(err.Error(), "ig=") || strings.Contains(err.Error(), "ignature") {
				t.Errorf("%v", err)
			}
		}
		if !errors.Is(later, os.ErrPermission) || !errors.Is(err, os.ErrPermission) {
			t.Errorf("expired: %v, %v", later, err)
		}
		if strings.Contains(src.Name(), "ig") && strings.Contains(src.Name(), "sig") {
			t.Error(src.Name())
		}
	}
}
