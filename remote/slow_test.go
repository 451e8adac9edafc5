package remote_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guestkit/guestkit/remote"
	"github.com/guestkit/guestkit/retry"
)

// drip writes n bytes at a time, with a pause before each.
func drip(conn net.Conn, b []byte, n int, pause time.Duration) error {
	for len(b) > 0 {
		time.Sleep(pause)
		m, err := conn.Write(b[:min(n, len(b))])
		if err != nil {
			return err
		}
		b = b[m:]
	}
	return nil
}

// TestTrickle: a server that sends a little within each timeout is given up, be it the
// header of an answer or the body; one that is slow and gets on is not.
func TestTrickle(t *testing.T) {
	const page = 256 << 10
	data := random(3 * page)
	for name, x := range map[string]struct {
		rate         int64
		header, body time.Duration // the pauses before a byte of one, a piece of the other
		piece        int
		ok           bool
	}{
		"header":           {header: 30 * time.Second},
		"body":             {body: 50 * time.Second, piece: 1},
		"below the rate":   {body: 1100 * time.Millisecond, piece: 1 << 10},
		"above the rate":   {body: 900 * time.Millisecond, piece: 1 << 10, ok: true},
		"below another":    {rate: 4 << 10, body: 900 * time.Millisecond, piece: 1 << 10},
		"any byte will do": {rate: -1, body: 50 * time.Second, piece: 1 << 10, ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var servers sync.WaitGroup
				defer servers.Wait()
				requests := 0
				serve := func(conn net.Conn) {
					defer conn.Close()
					r := bufio.NewReader(conn)
					for {
						req, err := http.ReadRequest(r)
						if err != nil {
							return
						}
						var from, to int
						fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-%d", &from, &to)
						to = min(to, len(data)-1)
						head := fmt.Appendf(nil, "HTTP/1.1 206 Partial Content\r\nETag: \"x\"\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n", from, to, len(data), to-from+1)
						body := data[from : to+1]
						if requests++; requests == 1 { // the first answer, which opens it
							err = errors.Join(drip(conn, head, len(head), 0), drip(conn, body, len(body), 0))
						} else if err = drip(conn, head, 1, x.header); err == nil {
							err = drip(conn, body, x.piece, x.body)
						}
						if err != nil {
							return
						}
					}
				}
				transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					servers.Go(func() { serve(theirs) })
					return ours, nil
				}}
				s, err := remote.Open("http://example.org/disk", &remote.Options{Transport: transport, PageBytes: page, MinRate: x.rate, Retry: retry.Policy{Attempts: 2}})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				start := time.Now()
				b := make([]byte, 10)
				_, err = s.ReadAt(b, page)
				took := time.Since(start)
				switch {
				case x.ok && (err != nil || !bytes.Equal(b, data[page:page+10]) || took < 3*time.Minute):
					t.Errorf("%v after %s", err, took)
				case !x.ok && (!errors.Is(err, context.DeadlineExceeded) || took > 5*time.Minute):
					t.Errorf("%v after %s", err, took)
				}
			})
		})
	}
}

// TestLeavesNothing: a request that is given up while it is dialled leaves no idle
// connection, signed or not.
func TestLeavesNothing(t *testing.T) {
	for name, o := range map[string]*remote.Options{
		"http://example.org/disk": {},
		"s3://bucket/disk":        {S3: &remote.S3{Endpoint: "http://example.org", KeyID: "id", Secret: "secret"}},
	} {
		synctest.Test(t, func(t *testing.T) { // which fails while a goroutine is left
			ctx, cancel := context.WithCancel(t.Context())
			ours, theirs := net.Pipe()
			o.Context = ctx
			o.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				cancel()
				time.Sleep(time.Second)
				return ours, nil
			}}
			if _, err := remote.Open(name, o); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
			time.Sleep(2 * time.Second)
			theirs.SetReadDeadline(time.Now())
			if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("%s: the connection is left: %v", name, err)
			}
		})
	}
}
