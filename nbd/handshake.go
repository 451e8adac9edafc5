package nbd

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
)

// A peer is the other end of a connection.
type peer struct {
	s    *Server
	conn net.Conn
	r    *bufio.Reader

	w *bufio.Writer // until transmission

	mu      sync.Mutex
	pending []byte // messages of the transmission that are not sent yet
	failed  error  // of sending
	slow    pace

	zeroes     bool // the client wants those behind an old answer
	secure     bool
	structured bool
	extended   bool
	meta       string // the export whose allocation was asked for
	hasMeta    bool
}

func (p *peer) reset(c net.Conn) {
	p.conn, p.r, p.w = c, bufio.NewReaderSize(c, 64<<10), bufio.NewWriterSize(c, 64<<10)
}

var be = binary.BigEndian

func (p *peer) read(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(p.r, b)
	return b, err
}

// reply answers an option.
func (p *peer) reply(opt, typ uint32, data []byte) {
	b := be.AppendUint64(nil, magicReply)
	b = be.AppendUint32(b, opt)
	b = be.AppendUint32(b, typ)
	b = be.AppendUint32(b, uint32(len(data)))
	p.w.Write(append(b, data...))
}

// handshake is the negotiation: it ends with the export whose requests follow.
func (p *peer) handshake(ctx context.Context) (*Export, error) {
	hello := be.AppendUint64(nil, magicNBD)
	hello = be.AppendUint64(hello, magicOption)
	p.w.Write(be.AppendUint16(hello, flagFixedNewstyle|flagNoZeroes))
	if err := p.w.Flush(); err != nil {
		return nil, err
	}
	b, err := p.read(4)
	if err != nil {
		return nil, err
	}
	flags := be.Uint32(b)
	if flags&flagFixedNewstyle == 0 || flags&^(flagFixedNewstyle|flagNoZeroes) != 0 {
		return nil, errProtocol
	}
	p.zeroes = flags&flagNoZeroes == 0
	for range maxOptions {
		head, err := p.read(16)
		if err != nil {
			return nil, err
		}
		opt, n := be.Uint32(head[8:]), be.Uint32(head[12:])
		if be.Uint64(head) != magicOption {
			return nil, errProtocol
		}
		if n > maxOption {
			if _, err := io.CopyN(io.Discard, p.r, int64(n)); err != nil {
				return nil, err
			}
			p.reply(opt, repErrTooBig, nil)
			if err := p.w.Flush(); err != nil {
				return nil, err
			}
			continue
		}
		data, err := p.read(int(n))
		if err != nil {
			return nil, err
		}
		export, err := p.option(ctx, opt, data)
		if ferr := p.w.Flush(); err == nil {
			err = ferr
		}
		if err != nil || export != nil {
			return export, err
		}
	}
	return nil, errProtocol
}

// option answers one option; an export says that requests follow.
func (p *peer) option(ctx context.Context, opt uint32, data []byte) (*Export, error) {
	if p.s.TLS != nil && !p.secure && opt != optStartTLS && opt != optAbort {
		if opt == optExportName {
			return nil, errProtocol // it has no answer that says no
		}
		p.reply(opt, repErrTLSReqd, nil)
		return nil, nil
	}
	switch opt {
	case optExportName:
		e := p.s.Find(string(data))
		if e == nil {
			return nil, errProtocol
		}
		b := be.AppendUint64(nil, uint64(e.Device.Size()))
		b = be.AppendUint16(b, p.flags())
		if p.zeroes {
			b = append(b, make([]byte, 124)...)
		}
		p.w.Write(b)
		return e, nil
	case optGo, optInfo:
		return p.info(opt, data)
	case optAbort:
		p.reply(opt, repAck, nil)
		return nil, errDone
	case optList:
		if len(data) > 0 {
			p.reply(opt, repErrInvalid, nil)
			return nil, nil
		}
		for _, e := range p.s.Exports {
			b := be.AppendUint32(nil, uint32(len(e.Name)))
			p.reply(opt, repServer, append(append(b, e.Name...), e.Description...))
		}
		p.reply(opt, repAck, nil)
	case optStartTLS:
		return nil, p.startTLS(ctx, data)
	case optStructuredReply, optExtendedHeaders:
		if len(data) > 0 || opt == optStructuredReply && p.extended {
			p.reply(opt, repErrInvalid, nil)
			return nil, nil
		}
		p.structured = true
		p.extended = p.extended || opt == optExtendedHeaders
		p.reply(opt, repAck, nil)
	case optListMeta, optSetMeta:
		p.metaContexts(opt, data)
	default:
		p.reply(opt, repErrUnsup, nil)
	}
	return nil, nil
}

func (p *peer) startTLS(ctx context.Context, data []byte) error {
	switch {
	case len(data) > 0 || p.secure:
		p.reply(optStartTLS, repErrInvalid, nil)
		return nil
	case p.s.TLS == nil:
		p.reply(optStartTLS, repErrPolicy, nil)
		return nil
	case p.r.Buffered() > 0: // what came before the handshake is not to be trusted behind it
		return errProtocol
	}
	p.reply(optStartTLS, repAck, nil)
	if err := p.w.Flush(); err != nil {
		return err
	}
	c := tls.Server(p.conn, p.s.TLS)
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	p.reset(c)
	p.secure, p.structured, p.extended, p.hasMeta = true, false, false, false
	return nil
}

// flags are what an export can.
func (p *peer) flags() uint16 {
	f := uint16(transHasFlags | transReadOnly | transFlush | transMultiConn | transCache)
	if p.structured {
		f |= transDF
	}
	return f
}

// info answers NBD_OPT_INFO and NBD_OPT_GO.
func (p *peer) info(opt uint32, data []byte) (*Export, error) {
	// The length of the name, the name, how many things are asked for, and these.
	if len(data) < 6 || uint64(be.Uint32(data)) > uint64(len(data)-6) {
		p.reply(opt, repErrInvalid, nil)
		return nil, nil
	}
	n := be.Uint32(data)
	name, rest := string(data[4:4+n]), data[4+n:]
	if len(rest) != 2+2*int(be.Uint16(rest)) {
		p.reply(opt, repErrInvalid, nil)
		return nil, nil
	}
	e := p.s.Find(name)
	if e == nil {
		p.reply(opt, repErrUnknown, nil)
		return nil, nil
	}
	for i := 2; i < len(rest); i += 2 {
		switch be.Uint16(rest[i:]) {
		case infoName:
			p.reply(opt, repInfo, append(be.AppendUint16(nil, infoName), e.Name...))
		case infoDesc:
			if e.Description != "" {
				p.reply(opt, repInfo, append(be.AppendUint16(nil, infoDesc), e.Description...))
			}
		}
	}
	b := be.AppendUint16(nil, infoExport)
	b = be.AppendUint64(b, uint64(e.Device.Size()))
	p.reply(opt, repInfo, be.AppendUint16(b, p.flags()))
	b = be.AppendUint16(nil, infoBlockSize)
	b = be.AppendUint32(b, 1)
	b = be.AppendUint32(b, 64<<10)
	p.reply(opt, repInfo, be.AppendUint32(b, maxRead))
	p.reply(opt, repAck, nil)
	if opt == optInfo {
		return nil, nil
	}
	if p.hasMeta && p.s.Find(p.meta) != e {
		p.hasMeta = false
	}
	return e, nil
}

// metaContexts answers which contexts of block status there are for an export.
func (p *peer) metaContexts(opt uint32, data []byte) {
	name, rest, ok := text(data)
	if !ok || len(rest) < 4 || opt == optSetMeta && !p.structured {
		p.reply(opt, repErrInvalid, nil)
		return
	}
	if p.s.Find(name) == nil {
		p.reply(opt, repErrUnknown, nil)
		return
	}
	count := be.Uint32(rest)
	rest = rest[4:]
	wanted := opt == optListMeta && count == 0
	for range min(count, maxOption) {
		var query string
		if query, rest, ok = text(rest); !ok {
			p.reply(opt, repErrInvalid, nil)
			return
		}
		wanted = wanted || query == metaAllocation || opt == optListMeta && query != "" && strings.HasPrefix(metaAllocation, query) && strings.HasSuffix(query, ":")
	}
	if opt == optSetMeta {
		p.meta, p.hasMeta = name, wanted
	}
	if wanted {
		id := uint32(metaID)
		if opt == optListMeta {
			id = 0
		}
		p.reply(opt, repMeta, append(be.AppendUint32(nil, id), metaAllocation...))
	}
	p.reply(opt, repAck, nil)
}

// text takes a string with its length in front off some bytes.
func text(b []byte) (s string, rest []byte, ok bool) {
	if len(b) < 4 || uint64(be.Uint32(b)) > uint64(len(b)-4) {
		return "", nil, false
	}
	n := be.Uint32(b)
	return string(b[4 : 4+n]), b[4+n:], true
}
