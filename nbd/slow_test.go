package nbd_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guestkit/guestkit/nbd"
	"github.com/guestkit/guestkit/retry"
)

// slow is a connection on which a piece of so many bytes comes with each pause, from when
// it is slow.
type slow struct {
	*scripted
	pause       time.Duration
	piece, came int
}

func (c *slow) Read(p []byte) (int, error) {
	n, err := c.scripted.Read(p[:1])
	if c.came += n; c.pause == 0 || c.came < c.piece {
		return n, err
	}
	c.came = 0
	time.Sleep(c.pause)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return n, err
}

// slowly opens what a script says, which is slow behind the opening.
func slowly(t *testing.T, says string, pause time.Duration, piece int, rate int64) *nbd.Client {
	s := &script{says: []string{says}}
	var conn *slow
	c := dial(t, "nbd://server/x", &nbd.ClientOptions{Conns: 1, MinRate: rate, Retry: retry.Policy{Attempts: 1}, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		plain, err := s.dial(ctx, "", "")
		conn = &slow{scripted: plain.(*scripted), piece: piece}
		return conn, err
	}})
	synctest.Wait() // it is read from by none but what waits for a reply
	conn.pause, conn.came = pause, 0
	return c
}

// TestTrickle: a server that sends a little within each timeout is given up; one that
// is slow and gets on is not.
func TestTrickle(t *testing.T) {
	const size = 256 << 10
	var bytewise strings.Builder
	for i := range 10000 {
		bytewise.WriteString(chunkOf(0, 1, 2, u64(uint64(i))+"x"))
	}
	whole := chunkOf(1, 1, 2, u64(0)+strings.Repeat("x", size))
	for name, x := range map[string]struct {
		says  string
		piece int
		pause time.Duration
		rate  int64
		ok    bool
	}{
		"chunks of a byte": {bytewise.String(), 29, 50 * time.Second, 0, false},
		"below the rate":   {whole, 1 << 10, 1100 * time.Millisecond, 0, false},
		"above the rate":   {whole, 1 << 10, 900 * time.Millisecond, 0, true},
		"below another":    {whole, 1 << 10, 900 * time.Millisecond, 4 << 10, false},
		"any byte will do": {whole, 1 << 10, 50 * time.Second, -1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := slowly(t, opened(size)+identity(4096)+x.says, x.pause, x.piece, x.rate)
				defer c.Close()
				start := time.Now()
				_, err := c.ReadAt(make([]byte, size), 0)
				took := time.Since(start)
				switch {
				case x.ok && (err != nil || took < 3*time.Minute):
					t.Errorf("%v after %s", err, took)
				case !x.ok && (!errors.Is(err, os.ErrDeadlineExceeded) || took > 5*time.Minute):
					t.Errorf("%v after %s", err, took)
				}
			})
		})
	}
}

// TestPassedOver: a server that answers what is asked later, and never what was asked
// first, is given up by both.
func TestPassedOver(t *testing.T) {
	const size, page = 1 << 20, 64 << 10
	synctest.Test(t, func(t *testing.T) {
		says := opened(size) + identity(4096) + then
		for i := range 10 {
			says += chunkOf(1, 1, uint64(3+i), u64(page)+strings.Repeat("x", page)) + then
		}
		c := slowly(t, says, 50*time.Second, 28+page, 0)
		defer c.Close()
		start := time.Now()
		first := make(chan error)
		go func() { _, err := c.ReadAt(make([]byte, page), 0); first <- err }()
		synctest.Wait()
		later := 0
		for ; later < 10; later++ {
			if _, err := c.ReadAt(make([]byte, page), page); err != nil {
				break
			}
		}
		if err := <-first; !errors.Is(err, os.ErrDeadlineExceeded) || later == 0 || later == 10 {
			t.Errorf("%v after %s, and %d that were asked later", err, time.Since(start), later)
		}
	})
}
