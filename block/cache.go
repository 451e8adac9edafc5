package block

import (
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/guestkit/guestkit/internal/lru"
)

// CacheOptions says how Cached keeps what it reads. Nil, and 0 in a field, mean
// what suits a source that answers within a millisecond.
type CacheOptions struct {
	// PageBytes is how much is read at least and kept as one, 0 for 64 KiB; Bytes
	// bounds the pages in memory, 0 for 16 MiB. One page is kept in any case.
	PageBytes int
	Bytes     int64
	// Ahead is how many pieces of PieceBytes, 0 for 4 MiB, are read at once before
	// they are asked for, where reads follow each other; 0 reads nothing ahead. At
	// most Ahead+2 pieces are in memory besides the pages.
	Ahead      int
	PieceBytes int64
}

// The defaults of CacheOptions, in bytes.
const (
	defaultPage  = 64 << 10
	defaultCache = 16 << 20
	defaultPiece = 4 << 20
)

// A Cache is a Device that keeps what it read of a Reader: see Cached.
type Cache struct {
	r        Reader
	d        Device // r, with its extents
	page     int64
	piece    int64
	most     int // pieces ahead
	pages    *lru.Cache[int64, []byte]
	closed   atomic.Bool
	mu       sync.Mutex
	ahead    readAhead
	inFlight sync.WaitGroup
}

// Cached puts a cache of pages over a Reader that is slow for small reads: an
// object in a store, a socket, another program. What several goroutines want at the
// same time is read once, and no lock is held meanwhile; an error is not kept. Reads
// of two pages and more go past the pages, into the caller's buffer. The extents
// are those of r.
//
// r stays open when the Cache is closed; with Ahead, Close comes before that of r.
func Cached(r Reader, o *CacheOptions) *Cache {
	if o == nil {
		o = &CacheOptions{}
	}
	c := &Cache{r: r, d: Plain(r), page: int64(o.PageBytes), piece: o.PieceBytes, most: o.Ahead}
	if c.page <= 0 {
		c.page = defaultPage
	}
	if c.piece <= 0 {
		c.piece = defaultPiece
	}
	keep := o.Bytes
	if keep <= 0 {
		keep = defaultCache
	}
	c.pages = lru.New[int64, []byte](max(keep, c.page))
	return c
}

// Size returns the size of the Reader in bytes.
func (c *Cache) Size() int64 { return c.r.Size() }

// SectorSize returns that of the Reader.
func (c *Cache) SectorSize() int { return SectorSize(c.r) }

// Extent returns that of the Reader. What lies verbatim in the Reader does so in
// the Cache.
func (c *Cache) Extent(off int64) (Extent, error) {
	e, err := c.d.Extent(off)
	if sameReader(e.Host, c.r) {
		e.Host = c
	}
	return e, err
}

// Close ends reading ahead, and waits for what is under way; from then on ReadAt
// returns fs.ErrClosed. It may be called again.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed.Store(true)
	c.ahead.pieces = nil
	c.mu.Unlock()
	c.inFlight.Wait()
	return nil
}

// ReadAt reads through the pages in memory.
func (c *Cache) ReadAt(p []byte, off int64) (int, error) {
	if c.closed.Load() {
		return 0, fs.ErrClosed
	}
	q, end := Clip(p, off, c.r.Size())
	for done := 0; done < len(q); {
		n, err := c.read(q[done:], off+int64(done))
		if done += n; err != nil {
			return done, err
		}
	}
	return len(q), end
}

// read reads some of p, which lies within the Reader, at least a byte.
func (c *Cache) read(p []byte, off int64) (n int, err error) {
	if c.most > 0 {
		if b, ok := c.fromAhead(off); ok {
			return copy(p, b), nil
		}
		defer func() { c.readOn(off, off+int64(n)) }()
	}
	if int64(len(p)) >= 2*c.page {
		p = p[:min(int64(len(p)), c.piece)]
		if err := ReadFull(c.r, p, off); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	b, err := c.pageAt(off / c.page)
	if err != nil {
		return 0, err
	}
	return copy(p, b[off%c.page:]), nil
}

// View returns the n bytes at off without a copy, where they lie in one page. The
// caller does not change them; n is of the order of a page, not a length from an
// image. Running past the end of the Reader wraps ErrTruncated.
func (c *Cache) View(off int64, n int) ([]byte, error) {
	if off < 0 || off > c.r.Size() || int64(n) > c.r.Size()-off {
		return nil, &Error{What: "read", Off: off, Err: ErrTruncated}
	}
	at := off % c.page
	p, err := c.pageAt(off / c.page)
	if err != nil {
		return nil, err
	}
	if at+int64(n) <= int64(len(p)) {
		return p[at : at+int64(n)], nil
	}
	out := append(make([]byte, 0, n), p[at:]...)
	for len(out) < n { // it crosses into the next page
		p, err := c.pageAt((off + int64(len(out))) / c.page)
		if err != nil {
			return nil, err
		}
		out = append(out, p[:min(len(p), n-len(out))]...)
	}
	return out, nil
}

// pageAt returns a page, which is shorter at the end.
func (c *Cache) pageAt(i int64) ([]byte, error) {
	return c.pages.Get(i, func() ([]byte, int64, error) {
		off := i * c.page
		b, err := ReadBytes(c.r, off, min(c.page, c.r.Size()-off), c.page)
		return b, int64(len(b)), err
	})
}

// Kept returns how many bytes of pages are in memory.
func (c *Cache) Kept() int64 { return c.pages.Cost() }

// readAhead is what is read before it is asked for.
type readAhead struct {
	next   int64 // where the next read of a reader in order begins
	run    int64 // bytes that were read in order so far
	pieces []*piece
}

// A piece is a range on its way or there.
type piece struct {
	off, n int64
	done   chan struct{}
	b      []byte
	err    error
}

// fromAhead returns what was read ahead at off and behind it, if anything was. It
// waits for what is on its way.
func (c *Cache) fromAhead(off int64) ([]byte, bool) {
	c.mu.Lock()
	var hit *piece
	for _, p := range c.ahead.pieces {
		if off >= p.off && off < p.off+p.n {
			hit = p
		}
	}
	c.mu.Unlock()
	if hit == nil {
		return nil, false
	}
	<-hit.done
	c.mu.Lock()
	defer c.mu.Unlock()
	if hit.err != nil { // the reader asks for itself
		for i, q := range c.ahead.pieces {
			if q == hit {
				c.ahead.pieces = append(c.ahead.pieces[:i:i], c.ahead.pieces[i+1:]...)
				break
			}
		}
		return nil, false
	}
	c.ahead.next = max(c.ahead.next, off)
	c.more(hit.off + hit.n)
	return hit.b[off-hit.off:], true
}

// readOn notes a read from off to end, and begins to read ahead where reads follow
// each other.
func (c *Cache) readOn(off, end int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &c.ahead
	// Several goroutines read in turns: near is in order too.
	if d := off - a.next; a.next > 0 && d >= -8*c.piece && d <= 8*c.piece {
		a.run += end - off
		a.next = max(a.next, end)
	} else {
		a.run, a.next = 0, end
	}
	if a.run >= c.piece {
		c.more(a.next)
	}
}

// more begins what is to be read from off on, if that is not under way. c.mu is
// held.
func (c *Cache) more(off int64) {
	var keep []*piece
	end := off
	for _, p := range c.ahead.pieces {
		if p.off+p.n > off-2*c.piece { // others may still be behind
			keep = append(keep, p)
			end = max(end, p.off+p.n)
		}
	}
	c.ahead.pieces = keep
	size := c.r.Size()
	for len(c.ahead.pieces) < c.most+2 && end < size && end < off+int64(c.most)*c.piece && !c.closed.Load() {
		p := &piece{off: end, n: min(c.piece, size-end), done: make(chan struct{})}
		c.ahead.pieces = append(c.ahead.pieces, p)
		end += p.n
		c.inFlight.Go(func() {
			defer close(p.done)
			p.b = make([]byte, p.n)
			p.err = ReadFull(c.r, p.b, p.off)
		})
	}
}

var _ interface {
	Device
	SectorSizer
	io.Closer
} = (*Cache)(nil)
