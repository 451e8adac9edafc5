//go:build libguestfs && linux

package guestfish

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/guestkit/guestkit/block"
)

// The NBD protocol, as far as a read-only export of one volume needs it:
// https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
const (
	nbdMagic     = 0x4e42444d41474943 // "NBDMAGIC"
	optMagic     = 0x49484156454F5054 // "IHAVEOPT"
	optReply     = 0x0003e889045565a9
	requestMagic = 0x25609513
	replyMagic   = 0x67446698

	flagFixedNewstyle = 1 << 0 // of the handshake, on both sides
	flagNoZeroes      = 1 << 1

	optExportName = 1
	optAbort      = 2
	optInfo       = 6
	optGo         = 7

	repAck      = 1
	repInfo     = 3
	repErrUnsup = 1<<31 + 1
	repErrBad   = 1<<31 + 3

	infoExport  = 0
	infoSizes   = 3
	exportFlags = 1<<0 | 1<<1 | 1<<8 // it has flags, is read only, and the same on all connections

	cmdRead  = 0
	cmdWrite = 1
	cmdDisc  = 2

	nbdEPERM  = 1
	nbdEIO    = 5
	nbdEINVAL = 22
)

const (
	maxOption  = 4 << 10  // bytes of one option
	maxOptions = 64       // of one connection
	maxRead    = 32 << 20 // bytes of one request, which is what all clients keep to
	readPiece  = 1 << 20  // bytes of it that are in memory
	sector     = 512
)

// A server lends a volume over NBD.
type server struct {
	r    block.Reader
	size int64 // of the export: that of the volume, filled up with zeros to whole sectors

	mu     sync.Mutex
	closed bool
	on     map[io.Closer]bool // the listener and the connections
	wait   sync.WaitGroup
}

// serve answers all who connect to l until the server is closed.
func serve(l net.Listener, r block.Reader) *server {
	s := &server{r: r, size: (r.Size() + sector - 1) &^ (sector - 1), on: map[io.Closer]bool{}}
	s.run(l, func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.run(c, func() { s.talk(c) })
		}
	})
	return s
}

// run has f work with c in the background, until it is done or the server is
// closed.
func (s *server) run(c io.Closer, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return
	}
	s.on[c] = true
	s.wait.Go(func() {
		f()
		c.Close()
		s.mu.Lock()
		delete(s.on, c)
		s.mu.Unlock()
	})
}

// Close ends all connections, and returns when the volume is read no more.
func (s *server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.on {
		c.Close()
	}
	s.mu.Unlock()
	s.wait.Wait()
}

// talk serves one connection.
func (s *server) talk(c net.Conn) {
	p := &peer{s: s, r: bufio.NewReader(c), w: bufio.NewWriter(c)}
	if p.handshake() == nil {
		p.transmit()
	}
}

// A peer is the other end of a connection.
type peer struct {
	s *server
	r *bufio.Reader
	w *bufio.Writer
}

var (
	errProtocol = errors.New("not NBD")
	errDone     = errors.New("the client leaves")
)

// put writes numbers of the sizes that their types have. A failure shows when
// they are flushed.
func (p *peer) put(fields ...any) {
	var b []byte
	for _, f := range fields {
		switch v := f.(type) {
		case uint16:
			b = binary.BigEndian.AppendUint16(b, v)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, v)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, v)
		}
	}
	p.w.Write(b)
}

func (p *peer) read(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(p.r, b)
	return b, err
}

// handshake is the negotiation. It ends without an error where the requests
// begin.
func (p *peer) handshake() error {
	p.put(uint64(nbdMagic), uint64(optMagic), uint16(flagFixedNewstyle|flagNoZeroes))
	if err := p.w.Flush(); err != nil {
		return err
	}
	b, err := p.read(4)
	if err != nil {
		return err
	}
	flags := binary.BigEndian.Uint32(b)
	if flags&flagFixedNewstyle == 0 || flags&^(flagFixedNewstyle|flagNoZeroes) != 0 {
		return errProtocol
	}
	for range maxOptions {
		head, err := p.read(16)
		if err != nil {
			return err
		}
		opt, n := binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:])
		if binary.BigEndian.Uint64(head) != optMagic || n > maxOption {
			return errProtocol
		}
		data, err := p.read(int(n))
		if err != nil {
			return err
		}
		begin, err := p.option(opt, data, flags&flagNoZeroes == 0)
		if e := p.w.Flush(); err == nil {
			err = e
		}
		if err != nil || begin {
			return err
		}
	}
	return errProtocol
}

// option answers one option; begin says that requests follow. There is one
// export, by whatever name.
func (p *peer) option(opt uint32, data []byte, zeroes bool) (begin bool, err error) {
	reply := func(typ, n uint32) { p.put(uint64(optReply), opt, typ, n) }
	switch opt {
	case optExportName:
		p.put(uint64(p.s.size), uint16(exportFlags))
		if zeroes {
			p.w.Write(make([]byte, 124))
		}
		return true, nil
	case optGo, optInfo:
		// The length of a name, the name, and how many things are asked for.
		if len(data) < 6 || int64(binary.BigEndian.Uint32(data)) > int64(len(data)-6) {
			reply(repErrBad, 0)
			return false, nil
		}
		reply(repInfo, 12)
		p.put(uint16(infoExport), uint64(p.s.size), uint16(exportFlags))
		reply(repInfo, 14)
		p.put(uint16(infoSizes), uint32(1), uint32(4096), uint32(maxRead))
		reply(repAck, 0)
		return opt == optGo, nil
	case optAbort:
		reply(repAck, 0)
		return false, errDone
	}
	reply(repErrUnsup, 0)
	return false, nil
}

// transmit answers requests until the client leaves.
func (p *peer) transmit() error {
	for {
		b, err := p.read(28)
		if err != nil {
			return err
		}
		if binary.BigEndian.Uint32(b) != requestMagic {
			return errProtocol
		}
		cmd, cookie := binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint64(b[8:])
		off, n := binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint32(b[24:])
		refuse := func(code uint32) { p.put(uint32(replyMagic), code, cookie) }
		switch cmd {
		case cmdRead:
			if n > maxRead || off > uint64(p.s.size) || uint64(n) > uint64(p.s.size)-off {
				refuse(nbdEINVAL)
				break
			}
			if err := p.answer(cookie, int64(off), int64(n)); err != nil {
				return err
			}
		case cmdWrite:
			if n > maxRead {
				return errProtocol
			}
			if _, err := io.CopyN(io.Discard, p.r, int64(n)); err != nil {
				return err
			}
			refuse(nbdEPERM)
		case cmdDisc:
			return errDone
		default: // no other has data behind it, and all would change something
			refuse(nbdEPERM)
		}
		if err := p.w.Flush(); err != nil {
			return err
		}
	}
}

// answer sends what was asked for, in pieces. It says at its start that all is
// well: where that turns out wrong later, the connection ends.
func (p *peer) answer(cookie uint64, off, n int64) error {
	buf := make([]byte, min(n, readPiece))
	for first := true; first || n > 0; first = false {
		b := buf[:min(n, readPiece)]
		err := p.s.readAt(b, off)
		switch {
		case err != nil && first:
			p.put(uint32(replyMagic), uint32(nbdEIO), cookie)
			return nil
		case err != nil:
			return err
		case first:
			p.put(uint32(replyMagic), uint32(0), cookie)
		}
		if _, err := p.w.Write(b); err != nil {
			return err
		}
		off, n = off+int64(len(b)), n-int64(len(b))
	}
	return nil
}

// readAt fills b, with zeros past the end of the volume.
func (s *server) readAt(b []byte, off int64) error {
	have := b[:max(0, min(int64(len(b)), s.r.Size()-off))]
	clear(b[len(have):])
	return block.ReadFull(s.r, have, off)
}
