package remote

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/nbd"
)

// An nbdSource implements format.Source over an export of an NBD server.
type nbdSource struct{ *nbd.Client }

func (o *Options) openNBD(address string) (format.Source, error) {
	o = o.filled()
	var received atomic.Int64
	c, err := nbd.Dial(address, &nbd.ClientOptions{Context: o.Context, TLS: o.TLS, Timeout: o.Timeout, MinRate: o.MinRate, Retry: o.Retry, CacheBytes: o.CacheBytes,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &countedConn{conn, o, &received}, nil
		}})
	if err != nil {
		return nil, err
	}
	return nbdSource{c}, nil
}

func (s nbdSource) Folder() format.Folder { return nil }
func (s nbdSource) Allocated() int64      { return -1 }

// Same reports whether the other one is the same export.
func (s nbdSource) Same(other format.Source) bool {
	o, ok := other.(nbdSource)
	return ok && o.Name() == s.Name()
}

// countedConn counts what is received from one source.
type countedConn struct {
	net.Conn
	o        *Options
	received *atomic.Int64
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.o.Count.Bytes.Add(int64(n))
	if all := c.received.Add(int64(n)); c.o.MaxBytes > 0 && all > c.o.MaxBytes {
		return 0, &block.Error{What: "NBD", Off: -1, Err: fmt.Errorf("%w: more than %d bytes were received", block.ErrLimit, c.o.MaxBytes)}
	}
	return n, err
}
