package xfs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// A record's data is a row of operations, each a header and a region of bytes.
// The regions of one transaction make its items; a region that does not fit a
// record goes on in the next.
const (
	opHeaderSize = 12
	opFlagsOff   = 9

	opStart    = 0x01
	opCommit   = 0x02
	opContinue = 0x04 // the region goes on
	opWasCont  = 0x08 // it began before
	opEnd      = 0x10
	opUnmount  = 0x20

	clientTransaction = 0x69
	clientLog         = 0xaa

	transMagic      = 0x5452414e // "TRAN"
	transHeaderSize = 16
	maxRegions      = 65536/128/2 + 1 // of one item
	maxFormatSize   = 64 << 10        // of the first region of an item
)

// opHeader begins an operation.
type opHeader struct {
	tid      uint32 // 0x00
	length   uint32 // 0x04
	clientID uint8  // 0x08
	flags    uint8  // 0x09
}

func (h *opHeader) decode(b []byte) {
	h.tid = binary.BigEndian.Uint32(b[0:])
	h.length = binary.BigEndian.Uint32(b[4:])
	h.clientID, h.flags = b[8], b[9]
}

// span is a run of bytes of the unpacked log.
type span struct {
	off int64
	n   int32
}

// region is a piece of an item: one span, or more where records cut it.
type region []span

func (r region) size() int {
	n := 0
	for _, s := range r {
		n += int(s.n)
	}
	return n
}

// logItem is a change: a format structure and the regions that it describes.
type logItem struct {
	head    []byte // the format structure, copied
	regions []region
	want    int // regions in all, with the format structure
}

// transaction is one that is being read.
type transaction struct {
	lsn    uint64
	order  binary.ByteOrder
	header []byte
	items  []*logItem
}

// A logReader walks the records of a log and hands over whole transactions.
type logReader struct {
	j      *journal
	open   map[uint32]*transaction
	cost   int64 // of what is being read
	limit  int64
	visit  func(blk int64, h *recHeader) error // each record, may be nil
	commit func(*transaction) error
}

// walk reads the records of the active part.
func (l *logReader) walk(a active) error {
	l.open = map[uint32]*transaction{}
	for blk, done := a.tail, int64(0); blk != a.head; {
		h, data, err := l.j.record(blk)
		if err != nil {
			return err
		}
		if done += h.blocks(); done > l.j.blocks {
			return l.j.corrupt(blk, "the records do not meet the head")
		}
		if l.visit != nil {
			if err := l.visit(blk, &h); err != nil {
				return err
			}
		}
		if err := l.operations(blk, &h, data); err != nil {
			return err
		}
		blk = (blk + h.blocks()) % l.j.blocks
	}
	return nil
}

func (l *logReader) operations(blk int64, h *recHeader, data []byte) error {
	var order binary.ByteOrder
	switch h.format {
	case recFormatLE:
		order = binary.LittleEndian
	case recFormatBE:
		order = binary.BigEndian
	default:
		return block.Errorf(format, "log record", l.j.at(blk), block.ErrUnsupported, "format %d", h.format)
	}
	pos := 0
	for range h.numOps {
		if pos == len(data) {
			break
		}
		var op opHeader
		if len(data)-pos < opHeaderSize {
			return l.j.corrupt(blk, "an operation in %d bytes", len(data)-pos)
		}
		op.decode(data[pos:])
		pos += opHeaderSize
		if op.clientID != clientTransaction && op.clientID != clientLog {
			return l.j.corrupt(blk, "operation of client %#x", op.clientID)
		}
		if int64(op.length) > int64(len(data)-pos) {
			return l.j.corrupt(blk, "an operation of %d bytes in %d", op.length, len(data)-pos)
		}
		b := data[pos:][:op.length]
		if err := l.operation(&op, h, order, b, l.spans(blk+h.headers(), pos, len(b))); err != nil {
			return err
		}
		pos += len(b)
	}
	return nil
}

// spans says where n bytes lie that begin pos bytes after a block of the ring.
func (l *logReader) spans(blk int64, pos, n int) region {
	if n == 0 {
		return nil
	}
	size := l.j.blocks * basicBlock
	off := (blk*basicBlock + int64(pos)) % size
	if rest := size - off; int64(n) > rest {
		return region{{off, int32(rest)}, {0, int32(int64(n) - rest)}}
	}
	return region{{off, int32(n)}}
}

// operation adds one region to its transaction, or ends that.
func (l *logReader) operation(op *opHeader, h *recHeader, order binary.ByteOrder, b []byte, at region) error {
	t := l.open[op.tid]
	if t == nil || op.flags&opStart != 0 {
		// Without a start it began before the tail, and is in its place.
		if op.flags&opStart != 0 {
			l.open[op.tid] = &transaction{lsn: h.lsn, order: order}
			return l.charge(200)
		}
		return nil
	}
	flags := op.flags &^ opEnd
	if flags&opWasCont != 0 {
		flags &^= opContinue
	}
	switch flags {
	case 0, opContinue:
		return l.add(t, b, at)
	case opWasCont:
		return l.extend(t, b, at)
	case opCommit:
		delete(l.open, op.tid)
		if err := l.commit(t); err != nil {
			return err
		}
		l.cost = 0
		for _, o := range l.open {
			l.cost += o.cost()
		}
		return nil
	case opUnmount:
		delete(l.open, op.tid)
		return nil
	}
	return block.Errorf(format, "log operation", -1, block.ErrUnsupported, "flags %#x", op.flags)
}

func (t *transaction) cost() int64 {
	n := int64(200)
	for _, it := range t.items {
		n += it.cost()
	}
	return n
}

func (it *logItem) cost() int64 { return 100 + int64(len(it.head)) + 64*int64(len(it.regions)) }

func (l *logReader) charge(n int64) error {
	if l.cost += n; l.cost > l.limit {
		return block.Errorf(format, "log", l.j.off, block.ErrLimit, "an open transaction takes more than %d bytes", l.limit)
	}
	return nil
}

// add begins a new region.
func (l *logReader) add(t *transaction, b []byte, at region) error {
	bad := func(detail string, args ...any) error {
		return block.Errorf(format, "log transaction", -1, block.ErrCorrupt, detail, args...)
	}
	if len(b) == 0 {
		return nil
	}
	if len(t.header) < transHeaderSize {
		if len(t.header) != 0 || len(b) > transHeaderSize {
			return bad("header of %d bytes", len(b))
		}
		return l.setHeader(t, b)
	}
	var it *logItem
	if n := len(t.items); n > 0 {
		it = t.items[n-1]
	}
	if it == nil || len(it.regions)+1 == it.want {
		if len(b) < 4 || len(b) > maxFormatSize {
			return bad("item format of %d bytes", len(b))
		}
		it = &logItem{head: append([]byte{}, b...), want: int(t.order.Uint16(b[2:]))}
		if it.want == 0 || it.want > maxRegions {
			return bad("item of %d regions", it.want)
		}
		t.items = append(t.items, it)
		return l.charge(it.cost())
	}
	it.regions = append(it.regions, at)
	return l.charge(64)
}

// extend adds to the region before.
func (l *logReader) extend(t *transaction, b []byte, at region) error {
	if len(t.header) < transHeaderSize {
		return l.setHeader(t, b)
	}
	if len(t.items) == 0 {
		return block.Errorf(format, "log transaction", -1, block.ErrCorrupt, "it goes on before its first item")
	}
	it := t.items[len(t.items)-1]
	if n := len(it.regions); n > 0 {
		it.regions[n-1] = append(it.regions[n-1], at...)
		return l.charge(16)
	}
	if len(it.head)+len(b) > maxFormatSize {
		return block.Errorf(format, "log transaction", -1, block.ErrCorrupt, "item format of more than %d bytes", maxFormatSize)
	}
	it.head = append(it.head, b...)
	return l.charge(int64(len(b)))
}

// setHeader takes the first region of a transaction, which records may cut too.
func (l *logReader) setHeader(t *transaction, b []byte) error {
	t.header = append(t.header, b...)
	if len(t.header) > transHeaderSize || len(t.header) >= 4 && t.order.Uint32(t.header) != transMagic {
		return block.Errorf(format, "log transaction", -1, block.ErrCorrupt, "header is %x", t.header)
	}
	return nil
}
