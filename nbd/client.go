package nbd

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/retry"
)

// ClientOptions says how an export is read. Nil, and the zero value, suit servers of
// strangers.
type ClientOptions struct {
	// Context ends all requests; nil is context.Background().
	Context context.Context
	// TLS is how TLS is spoken where the URI asks for it; nil trusts what the system
	// does.
	TLS *tls.Config
	// Dial connects; nil is that of net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Conns is how many connections are made at most, 0 for 4, where the server says
	// that several see the same.
	Conns int
	// Timeout bounds how long a server may take to agree on the export, and to bring
	// less of what was asked for than MinRate; 0 means a minute.
	Timeout time.Duration
	// MinRate is how many bytes a second come at least, over each Timeout in which
	// replies are waited for: a server that trickles is given up, as one that says
	// nothing. 0 means 1 KiB, -1 any byte at all.
	MinRate int64
	// Retry is how often and how long a connection that broke is made again.
	Retry retry.Policy
	// CacheBytes bounds the memory for what is read in small pieces, 0 for 16 MiB.
	CacheBytes int64
}

const (
	clientRate   = 1 << 10
	clientPage   = 64 << 10
	clientCache  = 16 << 20
	clientPiece  = 2 << 20 // bytes of a request
	identityRead = 4096
)

// A Client reads an export of a server. It is safe for concurrent use.
type Client struct {
	a      *address
	o      ClientOptions
	ctx    context.Context
	cancel context.CancelFunc
	e      export // as the first connection saw it
	pages  *lru.Cache[int64, []byte]
	known  statusMap

	identity [sha256.Size]byte // of its first bytes

	mu      sync.Mutex
	links   []*link // nil where there is none yet, or none any more
	dialing []chan struct{}
	changed error
	closed  bool
}

// Dial opens the export at an NBD URI: nbd://host:port/export,
// nbd+unix:///export?socket=PATH, nbds:// and nbds+unix:// for TLS. An error wraps
// block.ErrOption if it is no such URI, fs.ErrNotExist if the server has no such
// export, fs.ErrPermission if it may not be read.
func Dial(uri string, o *ClientOptions) (*Client, error) {
	a, err := parse(uri)
	if err != nil {
		return nil, err
	}
	c := &Client{a: a}
	if o != nil {
		c.o = *o
	}
	if c.o.Context == nil {
		c.o.Context = context.Background()
	}
	if c.o.Dial == nil {
		c.o.Dial = new(net.Dialer).DialContext
	}
	if c.o.Conns <= 0 {
		c.o.Conns = 4
	}
	if c.o.Timeout <= 0 {
		c.o.Timeout = time.Minute
	}
	if c.o.MinRate == 0 {
		c.o.MinRate = clientRate
	}
	if c.o.CacheBytes <= 0 {
		c.o.CacheBytes = clientCache
	}
	c.pages = lru.New[int64, []byte](c.o.CacheBytes)
	c.ctx, c.cancel = context.WithCancel(c.o.Context)
	l, err := retry.Do(c.ctx, c.o.Retry, func(ctx context.Context) (*link, error) {
		l, err := c.connect(ctx)
		return l, final(err)
	})
	if err == nil {
		c.e = *l.e
		c.identity, err = c.sum(l)
	}
	if err != nil {
		if l != nil {
			l.close(fs.ErrClosed)
		}
		c.cancel()
		return nil, err
	}
	n := 1
	if c.e.flags&transMultiConn != 0 {
		n = c.o.Conns
	}
	c.links, c.dialing = make([]*link, n), make([]chan struct{}, n)
	c.links[0] = l
	context.AfterFunc(c.ctx, c.hangUp)
	return c, nil
}

// hangUp ends all connections.
func (c *Client) hangUp() {
	c.mu.Lock()
	links := slices.Clone(c.links) // take changes them
	c.mu.Unlock()
	for _, l := range links {
		if l != nil {
			l.close(context.Cause(c.ctx))
		}
	}
}

// final marks what no further attempt mends: what the server said, or says by
// breaking the protocol.
func final(err error) error {
	var s *serverError
	var e *block.Error
	if err != nil && (errors.As(err, &s) || errors.As(err, &e) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
		return retry.Permanent(err)
	}
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return retry.Permanent(err)
	}
	return err
}

// connect makes a connection.
func (c *Client) connect(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	conn, err := c.o.Dial(ctx, c.a.network, c.a.host)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	n, err := negotiate(ctx, conn, c.a, c.o.TLS)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return newLink(n, c.o.Timeout, c.o.MinRate), nil
}

// sum is the checksum of the first bytes, by which an export is known again.
func (c *Client) sum(l *link) ([sha256.Size]byte, error) {
	n := min(identityRead, l.e.size)
	n = (n + int64(l.e.least) - 1) / int64(l.e.least) * int64(l.e.least)
	if n = min(n, l.e.size/int64(l.e.least)*int64(l.e.least)); n == 0 {
		return [sha256.Size]byte{}, nil
	}
	b := make([]byte, n)
	err := l.do(&call{typ: cmdRead, p: b})
	var s *serverError
	if errors.As(err, &s) { // they cannot be read, which is for the reader to find
		return sha256.Sum256([]byte(s.Error())), nil
	}
	return sha256.Sum256(b), err
}

// take gives a link that works: the one with the fewest calls, or a new one.
func (c *Client) take(ctx context.Context) (*link, error) {
	for {
		c.mu.Lock()
		if c.closed || c.changed != nil {
			err := c.changed
			if c.closed {
				err = fs.ErrClosed
			}
			c.mu.Unlock()
			return nil, retry.Permanent(err)
		}
		best, least, free := (*link)(nil), 0, -1
		for i, l := range c.links {
			if l != nil {
				n, ok := l.load()
				if ok && (best == nil || n < least) {
					best, least = l, n
				}
				if ok {
					continue
				}
				c.links[i] = nil
			}
			if free < 0 {
				free = i
			}
		}
		if best != nil && (free < 0 || least < 2) {
			c.mu.Unlock()
			return best, nil
		}
		if free < 0 {
			free = 0
		}
		if wait := c.dialing[free]; wait != nil {
			c.mu.Unlock()
			if best != nil {
				return best, nil
			}
			<-wait // another goroutine connects
			continue
		}
		wait := make(chan struct{})
		c.dialing[free] = wait
		c.mu.Unlock()
		l, err := c.again(ctx)
		c.mu.Lock()
		c.dialing[free] = nil
		if err == nil {
			if c.closed || c.ctx.Err() != nil {
				l.close(fs.ErrClosed)
			}
			c.links[free] = l
		} else if errors.Is(err, block.ErrChanged) && c.changed == nil {
			c.changed = err
		}
		close(wait)
		c.mu.Unlock()
		if err != nil && best != nil && !errors.Is(err, block.ErrChanged) {
			return best, nil
		}
		return l, final(err)
	}
}

// again makes another connection, to what must be the same export.
func (c *Client) again(ctx context.Context) (*link, error) {
	l, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	err = c.e.same(l.e)
	if err == nil {
		var sum [sha256.Size]byte
		if sum, err = c.sum(l); err == nil && sum != c.identity {
			err = failed(block.ErrChanged, "export", "it begins with other bytes than it did")
		}
	}
	if err != nil {
		l.close(err)
		return nil, err
	}
	return l, nil
}

// do has a call done, on another connection where one breaks.
func (c *Client) do(make func() *call) (*call, error) {
	return retry.Do(c.ctx, c.o.Retry, func(ctx context.Context) (*call, error) {
		l, err := c.take(ctx)
		if err != nil {
			return nil, err
		}
		q := make()
		return q, final(l.do(q))
	})
}

// Size is that of the export, in bytes.
func (c *Client) Size() int64 { return c.e.size }

// Name is the URI.
func (c *Client) Name() string { return c.a.shown }

// Description is what the server says of the export.
func (c *Client) Description() string { return c.e.description }

// Changed makes another connection, and returns an error that wraps
// block.ErrChanged if that shows another export.
func (c *Client) Changed() error {
	c.mu.Lock()
	err, closed := c.changed, c.closed
	c.mu.Unlock()
	if err != nil || closed {
		return err
	}
	l, err := c.again(c.ctx)
	if err == nil {
		l.close(fs.ErrClosed)
		return nil
	}
	if errors.Is(err, block.ErrChanged) {
		return err
	}
	return nil // it cannot be told
}

// Close ends the connections.
func (c *Client) Close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.hangUp()
	if closed {
		return fs.ErrClosed
	}
	return nil
}

// usable is an error if the client is closed, or what it reads has changed: nothing
// that is read now would fit what was read before.
func (c *Client) usable() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fs.ErrClosed
	}
	return c.changed
}

// ReadAt reads bytes of the export: small pieces by pages, which are kept.
func (c *Client) ReadAt(p []byte, off int64) (int, error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	switch {
	case off < 0:
		return 0, fs.ErrInvalid
	case off >= c.e.size:
		return 0, io.EOF
	}
	short := int64(len(p)) > c.e.size-off
	if short {
		p = p[:c.e.size-off]
	}
	for done := 0; done < len(p); {
		at, rest := off+int64(done), p[done:]
		if len(rest) >= clientPage && at%int64(c.e.least) == 0 {
			n := min(len(rest), clientPiece, int(c.e.most)) / int(c.e.least) * int(c.e.least)
			if err := c.readBlocks(rest[:n], at); err != nil {
				return done, err
			}
			done += n
			continue
		}
		b, err := c.page(at / clientPage)
		if err != nil {
			return done, err
		}
		done += copy(rest, b[at%clientPage:])
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

// readBlocks reads what begins and ends with a block, into p alone when all is well.
func (c *Client) readBlocks(p []byte, off int64) error {
	_, err := c.do(func() *call { return &call{typ: cmdRead, off: off, p: p} })
	return block.Locate("nbd", "export", off, err)
}

func (c *Client) page(i int64) ([]byte, error) {
	return c.pages.Get(i, func() ([]byte, int64, error) {
		b := make([]byte, min(clientPage, c.e.size-i*clientPage))
		whole := len(b) / int(c.e.least) * int(c.e.least) // servers end with a whole block, or should
		if whole == 0 {
			return nil, 0, broken("export", "its last block is not whole")
		}
		err := c.readBlocks(b[:whole], i*clientPage)
		if err == nil && whole < len(b) {
			err = broken("export", "its last block is not whole")
		}
		return b, int64(len(b)), err
	})
}
