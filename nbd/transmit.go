package nbd

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guestkit/guestkit/block"
)

// A request is what a client asks for.
type request struct {
	flags, typ uint16
	cookie     uint64
	off, n     uint64
}

// transmit answers requests until the client leaves. Where the device is slow,
// several are answered at once, in the order in which they are ready. Where it is
// not, as an image in the page cache, each is answered before the next is read: to
// start a goroutine and wake a thread takes longer than to read a cluster.
func (p *peer) transmit(e *Export) {
	free := make(chan struct{}, maxInFlight)
	var running sync.WaitGroup
	defer running.Wait()
	defer p.flush()
	for {
		if p.r.Buffered() < requestSize { // it may be long until one comes
			if p.flush() != nil {
				return
			}
		}
		q, err := p.request()
		if err != nil || q.typ == cmdDisconnect {
			return
		}
		if q.typ == cmdWrite { // its data has to be out of the way
			if q.n > maxRead {
				return
			}
			if _, err := io.CopyN(io.Discard, p.r, int64(q.n)); err != nil {
				return
			}
		}
		if q.n <= maxInline && !p.slow.now() {
			if p.answer(e, q) != nil {
				return
			}
			continue
		}
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			if p.answer(e, q) != nil || p.flush() != nil {
				p.conn.Close()
			}
		})
	}
}

const (
	requestSize = 28      // of the shorter kind
	maxInline   = 1 << 20 // of what is answered before the next request is read
)

// A pace tells whether a device is slow, by how long its latest reads took. It is
// safe for concurrent use.
type pace struct{ score atomic.Int32 }

// Some slow reads in a row are a slow device, many quick ones a quick one: a read
// may also be late because the machine is busy.
const (
	paceSlow = 12 // from here on
	paceMost = 64
	paceStep = 4 // for a slow read; a quick one takes back one
)

func (s *pace) now() bool { return s.score.Load() >= paceSlow }

// add counts a read of n bytes.
func (s *pace) add(n int, took time.Duration) {
	// Less than 2 GB/s is no page cache.
	if took > 50*time.Microsecond+time.Duration(n/2) {
		if s.score.Add(paceStep) > paceMost {
			s.score.Store(paceMost)
		}
	} else if s.score.Load() > 0 {
		s.score.Add(-1)
	}
}

// readAt reads from the export, and counts how long that took.
func (p *peer) readAt(e *Export, b []byte, off int64) error {
	start := time.Now()
	err := block.ReadFull(e.Device, b, off)
	p.slow.add(len(b), time.Since(start))
	return err
}

// request reads one.
func (p *peer) request() (q request, err error) {
	size, magic := 28, uint32(magicRequest)
	if p.extended {
		size, magic = 32, magicExtended
	}
	b, err := p.read(size)
	if err != nil {
		return q, err
	}
	if be.Uint32(b) != magic {
		return q, errProtocol
	}
	q = request{flags: be.Uint16(b[4:]), typ: be.Uint16(b[6:]), cookie: be.Uint64(b[8:]), off: be.Uint64(b[16:])}
	if p.extended {
		q.n = be.Uint64(b[24:])
	} else {
		q.n = uint64(be.Uint32(b[24:]))
	}
	return q, nil
}

// answer does what is asked for, and says what came of it. The error is one of the
// connection.
func (p *peer) answer(e *Export, q request) error {
	size := uint64(e.Device.Size())
	inside := q.off <= size && q.n <= size-q.off
	switch q.typ {
	case cmdRead:
		if !inside || q.n == 0 && p.structured && q.off > size {
			return p.refuse(q, errInvalid)
		}
		if q.n > maxRead {
			return p.refuse(q, errOverflow)
		}
		return p.readOut(e, q)
	case cmdFlush:
		return p.done(q)
	case cmdCache:
		if !inside {
			return p.refuse(q, errInvalid)
		}
		return p.done(q)
	case cmdBlockStatus:
		if !p.hasMeta || !inside || q.n == 0 {
			return p.refuse(q, errInvalid)
		}
		return p.status(e, q)
	}
	return p.refuse(q, errPerm) // all others would change something
}

// done is the answer to what brings no data.
func (p *peer) done(q request) error {
	if p.structured {
		return p.chunk(q, chunkDone, chunkNone, nil, nil)
	}
	return p.simple(q, 0, nil)
}

func (p *peer) refuse(q request, code uint32) error {
	if p.structured {
		return p.chunk(q, chunkDone, chunkError, be.AppendUint16(be.AppendUint32(nil, code), 0), nil)
	}
	return p.simple(q, code, nil)
}

// simple writes a simple reply.
func (p *peer) simple(q request, code uint32, data []byte) error {
	b := be.AppendUint32(nil, magicSimple)
	b = be.AppendUint32(b, code)
	return p.write(be.AppendUint64(b, q.cookie), data)
}

// chunk writes a chunk of a structured reply: a head of its content, and data.
func (p *peer) chunk(q request, flags, typ uint16, head, data []byte) error {
	b := make([]byte, 0, 32+len(head))
	if p.extended {
		b = be.AppendUint32(b, magicExtChunk)
	} else {
		b = be.AppendUint32(b, magicChunk)
	}
	b = be.AppendUint16(b, flags)
	b = be.AppendUint16(b, typ)
	b = be.AppendUint64(b, q.cookie)
	if n := uint64(len(head) + len(data)); p.extended {
		b = be.AppendUint64(b, q.off)
		b = be.AppendUint64(b, n)
	} else {
		b = be.AppendUint32(b, uint32(n))
	}
	return p.write(append(b, head...), data)
}

// maxPending is how much is collected before it is sent; what is longer is sent
// from where it lies.
const maxPending = 32 << 10

// write adds a whole message to what is to be sent: see flush.
func (p *peer) write(head, data []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return p.failed
	}
	p.pending = append(p.pending, head...)
	if len(p.pending)+len(data) <= maxPending {
		p.pending = append(p.pending, data...)
		return nil
	}
	return p.send(data)
}

// flush sends what is pending.
func (p *peer) flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil || len(p.pending) == 0 {
		return p.failed
	}
	return p.send(nil)
}

// send sends what is pending and data behind it, in one call where it can.
func (p *peer) send(data []byte) error {
	bufs := net.Buffers{p.pending}
	if len(data) > 0 {
		bufs = append(bufs, data)
	}
	_, p.failed = bufs.WriteTo(p.conn)
	p.pending = p.pending[:0]
	return p.failed
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1<<20); return &b }}

// readOut answers a read: holes as such where the client understands them.
func (p *peer) readOut(e *Export, q request) error {
	defer p.s.take(int64(q.n))()
	pooled := buffers.Get().(*[]byte)
	defer buffers.Put(pooled)
	if uint64(cap(*pooled)) < q.n {
		*pooled = make([]byte, q.n)
	}
	b := (*pooled)[:q.n]
	if p.structured && q.flags&cmdFlagDF == 0 && q.n >= 4096 {
		return p.readChunks(e, q, b)
	}
	if err := p.readAt(e, b, int64(q.off)); err != nil {
		return p.refuse(q, errIO)
	}
	if p.structured {
		return p.chunk(q, chunkDone, chunkData, be.AppendUint64(nil, q.off), b)
	}
	return p.simple(q, 0, b)
}

// maxSmall is how much is read to see whether it is zeros. What is longer is not read
// where the device says so: that may take as long as to read a few clusters.
const maxSmall = 16 << 10

var zeros [maxSmall]byte

// readChunks sends what is data and what is zeros in chunks of their own.
func (p *peer) readChunks(e *Export, q request, b []byte) error {
	off, end := int64(q.off), int64(q.off+q.n)
	if q.n <= maxSmall {
		if p.readAt(e, b, off) != nil {
			return p.refuse(q, errIO)
		}
		head := be.AppendUint64(nil, q.off)
		if bytes.Equal(b, zeros[:len(b)]) {
			return p.chunk(q, chunkDone, chunkHole, be.AppendUint32(head, uint32(q.n)), nil)
		}
		return p.chunk(q, chunkDone, chunkData, head, b)
	}
	for off < end {
		from, zero, err := off, false, error(nil)
		for x, xerr := range block.Extents(e.Device, off, end-off) {
			if xerr != nil {
				err = xerr
				break
			}
			if x.Off > from && x.Zero != zero {
				break
			}
			zero, off = x.Zero, x.Off+x.Len
		}
		if err != nil && off == from {
			return p.refuse(q, errIO)
		}
		var flags uint16
		if off >= end {
			flags = chunkDone
		}
		head := be.AppendUint64(nil, uint64(from))
		if zero {
			err = p.chunk(q, flags, chunkHole, be.AppendUint32(head, uint32(off-from)), nil)
		} else {
			part := b[from-int64(q.off) : off-int64(q.off)]
			if p.readAt(e, part, from) != nil {
				return p.refuse(q, errIO)
			}
			err = p.chunk(q, flags, chunkData, head, part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// status answers which runs are data, zeros or holes.
func (p *peer) status(e *Export, q request) error {
	type run struct {
		n     uint64
		state uint64
	}
	var runs []run
	n := q.n
	if !p.extended {
		n = min(n, 1<<32-1)
	}
	for x, err := range block.Extents(e.Device, int64(q.off), int64(n)) {
		if err != nil {
			if len(runs) == 0 {
				return p.refuse(q, errIO)
			}
			break
		}
		var state uint64
		if x.Zero {
			state = stateZero
		}
		if x.Unset {
			state |= stateHole | stateZero
		}
		last := len(runs) - 1
		if last >= 0 && runs[last].state == state {
			runs[last].n += uint64(x.Len)
			continue
		}
		if len(runs) == maxExtents || q.flags&cmdFlagReqOne != 0 && len(runs) == 1 {
			break
		}
		runs = append(runs, run{uint64(x.Len), state})
	}
	head := be.AppendUint32(nil, metaID)
	typ := uint16(chunkStatus)
	if p.extended {
		typ = chunkStatusExt
		head = be.AppendUint32(head, uint32(len(runs)))
	}
	for _, r := range runs {
		if p.extended {
			head = be.AppendUint64(be.AppendUint64(head, r.n), r.state)
		} else {
			head = be.AppendUint32(be.AppendUint32(head, uint32(r.n)), uint32(r.state))
		}
	}
	return p.chunk(q, chunkDone, typ, head, nil)
}
