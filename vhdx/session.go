package vhdx

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
)

// A session changes an image in place: what it writes to the BAT and the metadata
// goes through the log, so that all of it is there or nothing (section 2.3).
type session struct {
	f block.Storage
	h header
	// at is where the header lies that counts; the other one is written next.
	at int64
}

// begin starts to change the image in f. A log that was left is replayed first. The
// identity of the file changes and, if content, that of what it holds.
func begin(f block.Storage, content bool) (*session, error) {
	h, at, _, err := readHeader(f)
	if err != nil {
		return nil, err
	}
	s := &session{f: f, h: h, at: at}
	logEnd := int64(0)
	if h.logOffset <= maxReplaySize {
		logEnd = int64(h.logOffset) + int64(h.logLength)
	}
	if h.logLength < mib || h.logLength > maxLog || h.logOffset < reservedEnd || logEnd > f.Size() {
		return nil, block.Errorf(format, "header", at+0x44, block.ErrUnsupported, "the image has no log, without which it cannot be changed safely")
	}
	if !h.logGUID.IsZero() {
		if err := s.replay(); err != nil {
			return nil, err
		}
	}
	if rest := s.f.Size() % mib; rest != 0 { // the log says how long the file is, in MiB
		if err := s.f.Truncate(s.f.Size() - rest + mib); err != nil {
			return nil, err
		}
	}
	s.h.logGUID = guid.GUID{}
	s.h.fileWriteGUID = guid.New()
	if content {
		s.h.dataWriteGUID = guid.New()
	}
	return s, s.putHeader()
}

// putHeader writes the header to the place of the one that does not count, which
// it does from then on, and waits for it.
func (s *session) putHeader() error {
	s.at = headerAt1 + headerAt2 - s.at
	s.h.sequenceNumber++
	if _, err := s.f.WriteAt(s.h.encode(), s.at); err != nil {
		return err
	}
	return s.f.Sync()
}

// replay writes what the log says to where it belongs. It may be done again.
func (s *session) replay() error {
	l := &log{r: s.f, off: int64(s.h.logOffset), len: int64(s.h.logLength), id: s.h.logGUID, fuel: 8 * int64(s.h.logLength)}
	dev, _, _, err := replayLog(s.f, s.h) // which checks all of it
	if err != nil {
		return err
	}
	entries, _, err := l.active()
	if err != nil {
		return err
	}
	if dev.Size() > s.f.Size() {
		if err := s.f.Truncate(dev.Size()); err != nil {
			return err
		}
	}
	buf := make([]byte, mib)
	for _, e := range entries {
		err := l.descriptors(e, func(c change) error {
			for at := int64(0); at < c.n; at += mib {
				b := buf[:min(c.n-at, mib)]
				if err := block.ReadFull(dev, b, c.off+at); err != nil {
					return err
				}
				if _, err := s.f.WriteAt(b, c.off+at); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.f.Sync()
}

// A page is one sector of the log's size with its place.
type page struct {
	off int64
	b   []byte
}

// write writes pages through the log: they go there, a header says so, they go to
// their places, and a header says that the log is empty. What fits into the log at
// once is written whole or not at all.
func (s *session) write(pages []page) error {
	most := int((int64(s.h.logLength)/logSector - 1) * 120 / 128) // each has a descriptor besides
	for len(pages) > 0 {
		n := min(len(pages), most)
		if err := s.writeOnce(pages[:n]); err != nil {
			return err
		}
		pages = pages[n:]
	}
	return nil
}

func (s *session) writeOnce(pages []page) error {
	id := guid.New()
	if _, err := s.f.WriteAt(s.entry(id, pages), int64(s.h.logOffset)); err != nil {
		return err
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	s.h.logGUID, s.h.logVersion = id, 0
	if err := s.putHeader(); err != nil {
		return err
	}
	for _, p := range pages {
		if _, err := s.f.WriteAt(p.b, p.off); err != nil {
			return err
		}
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	s.h.logGUID = guid.GUID{}
	return s.putHeader()
}

// entry makes an entry of the log, which begins at its start (section 2.3.1).
func (s *session) entry(id guid.GUID, pages []page) []byte {
	const sequence = 1
	le := binary.LittleEndian
	e := logEntry{length: uint32(len(pages)), descriptors: uint32(len(pages)), sequence: sequence, logGUID: id,
		flushedEnd: uint64(s.f.Size()), lastEnd: uint64(s.f.Size())}
	head := e.descriptorSectors() * logSector
	e.length = uint32(head + int64(len(pages))*logSector)
	b := make([]byte, e.length)
	copy(b[0x00:], "loge")
	le.PutUint32(b[0x08:], e.length)
	le.PutUint32(b[0x0c:], e.tail)
	le.PutUint64(b[0x10:], e.sequence)
	le.PutUint32(b[0x18:], e.descriptors)
	copy(b[0x20:], e.logGUID[:])
	le.PutUint64(b[0x30:], e.flushedEnd)
	le.PutUint64(b[0x38:], e.lastEnd)
	for i, p := range pages {
		d := b[logHeaderSize+descSize*i:]
		copy(d[0x00:], "desc")
		copy(d[0x04:0x08], p.b[logSector-4:])
		copy(d[0x08:0x10], p.b[:8])
		le.PutUint64(d[0x10:], uint64(p.off))
		le.PutUint64(d[0x18:], sequence)
		data := b[head+int64(i)*logSector:][:logSector]
		copy(data, p.b)
		copy(data, "data")
		le.PutUint32(data[4:], sequence>>32)
		le.PutUint32(data[logSector-4:], sequence)
	}
	le.PutUint32(b[0x04:], crc32.Checksum(b, castagnoli))
	return b
}
