package nbd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/guestkit/guestkit/block"
)

const (
	chunkErrorOffset = 1<<15 | 2
	chunkIsError     = 1 << 15

	maxChunks = 1 << 16 // of one reply
	maxStatus = 1 << 20 // bytes of an answer to a block status
)

// A link is a connection in transmission. Requests of several goroutines are under
// way at once; one goroutine reads the replies, and alone touches what a call reads
// into, until the call is done.
type link struct {
	conn    net.Conn
	r       *bufio.Reader
	e       *export
	timeout time.Duration
	least   int64 // bytes that come within it

	wmu sync.Mutex // of writes

	mu    sync.Mutex
	calls map[uint64]*call
	next  uint64
	watch watch
	err   error // why the link is of no use any more
}

// A watch is on the oldest call. Its time begins anew with what comes for the calls
// that were under way when it became the oldest, and not with what comes for those
// after them, so that no call is passed over for ever.
type watch struct {
	oldest, last uint64 // cookies
	came         int64  // bytes since the time began
}

// A call is a request that waits for its reply.
type call struct {
	cookie uint64
	typ    uint16
	off    int64
	p      []byte // of a read
	n      uint32 // of a block status
	got    []span // what has come of p
	chunks int
	runs   []extent // of a block status
	status bool
	err    error // that the server answers
	done   chan struct{}
}

// A span is a run of bytes of a call.
type span struct{ from, to int64 }

// An extent is a run of one state.
type extent struct {
	n     int64
	state uint32
}

// A serverError is an answer of the server that is no: the connection is well.
type serverError struct {
	code uint32
	text string
}

func (e *serverError) Error() string {
	if e.text != "" {
		return fmt.Sprintf("the server answers with error %d: %s", e.code, e.text)
	}
	return fmt.Sprintf("the server answers with error %d", e.code)
}

func (e *serverError) Unwrap() error {
	switch e.code {
	case errPerm:
		return fs.ErrPermission
	case errIO:
		return syscall.EIO
	}
	return nil
}

func newLink(n *negotiation, timeout time.Duration, rate int64) *link {
	l := &link{conn: n.conn, r: n.r, e: &n.e, timeout: timeout, calls: map[uint64]*call{}}
	l.least = max(int64(float64(rate)*timeout.Seconds()), 1)
	go l.receive()
	return l
}

// close ends the link. All calls end with err.
func (l *link) close(err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	l.mu.Unlock()
	l.conn.Close() // receive ends, and the calls with it
}

// load is how many calls are under way; false that the link is of no use.
func (l *link) load() (int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls), l.err == nil
}

// do sends a request, and waits for what comes of it. The error is a serverError
// where the server says no, or one of the link.
func (l *link) do(c *call) error {
	c.done = make(chan struct{})
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return l.err
	}
	l.next++
	c.cookie = l.next
	l.calls[c.cookie] = c
	if len(l.calls) == 1 {
		l.watchOldest()
	}
	l.mu.Unlock()

	b := be.AppendUint32(make([]byte, 0, 28), magicRequest)
	b = be.AppendUint16(b, 0)
	b = be.AppendUint16(b, c.typ)
	b = be.AppendUint64(b, c.cookie)
	b = be.AppendUint64(b, uint64(c.off))
	n := uint32(len(c.p))
	if c.typ == cmdBlockStatus {
		n = c.n
	}
	l.wmu.Lock()
	l.conn.SetWriteDeadline(time.Now().Add(l.timeout))
	_, err := l.conn.Write(be.AppendUint32(b, n))
	l.wmu.Unlock()
	if err != nil {
		l.close(err)
	}
	<-c.done
	return c.err
}

// receive reads replies until the link ends, and then ends all calls.
func (l *link) receive() {
	var err error
	for err == nil {
		err = l.reply()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	l.close(err)
	l.mu.Lock()
	err = l.err
	calls := l.calls
	l.calls = nil
	l.mu.Unlock()
	for _, c := range calls {
		c.err = err
		close(c.done)
	}
}

// finish ends a call.
func (l *link) finish(c *call) {
	l.mu.Lock()
	delete(l.calls, c.cookie)
	switch {
	case c.cookie == l.watch.oldest:
		l.watchOldest()
	case c.cookie <= l.watch.last:
		l.renew()
	}
	l.mu.Unlock()
	close(c.done)
}

// watchOldest puts the watch on the oldest call; l.mu is held.
func (l *link) watchOldest() {
	if len(l.calls) == 0 {
		l.conn.SetReadDeadline(time.Time{}) // nothing is waited for
		return
	}
	l.watch.oldest, l.watch.last = l.next, l.next
	for cookie := range l.calls {
		l.watch.oldest = min(l.watch.oldest, cookie)
	}
	l.renew()
}

// renew begins the time anew; l.mu is held.
func (l *link) renew() {
	l.watch.came = 0
	l.conn.SetReadDeadline(time.Now().Add(l.timeout))
}

// read fills b.
func (l *link) read(b []byte) error {
	_, err := io.ReadFull(l.r, b)
	return err
}

// fill fills b with what a call asks for.
func (l *link) fill(c *call, b []byte) error {
	for len(b) > 0 {
		n, err := l.r.Read(b)
		if b = b[n:]; err != nil && len(b) > 0 {
			return err
		}
		l.mu.Lock()
		if c.cookie <= l.watch.last {
			if l.watch.came += int64(n); l.watch.came >= l.least {
				l.renew()
			}
		}
		l.mu.Unlock()
	}
	return nil
}

// find returns the call that a reply is for.
func (l *link) find(cookie uint64) (*call, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.calls[cookie]
	if c == nil {
		return nil, broken("reply", "it has the cookie %#x, which no request had", cookie)
	}
	return c, nil
}

// reply reads one reply, or one chunk of one.
func (l *link) reply() error {
	var head [20]byte
	if err := l.read(head[:4]); err != nil {
		return err
	}
	switch be.Uint32(head[:]) {
	case magicSimple:
		if err := l.read(head[4:16]); err != nil {
			return err
		}
		return l.simple(be.Uint32(head[4:]), be.Uint64(head[8:]))
	case magicChunk:
		if !l.e.structured {
			return broken("reply", "it is structured, which was not agreed on")
		}
		if err := l.read(head[4:20]); err != nil {
			return err
		}
		return l.chunk(be.Uint16(head[4:]), be.Uint16(head[6:]), be.Uint64(head[8:]), be.Uint32(head[16:]))
	}
	return broken("reply", "its magic is %#x", be.Uint32(head[:]))
}

func (l *link) simple(code uint32, cookie uint64) error {
	c, err := l.find(cookie)
	if err != nil {
		return err
	}
	switch {
	case c.chunks > 0:
		return broken("reply", "it is simple, and chunks of it have come")
	case code != 0:
		c.err = &serverError{code: code}
	case c.typ == cmdBlockStatus || l.e.structured:
		return broken("reply", "it is simple, and was agreed on to be structured")
	default:
		if err := l.fill(c, c.p); err != nil {
			return err
		}
	}
	l.finish(c)
	return nil
}

// chunk takes one chunk of a structured reply.
func (l *link) chunk(flags, typ uint16, cookie uint64, n uint32) error {
	c, err := l.find(cookie)
	if err != nil {
		return err
	}
	if c.chunks++; c.chunks > maxChunks {
		return failed(block.ErrLimit, "reply", "it has more than %d chunks", maxChunks)
	}
	switch {
	case typ&chunkIsError != 0:
		err = l.failure(c, typ, n)
	case typ == chunkNone:
		if n != 0 || flags&chunkDone == 0 {
			err = broken("reply", "an empty chunk has %d bytes", n)
		}
	case typ == chunkData && c.typ == cmdRead:
		err = l.data(c, n)
	case typ == chunkHole && c.typ == cmdRead:
		err = l.hole(c, n)
	case typ == chunkStatus && c.typ == cmdBlockStatus:
		err = l.states(c, n)
	default:
		err = broken("reply", "a chunk of the type %d does not answer command %d", typ, c.typ)
	}
	if err != nil || flags&chunkDone == 0 {
		return err
	}
	if c.err == nil {
		switch {
		case c.typ == cmdRead && (len(c.got) != 1 || c.got[0] != span{0, int64(len(c.p))}) && len(c.p) > 0:
			return broken("reply", "a read ends, and not all of it has come")
		case c.typ == cmdBlockStatus && !c.status:
			return broken("reply", "a block status ends without any")
		}
	}
	l.finish(c)
	return nil
}

// failure takes what the server says went wrong.
func (l *link) failure(c *call, typ uint16, n uint32) error {
	if n < 6 || n > maxReply {
		return broken("reply", "an error has %d bytes", n)
	}
	b := make([]byte, n)
	if err := l.read(b); err != nil {
		return err
	}
	size := int(be.Uint16(b[4:]))
	if size > len(b)-6 || be.Uint32(b) == 0 {
		return broken("reply", "an error has the number %d and a text of %d bytes", be.Uint32(b), size)
	}
	if c.err == nil {
		c.err = &serverError{be.Uint32(b), string(b[6 : 6+size])}
	}
	return nil
}

// place finds the part of a read that a chunk is for.
func (c *call) place(off uint64, n int64) ([]byte, error) {
	from := int64(off) - c.off
	if int64(off) < c.off || n <= 0 || n > int64(len(c.p)) || from > int64(len(c.p))-n {
		return nil, broken("reply", "a chunk holds %d bytes at %#x, and %d at %#x were asked for", n, off, len(c.p), c.off)
	}
	s := span{from, from + n}
	// Runs that meet become one, so that few are kept where chunks come in order.
	out := c.got[:0:0]
	for _, g := range c.got {
		switch {
		case s.from < g.to && g.from < s.to:
			return nil, broken("reply", "a chunk comes again at %#x", off)
		case g.to == s.from:
			s.from = g.from
		case s.to == g.from:
			s.to = g.to
		default:
			out = append(out, g)
		}
	}
	if len(out) >= 1024 {
		return nil, failed(block.ErrLimit, "reply", "its chunks lie in disorder")
	}
	c.got = append(out, s)
	return c.p[from : from+n], nil
}

func (l *link) data(c *call, n uint32) error {
	var head [8]byte
	if n < 9 {
		return broken("reply", "a chunk of data has %d bytes", n)
	}
	if err := l.read(head[:]); err != nil {
		return err
	}
	p, err := c.place(be.Uint64(head[:]), int64(n)-8)
	if err != nil {
		return err
	}
	return l.fill(c, p)
}

func (l *link) hole(c *call, n uint32) error {
	var b [12]byte
	if n != 12 {
		return broken("reply", "a hole has %d bytes", n)
	}
	if err := l.read(b[:]); err != nil {
		return err
	}
	p, err := c.place(be.Uint64(b[:]), int64(be.Uint32(b[8:])))
	if err == nil {
		clear(p)
	}
	return err
}

// states takes the answer to a block status.
func (l *link) states(c *call, n uint32) error {
	if n < 12 || n > maxStatus || (n-4)%8 != 0 {
		return broken("reply", "a block status has %d bytes", n)
	}
	b := make([]byte, n)
	if err := l.fill(c, b); err != nil {
		return err
	}
	if c.status || be.Uint32(b) != l.e.context {
		return broken("reply", "a block status is of context %d", be.Uint32(b))
	}
	c.status = true
	for b = b[4:]; len(b) > 0; b = b[8:] {
		x := extent{int64(be.Uint32(b)), be.Uint32(b[4:])}
		if x.n == 0 {
			return broken("reply", "a block status has a run of no bytes")
		}
		c.runs = append(c.runs, x)
	}
	return nil
}
