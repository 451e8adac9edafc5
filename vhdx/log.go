package vhdx

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
)

const (
	logSector     = 4 * kib
	logHeaderSize = 64
	descSize      = 32

	// maxLog is the largest log that is looked at; Hyper-V makes 1 MiB.
	maxLog = 1 << 30
	// maxLogRanges bounds the index of a replay: three ranges a data sector.
	maxLogRanges = 1 << 18
	// maxReplaySize bounds what a log may extend the file to.
	maxReplaySize = 2 * MaxSize
)

// logEntry is the header of one (section 2.3.1.1).
type logEntry struct {
	signature   [4]byte   // 0x00 "loge"
	checksum    uint32    // 0x04 over the whole entry
	length      uint32    // 0x08 bytes
	tail        uint32    // 0x0c where the active sequence began, in the log
	sequence    uint64    // 0x10
	descriptors uint32    // 0x18
	reserved    uint32    // 0x1c
	logGUID     guid.GUID // 0x20
	flushedEnd  uint64    // 0x30 the file was at least so long
	lastEnd     uint64    // 0x38 and shall become so long

	off int64 // where it begins in the log; not on disk
}

func (e *logEntry) decode(b []byte) {
	le := binary.LittleEndian
	copy(e.signature[:], b[0x00:])
	e.checksum = le.Uint32(b[0x04:])
	e.length = le.Uint32(b[0x08:])
	e.tail = le.Uint32(b[0x0c:])
	e.sequence = le.Uint64(b[0x10:])
	e.descriptors = le.Uint32(b[0x18:])
	e.reserved = le.Uint32(b[0x1c:])
	copy(e.logGUID[:], b[0x20:])
	e.flushedEnd = le.Uint64(b[0x30:])
	e.lastEnd = le.Uint64(b[0x38:])
}

// descriptorSectors is how many sectors the header and the descriptors take.
func (e *logEntry) descriptorSectors() int64 {
	return (logHeaderSize + descSize*int64(e.descriptors) + logSector - 1) / logSector
}

// replayLog lays the active sequence of the log over r. It copies nothing. The
// problem says where the log was cut.
func replayLog(r block.Reader, h header) (dev block.Device, replayed int, problem, err error) {
	at := int64(h.logOffset)
	if h.logLength > maxLog {
		return nil, 0, nil, block.Errorf(format, "log", at, block.ErrLimit, "%d bytes, at most %d are replayed", h.logLength, maxLog)
	}
	l := &log{r: r, off: at, len: int64(h.logLength), id: h.logGUID, fuel: 8 * int64(h.logLength)}
	entries, problem, err := l.active()
	if err != nil {
		return nil, 0, nil, err
	}
	head := entries[len(entries)-1]
	if head.flushedEnd > uint64(r.Size()) {
		return nil, 0, nil, block.Errorf(format, "log entry", at+head.off, block.ErrTruncated, "the file had %d bytes when it was written, it has %d", head.flushedEnd, r.Size())
	}
	size := max(r.Size(), int64(min(head.lastEnd, maxReplaySize)))
	for _, e := range entries { // what the changes need, before they are laid
		err := l.descriptors(e, func(d change) error { size = max(size, d.off+d.n); return nil })
		if err != nil {
			return nil, 0, nil, err
		}
	}
	o := block.NewOverlay(r, size, maxLogRanges)
	for _, e := range entries {
		err := l.descriptors(e, func(d change) error {
			if d.data == 0 {
				return o.Set(d.off, d.n, nil, 0)
			}
			// The first 8 and the last 4 bytes of a sector are kept in its
			// descriptor (section 2.3.1.3).
			return firstError(o.Set(d.off, 8, r, d.desc+8), o.Set(d.off+8, logSector-12, r, d.data+8), o.Set(d.off+logSector-4, 4, r, d.desc+4))
		})
		if err != nil {
			return nil, 0, nil, block.Locate(format, "log entry", at+e.off, err)
		}
	}
	return o.Device(), len(entries), problem, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// log is a ring of sectors in the file.
type log struct {
	r        block.Reader
	off, len int64
	id       guid.GUID
	fuel     int64 // bytes of entries that may still be checked
}

// place turns an offset in the ring into one in the file.
func (l *log) place(off int64) int64 { return l.off + off%l.len }

// active finds the active sequence (section 2.3.2): of all runs of valid
// entries whose sequence numbers rise by one, and whose last entry's tail is
// in the run, the one with the highest number, from that tail on.
//
// problem says where entries that were written after it do not count, since one
// before them is not whole.
func (l *log) active() (best []logEntry, problem, err error) {
	var newest uint64
	for tail := int64(0); tail < l.len; {
		run, n, err := l.run(tail)
		if err != nil {
			return nil, nil, err
		}
		if len(run) == 0 {
			tail += logSector
			continue
		}
		head := run[len(run)-1]
		newest = max(newest, head.sequence)
		for i, e := range run {
			if e.off == int64(head.tail) {
				if best == nil || head.sequence > best[len(best)-1].sequence {
					best = run[i:]
				}
				break
			}
		}
		tail += n
	}
	if best == nil {
		return nil, nil, block.Errorf(format, "log", l.off, block.ErrCorrupt, "the header says that there is one (%s), and it has no valid sequence of entries", l.id)
	}
	problem, err = l.cut(best[len(best)-1], newest)
	return best, problem, err
}

// cut says what follows the last entry that counts, where that is one of the same
// log: it was not written to the end, or it was damaged, and all behind it is lost
// with it.
func (l *log) cut(head logEntry, newest uint64) (problem, err error) {
	off := (head.off + int64(head.length)) % l.len
	if newest > head.sequence {
		return block.Errorf(format, "log entry", l.place(off), block.ErrCorrupt, "entry %d is not whole, and entries to %d follow: they are not replayed", head.sequence+1, newest), nil
	}
	var b [logHeaderSize]byte
	if err := block.ReadFull(l.r, b[:], l.place(off)); err != nil {
		return nil, block.Locate(format, "log entry", l.place(off), err)
	}
	var e logEntry
	if e.decode(b[:]); string(e.signature[:]) == "loge" && e.logGUID == l.id && e.sequence == head.sequence+1 {
		return block.Errorf(format, "log entry", l.place(off), block.ErrDirty, "entry %d is not whole: it is not replayed", e.sequence), nil
	}
	return nil, nil
}

// run returns the valid entries that follow each other from off on, and how
// many bytes of the ring they take.
func (l *log) run(off int64) (run []logEntry, n int64, err error) {
	for n < l.len {
		e, ok, err := l.entry((off + n) % l.len)
		if err != nil {
			return nil, 0, err
		}
		if !ok || len(run) > 0 && e.sequence != run[len(run)-1].sequence+1 || n+int64(e.length) > l.len {
			break
		}
		run = append(run, e)
		n += int64(e.length)
	}
	return run, n, nil
}

// entry reads the entry at off of the ring and reports whether it is valid.
func (l *log) entry(off int64) (e logEntry, ok bool, err error) {
	var b [logHeaderSize]byte
	if err := block.ReadFull(l.r, b[:], l.place(off)); err != nil {
		return e, false, block.Locate(format, "log entry", l.place(off), err)
	}
	e.decode(b[:])
	e.off = off
	n := int64(e.length)
	if string(e.signature[:]) != "loge" || e.logGUID != l.id || e.sequence == 0 || n < logSector || n%logSector != 0 || n > l.len ||
		e.tail%logSector != 0 || int64(e.tail) >= l.len || int64(e.descriptors) > n/descSize || e.descriptorSectors()*logSector > n {
		return e, false, nil
	}
	if l.fuel -= n; l.fuel < 0 {
		return e, false, block.Errorf(format, "log", l.off, block.ErrLimit, "its entries overlap too much to be checked")
	}
	sum := uint32(0)
	sector := make([]byte, logSector)
	for at := int64(0); at < n; at += logSector {
		if err := block.ReadFull(l.r, sector, l.place(off+at)); err != nil {
			return e, false, block.Locate(format, "log entry", l.place(off+at), err)
		}
		if at == 0 {
			clear(sector[4:8])
		}
		sum = crc32.Update(sum, castagnoli, sector)
	}
	return e, sum == e.checksum, nil
}

// A change is what one descriptor says: n bytes at off become zeros, or the
// data sector that lies at data in the file, with the rest at desc.
type change struct{ off, n, desc, data int64 }

// descriptors calls f for each descriptor of a valid entry (sections 2.3.1.2
// and 2.3.1.3).
func (l *log) descriptors(e logEntry, f func(change) error) error {
	data := e.off + e.descriptorSectors()*logSector
	end := e.off + int64(e.length)
	var b [descSize]byte
	for i := range int64(e.descriptors) {
		at := l.place(e.off + logHeaderSize + descSize*i)
		fault := func(detail string, args ...any) error {
			return block.Errorf(format, "log descriptor", at, block.ErrCorrupt, detail, args...)
		}
		if err := block.ReadFull(l.r, b[:], at); err != nil {
			return block.Locate(format, "log descriptor", at, err)
		}
		le := binary.LittleEndian
		off, n := le.Uint64(b[0x10:]), uint64(logSector)
		d := change{desc: at}
		switch string(b[:4]) {
		case "zero":
			n = le.Uint64(b[0x08:])
		case "desc":
			if data >= end {
				return fault("there is no data sector for it")
			}
			d.data = l.place(data)
			if err := l.checkData(d.data, e.sequence); err != nil {
				return err
			}
			data += logSector
		default:
			return fault("no signature")
		}
		switch {
		case le.Uint64(b[0x18:]) != e.sequence:
			return fault("sequence number %d in an entry of number %d", le.Uint64(b[0x18:]), e.sequence)
		case off%logSector != 0 || n%logSector != 0:
			return fault("%d bytes at %#x are not aligned", n, off)
		case off > maxReplaySize || n > maxReplaySize-off:
			return fault("%d bytes at %#x", n, off)
		}
		d.off, d.n = int64(off), int64(n)
		if err := f(d); err != nil {
			return err
		}
	}
	return nil
}

// checkData checks the sequence number around a data sector.
func (l *log) checkData(at int64, sequence uint64) error {
	var b [logSector]byte
	if err := block.ReadFull(l.r, b[:], at); err != nil {
		return block.Locate(format, "log data sector", at, err)
	}
	high, low := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[logSector-4:])
	if string(b[:4]) != "data" || uint64(high)<<32|uint64(low) != sequence {
		return block.Errorf(format, "log data sector", at, block.ErrCorrupt, "it is not of entry %d", sequence)
	}
	return nil
}
