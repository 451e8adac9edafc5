package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/remote"
	"github.com/guestkit/guestkit/retry"
)

// A server has one object, and faults to answer with before it does.
type server struct {
	*httptest.Server
	data    []byte
	tag     string
	date    time.Time
	seen    atomic.Int64
	fault   func(n int64, w http.ResponseWriter, r *http.Request) bool // true: it answered
	mu      sync.Mutex
	headers []http.Header
}

func serve(t testing.TB, data []byte, fault func(n int64, w http.ResponseWriter, r *http.Request) bool) *server {
	s := &server{data: data, tag: `"v1"`, date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), fault: fault}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.seen.Add(1)
		s.mu.Lock()
		s.headers = append(s.headers, r.Header.Clone())
		s.mu.Unlock()
		if s.fault != nil && s.fault(n, w, r) {
			return
		}
		if s.tag != "" {
			w.Header().Set("ETag", s.tag)
		}
		http.ServeContent(w, r, "disk.img", s.date, bytes.NewReader(s.data))
	}))
	t.Cleanup(s.Close)
	return s
}

// quick is a policy that does not wait.
var quick = retry.Policy{Attempts: 5, First: time.Millisecond, Longest: time.Millisecond}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func open(t testing.TB, url string, o *remote.Options) format.Source {
	t.Helper()
	s, err := remote.Open(url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestReads reads in order, at random, around the end, and from many goroutines.
func TestReads(t *testing.T) {
	data := random(23<<20 + 77)
	srv := serve(t, data, nil)
	count := new(remote.Count)
	s := open(t, srv.URL+"/disk.img", &remote.Options{Count: count, Retry: quick})
	if s.Size() != int64(len(data)) || s.Name() != srv.URL+"/disk.img" {
		t.Fatalf("%d bytes, %q", s.Size(), s.Name())
	}
	got, err := io.ReadAll(io.NewSectionReader(s, 0, s.Size()))
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("in order: %d bytes, %v", len(got), err)
	}
	if n := count.Bytes.Load(); n > int64(len(data))*5/4 {
		t.Errorf("%d bytes were fetched for %d", n, len(data))
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			for range 50 {
				off, n := rng.IntN(len(data)), 1+rng.IntN(1<<uint(rng.IntN(22)))
				b := make([]byte, n)
				m, err := s.ReadAt(b, int64(off))
				want := data[off:min(off+n, len(data))]
				if m != len(want) || !bytes.Equal(b[:m], want) || (err == io.EOF) != (m < n) || err != nil && err != io.EOF {
					t.Errorf("%d bytes at %d: %d, %v", n, off, m, err)
				}
			}
		})
	}
	wg.Wait()
	for off, want := range map[int64]error{int64(len(data)): io.EOF, 1 << 60: io.EOF, -1: fs.ErrInvalid} {
		if _, err := s.ReadAt(make([]byte, 1), off); !errors.Is(err, want) {
			t.Errorf("at %d: %v", off, err)
		}
	}
	s.Close()
	if _, err := s.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestFaults has answers that pass, and those that do not.
func TestFaults(t *testing.T) {
	data := random(3 << 20)
	status := func(code int, header ...string) func(int64, http.ResponseWriter, *http.Request) bool {
		return func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n%3 == 1 {
				return false
			}
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			return true
		}
	}
	lie := func(contentRange string, body []byte) func(int64, http.ResponseWriter, *http.Request) bool {
		return func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				return false
			}
			w.Header().Set("ETag", `"v1"`)
			w.Header().Set("Content-Range", contentRange)
			w.WriteHeader(http.StatusPartialContent)
			w.Write(body)
			return true
		}
	}
	for name, c := range map[string]struct {
		fault func(int64, http.ResponseWriter, *http.Request) bool
		want  error // nil: all is read
	}{
		"500":         {status(500), nil},
		"503":         {status(503, "Retry-After", "0"), nil},
		"429":         {status(429, "Retry-After", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)), nil},
		"403":         {status(403), fs.ErrPermission},
		"404":         {status(404), fs.ErrNotExist},
		"412":         {status(412), block.ErrChanged},
		"416":         {status(416), block.ErrChanged},
		"200":         {status(200), block.ErrChanged},
		"other range": {lie("bytes 0-9/3145728", data[:10]), nil},
		"other size":  {lie(fmt.Sprintf("bytes %d-%d/%d", 1<<20, 3<<19-1, 4<<20), data[1<<20:3<<19]), block.ErrChanged},
		"no range":    {lie("", data), nil},
		"huge range":  {lie("bytes 0-9223372036854775807/9223372036854775807", data), nil},
		"short body": {func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				return false
			}
			from, _ := strconv.Atoi(strings.Split(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")[0])
			to, _ := strconv.Atoi(strings.Split(r.Header.Get("Range"), "-")[1])
			w.Header().Set("ETag", `"v1"`)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(data)))
			w.Header().Set("Content-Length", fmt.Sprint(to-from+1))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(data[from : from+(to-from)/2+1])
			return true
		}, nil},
		"short first body": {func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				return false
			}
			w.Header().Set("ETag", `"v1"`)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", 384<<10-1, len(data)))
			w.Header().Set("Content-Length", fmt.Sprint(384<<10))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(data[:1000])
			return true
		}, nil},
		"short first body of another object": {func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				return false
			}
			w.Header().Set("ETag", `"v0"`)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", 384<<10-1, len(data)))
			w.Header().Set("Content-Length", fmt.Sprint(384<<10))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(data[:1000])
			return true
		}, block.ErrChanged},
		"redirect to a file": {func(n int64, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Location", "file:///etc/hostname")
			w.WriteHeader(http.StatusFound)
			return true
		}, block.ErrRefused},
		"reset": {func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n%2 == 1 {
				return false
			}
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
			return true
		}, nil},
		"gzip": {func(n int64, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Encoding", "gzip")
			return false
		}, block.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, data, c.fault)
			policy := quick
			policy.Attempts = 40
			s, err := remote.Open(srv.URL+"/disk", &remote.Options{Retry: policy})
			var got []byte
			if err == nil {
				defer s.Close()
				got, err = io.ReadAll(io.NewSectionReader(s, 0, s.Size()))
			}
			lies := name == "other range" || name == "no range" || name == "huge range"
			switch {
			case lies:
				if err == nil {
					t.Error("a lie is believed")
				}
			case c.want == nil:
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			case !errors.Is(err, c.want):
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestStalls(t *testing.T) {
	data := random(1 << 20)
	srv := serve(t, data, func(n int64, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			return false
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 262144-524287/%d", len(data)))
		w.WriteHeader(http.StatusPartialContent)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	s := open(t, srv.URL+"/disk", &remote.Options{Retry: retry.Policy{Attempts: 2, First: time.Millisecond}, Timeout: 50 * time.Millisecond, PageBytes: 256 << 10})
	if _, err := s.ReadAt(make([]byte, 10), 300<<10); err == nil {
		t.Error("a server that stalls is no error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	s = open(t, serve(t, data, nil).URL+"/disk", &remote.Options{Context: ctx, PageBytes: 256 << 10})
	cancel()
	if _, err := s.ReadAt(make([]byte, 10), 300<<10); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestChanges has an object that is replaced between two reads.
func TestChanges(t *testing.T) {
	for name, change := range map[string]func(s *server){
		"tag":  func(s *server) { s.tag = `"v2"` },
		"date": func(s *server) { s.date = s.date.Add(time.Hour) },
		"size": func(s *server) { s.data = s.data[:2<<20] },
	} {
		srv := serve(t, random(3<<20), nil)
		if name != "tag" {
			srv.tag = ""
		}
		s := open(t, srv.URL+"/disk", &remote.Options{Retry: quick})
		if err := s.Changed(); err != nil {
			t.Errorf("%s: %v before the change", name, err)
		}
		change(srv)
		if _, err := s.ReadAt(make([]byte, 10), 1<<20); !errors.Is(err, block.ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.ReadAt(make([]byte, 10), 0); !errors.Is(err, block.ErrChanged) {
			t.Errorf("%s: what is in memory is still read: %v", name, err)
		}
		if err := s.Changed(); !errors.Is(err, block.ErrChanged) {
			t.Errorf("%s: Changed says %v", name, err)
		}
	}
}

// TestSecrets says that neither a password nor a header goes to another host, and
// that neither is in an error or a name.
func TestSecrets(t *testing.T) {
	data := random(1 << 20)
	other := serve(t, data, nil)
	srv := serve(t, data, func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		if user, password, ok := r.BasicAuth(); !ok || user != "anna" || password != "s3cret" || r.Header.Get("X-Token") != "t0ken" {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+"/moved?signature=s1gned", http.StatusFound)
		return true
	})
	address := strings.Replace(srv.URL, "http://", "http://anna:s3cret@", 1) + "/disk?key=s3cret"
	s := open(t, address, &remote.Options{Header: http.Header{"X-Token": {"t0ken"}}, Retry: quick})
	if _, err := s.ReadAt(make([]byte, 100), 900<<10); err != nil {
		t.Error(err)
	}
	for _, h := range other.headers {
		if h.Get("Authorization") != "" || h.Get("X-Token") != "" || strings.Contains(fmt.Sprint(h), "s3cret") {
			t.Errorf("another host got %v", h)
		}
	}
	if strings.Contains(s.Name(), "s3cret") {
		t.Errorf("the name is %s", s.Name())
	}
	_, err := remote.Open(strings.Replace(address, "s3cret@", "wr0ng@", 1), &remote.Options{Retry: quick})
	if !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
	srv.Close()
	_, err = remote.Open(address, &remote.Options{Retry: quick})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

func TestRedirects(t *testing.T) {
	srv := serve(t, nil, func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		return true
	})
	if _, err := remote.Open(srv.URL+"/x", &remote.Options{Retry: quick}); !errors.Is(err, block.ErrLimit) || srv.seen.Load() > 20 {
		t.Errorf("%v after %d requests", err, srv.seen.Load())
	}
	plain := serve(t, random(1000), nil)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL+"/x", http.StatusFound)
	}))
	defer secure.Close()
	if _, err := remote.Open(secure.URL+"/x", &remote.Options{Retry: quick, Transport: secure.Client().Transport}); !errors.Is(err, block.ErrRefused) {
		t.Errorf("from https to http: %v", err)
	}
}

// TestFolder has names that lead elsewhere.
func TestFolder(t *testing.T) {
	var paths []string
	srv := serve(t, random(1000), func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		paths = append(paths, r.URL.Path)
		return false
	})
	s := open(t, srv.URL+"/dir/top.qcow2?key=x", &remote.Options{Retry: quick})
	b, err := s.Folder().Open("sub/base 1.qcow2")
	if err != nil || paths[len(paths)-1] != "/dir/sub/base 1.qcow2" {
		t.Errorf("%v, %q", err, paths)
	}
	b.Close()
	for _, name := range []string{"", "..", "../x", "a/../../x", "/etc/passwd", "http://evil.example/x", "file:///etc/passwd", `..\x`} {
		if _, err := s.Folder().Open(name); !errors.Is(err, block.ErrRefused) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestNoRanges(t *testing.T) {
	srv := serve(t, random(1000), func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		w.Write(make([]byte, 1000))
		return true
	})
	if _, err := remote.Open(srv.URL, &remote.Options{Retry: quick}); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	for _, address := range []string{"ftp://x/y", "https://", "disk.img", "http://[::1", ""} {
		if _, err := remote.Open(address, nil); !errors.Is(err, block.ErrOption) {
			t.Errorf("%q: %v", address, err)
		}
	}
	if s := open(t, serve(t, nil, nil).URL, &remote.Options{Retry: quick}); s.Size() != 0 {
		t.Errorf("an empty file has %d bytes", s.Size())
	}
}

// TestCacheFolder reads an object twice: the second run fetches one page. A page
// that was damaged on disk is fetched again.
func TestCacheFolder(t *testing.T) {
	data := random(2 << 20)
	srv := serve(t, data, nil)
	dir := t.TempDir()
	read := func() int64 {
		count := new(remote.Count)
		s := open(t, srv.URL+"/disk", &remote.Options{PageBytes: 256 << 10, Folder: dir, Count: count, Retry: quick})
		for off := 0; off < len(data); off += 100_000 {
			b := make([]byte, 1000)
			if _, err := s.ReadAt(b, int64(off)); err != nil || !bytes.Equal(b, data[off:off+1000]) {
				t.Fatalf("at %d: %v", off, err)
			}
		}
		return count.Requests.Load()
	}
	first, second := read(), read()
	if first < 8 || second != 1 {
		t.Errorf("%d requests, then %d", first, second)
	}
	srv.tag = `"v2"`
	if n := read(); n < 8 {
		t.Errorf("%d requests after a change", n)
	}
}

func TestLimits(t *testing.T) {
	srv := serve(t, random(3<<20), nil)
	s := open(t, srv.URL, &remote.Options{MaxBytes: 1 << 20, Retry: quick})
	if _, err := io.ReadAll(io.NewSectionReader(s, 0, s.Size())); !errors.Is(err, block.ErrLimit) {
		t.Errorf("%v", err)
	}
}

func ExampleOptions_Open() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(make([]byte, 1<<20)))
	}))
	defer srv.Close()
	img, err := format.OpenFile(srv.URL+"/disk.img", &format.Options{Format: "raw", Remote: new(remote.Options).Open})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer img.Close()
	fmt.Println(img.Size(), img.Info().Format)
	// Output: 1048576 raw
}
