package nbd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"

	"github.com/guestkit/guestkit/block"
)

const (
	magicOldstyle = 0x00420281861253

	maxName     = 4096
	maxReply    = 64 << 10 // bytes of the reply to an option
	maxReplies  = 256      // to one option
	minTransfer = 64 << 10 // of the largest request that a server allows
)

// An export is what a server says of one.
type export struct {
	size        int64
	flags       uint16
	name        string // as the server calls it
	description string
	least       uint32 // borders of requests are multiples of this
	most        uint32 // of bytes of one request
	structured  bool
	status      bool   // it tells what is data
	context     uint32 // the number of "base:allocation"
}

// failed is an error about what a server says.
func failed(class error, what, text string, args ...any) error {
	return block.Errorf("nbd", what, -1, class, text, args...)
}

// errServer is the class of messages that break the protocol.
func broken(what, text string, args ...any) error {
	return failed(block.ErrCorrupt, what, text, args...)
}

// A negotiation is the first part of a connection, on the side of the client.
type negotiation struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	e    export
}

// negotiate agrees with a server on an export. The connection that it returns is
// the one to go on with.
func negotiate(ctx context.Context, conn net.Conn, a *address, own *tls.Config) (*negotiation, error) {
	n := &negotiation{conn: conn}
	n.reset()
	b, err := n.read(18)
	if err != nil {
		return nil, err
	}
	switch flags := be.Uint16(b[16:]); {
	case be.Uint64(b) != magicNBD:
		return nil, failed(block.ErrFormat, "greeting", "the server does not speak NBD")
	case be.Uint64(b[8:]) == magicOldstyle:
		return nil, failed(block.ErrUnsupported, "greeting", "the server speaks the old style of the protocol")
	case be.Uint64(b[8:]) != magicOption:
		return nil, broken("greeting", "its second word is %#x", be.Uint64(b[8:]))
	case flags&flagFixedNewstyle == 0:
		return nil, failed(block.ErrUnsupported, "greeting", "the server does not speak the fixed new style of the protocol")
	default:
		n.w.Write(be.AppendUint32(nil, uint32(flags&(flagFixedNewstyle|flagNoZeroes))))
		if err := n.agree(ctx, a, own, flags&flagNoZeroes == 0); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *negotiation) reset() {
	n.r, n.w = bufio.NewReaderSize(n.conn, 64<<10), bufio.NewWriterSize(n.conn, 4<<10)
}

func (n *negotiation) read(size int) ([]byte, error) {
	b := make([]byte, size)
	_, err := io.ReadFull(n.r, b)
	return b, err
}

func (n *negotiation) agree(ctx context.Context, a *address, own *tls.Config, zeroes bool) error {
	if a.secure {
		if err := n.startTLS(ctx, a, own); err != nil {
			return err
		}
	}
	typ, err := n.ask(optStructuredReply, nil, nil)
	if err != nil {
		return err
	}
	n.e.structured = typ == repAck
	if n.e.structured {
		if err := n.askStatus(a.export); err != nil {
			return err
		}
	}
	return n.choose(a, zeroes)
}

// ask sends an option, has each hold the replies that come before the last one,
// and returns the type of that. What the server does not know, or does not want
// to do, is no error here.
func (n *negotiation) ask(opt uint32, data []byte, each func(typ uint32, data []byte) error) (last uint32, err error) {
	b := be.AppendUint64(nil, magicOption)
	b = be.AppendUint32(b, opt)
	b = be.AppendUint32(b, uint32(len(data)))
	n.w.Write(append(b, data...))
	if err := n.w.Flush(); err != nil {
		return 0, err
	}
	for range maxReplies {
		head, err := n.read(20)
		if err != nil {
			return 0, err
		}
		typ, size := be.Uint32(head[12:]), be.Uint32(head[16:])
		switch {
		case be.Uint64(head) != magicReply:
			return 0, broken("option reply", "its magic is %#x", be.Uint64(head))
		case be.Uint32(head[8:]) != opt:
			return 0, broken("option reply", "it answers option %d, and %d was asked", be.Uint32(head[8:]), opt)
		case size > maxReply:
			return 0, failed(block.ErrLimit, "option reply", "it has %d bytes", size)
		}
		data, err := n.read(int(size))
		if err != nil {
			return 0, err
		}
		switch {
		case typ == repAck:
			return typ, nil
		case typ == repErrTLSReqd:
			return 0, failed(fs.ErrPermission, "export", "the server asks for TLS: nbds://")
		case typ&(1<<31) != 0:
			return typ, nil
		case each == nil:
			return 0, broken("option reply", "it has the type %d, which does not belong there", typ)
		}
		if err := each(typ, data); err != nil {
			return 0, err
		}
	}
	return 0, failed(block.ErrLimit, "option reply", "there are more than %d", maxReplies)
}

func (n *negotiation) startTLS(ctx context.Context, a *address, own *tls.Config) error {
	typ, err := n.ask(optStartTLS, nil, nil)
	if err != nil {
		return err
	}
	if typ != repAck {
		return failed(block.ErrUnsupported, "export", "the server has no TLS: nbd://")
	}
	if n.r.Buffered() > 0 { // what came before the handshake is not to be trusted behind it
		return broken("greeting", "bytes follow before TLS has begun")
	}
	config, err := a.config(own)
	if err != nil {
		return err
	}
	c := tls.Client(n.conn, config)
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	n.conn = c
	n.reset()
	return nil
}

// askStatus asks to be told what is data.
func (n *negotiation) askStatus(name string) error {
	b := be.AppendUint32(nil, uint32(len(name)))
	b = append(b, name...)
	b = be.AppendUint32(b, 1)
	b = be.AppendUint32(b, uint32(len(metaAllocation)))
	_, err := n.ask(optSetMeta, append(b, metaAllocation...), func(typ uint32, data []byte) error {
		if typ != repMeta || len(data) < 4 {
			return broken("option reply", "that to a context has the type %d and %d bytes", typ, len(data))
		}
		if string(data[4:]) == metaAllocation {
			n.e.status, n.e.context = true, be.Uint32(data)
		}
		return nil
	})
	return err
}

// choose takes the export.
func (n *negotiation) choose(a *address, zeroes bool) error {
	n.e.least, n.e.most = 1, maxRead
	b := be.AppendUint32(nil, uint32(len(a.export)))
	b = append(b, a.export...)
	b = be.AppendUint16(b, 3)
	b = be.AppendUint16(b, infoName)
	b = be.AppendUint16(b, infoDesc)
	b = be.AppendUint16(b, infoBlockSize)
	known := false
	typ, err := n.ask(optGo, b, func(typ uint32, data []byte) error {
		if typ != repInfo || len(data) < 2 {
			return broken("option reply", "that to GO has the type %d and %d bytes", typ, len(data))
		}
		known = known || be.Uint16(data) == infoExport
		return n.info(be.Uint16(data), data[2:])
	})
	if err != nil {
		return err
	}
	switch typ {
	case repAck:
		if !known {
			return broken("export", "the server does not say its size")
		}
		return n.check()
	case repErrUnsup:
		return n.old(a, zeroes)
	case repErrUnknown:
		return failed(fs.ErrNotExist, "export", "the server has none called %q", a.export)
	case repErrPolicy:
		return failed(fs.ErrPermission, "export", "the server does not allow it")
	}
	return failed(errors.New("refused"), "export", "the server answers with error %#x", typ)
}

// info takes one thing that is said of the export.
func (n *negotiation) info(typ uint16, data []byte) error {
	switch typ {
	case infoExport:
		if len(data) != 10 {
			return broken("export", "its size and flags have %d bytes", len(data))
		}
		return n.take(be.Uint64(data), be.Uint16(data[8:]))
	case infoName:
		n.e.name = string(data)
	case infoDesc:
		n.e.description = string(data)
	case infoBlockSize:
		if len(data) != 12 {
			return broken("export", "its block sizes have %d bytes", len(data))
		}
		n.e.least, n.e.most = be.Uint32(data), be.Uint32(data[8:])
	}
	return nil
}

func (n *negotiation) take(size uint64, flags uint16) error {
	if size > math.MaxInt64 {
		return failed(block.ErrLimit, "export", "it has %d bytes", size)
	}
	n.e.size, n.e.flags = int64(size), flags
	return nil
}

// check holds the sizes of blocks to what they may be.
func (n *negotiation) check() error {
	e := &n.e
	if e.least == 0 || e.least&(e.least-1) != 0 || e.least > minTransfer {
		return broken("export", "its smallest block has %d bytes", e.least)
	}
	if e.most < minTransfer && int64(e.most) < e.size || e.most < e.least {
		return broken("export", "its largest request has %d bytes", e.most)
	}
	e.most = min(e.most, maxRead) / e.least * e.least
	return nil
}

// old takes the export by the option that all servers have, and which has no
// answer that says no.
func (n *negotiation) old(a *address, zeroes bool) error {
	b := be.AppendUint64(nil, magicOption)
	b = be.AppendUint32(b, optExportName)
	b = be.AppendUint32(b, uint32(len(a.export)))
	n.w.Write(append(b, a.export...))
	if err := n.w.Flush(); err != nil {
		return err
	}
	b, err := n.read(10)
	if errors.Is(err, io.EOF) {
		return failed(fs.ErrNotExist, "export", "the server ends the connection when %q is asked for", a.export)
	}
	if err != nil {
		return err
	}
	if err := n.take(be.Uint64(b), be.Uint16(b[8:])); err != nil {
		return err
	}
	if zeroes {
		if _, err := n.read(124); err != nil {
			return err
		}
	}
	return n.check()
}

// same says why another connection does not show the same export, nil if it does.
func (e *export) same(other *export) error {
	switch {
	case e.size != other.size:
		return failed(block.ErrChanged, "export", "it had %d bytes, and %d now", e.size, other.size)
	case e.name != other.name || e.description != other.description:
		return failed(block.ErrChanged, "export", "it was %q (%s), and is %q (%s) now", e.name, e.description, other.name, other.description)
	case e.structured != other.structured || e.status != other.status || e.least != other.least || e.most != other.most:
		return failed(block.ErrChanged, "export", "the server is another: %s", fmt.Sprintf("blocks of %d to %d bytes, %t, %t", other.least, other.most, other.structured, other.status))
	}
	return nil
}
