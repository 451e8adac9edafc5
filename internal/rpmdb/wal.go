package rpmdb

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	walHeader   = 32
	walFrame    = 24
	walMagicLE  = 0x377f0682 // the lowest bit tells the order of the checksums
	walVersion  = 3007000
	walMaxPages = 1 << 20 // different pages in a log
)

// walLog is an index into a write-ahead log: where the newest committed frame
// of each page lies.
type walLog struct {
	r      block.Reader
	frames map[uint32]int64
	pages  int64 // of the database after the last commit
}

// readWAL reads the frames up to the last commit whose checksums are right, as
// SQLite does when it recovers. What follows that was never committed.
func readWAL(r block.Reader, pageSize int64, w *walk) (*walLog, error) {
	l := &walLog{r: r, frames: map[uint32]int64{}}
	if r.Size() < walHeader {
		return l, nil
	}
	h, err := block.ReadBytes(r, 0, walHeader, walHeader)
	if err != nil {
		return nil, block.Locate("sqlite", "write-ahead log", 0, err)
	}
	be := binary.BigEndian
	magic := be.Uint32(h)
	if magic&^1 != walMagicLE || be.Uint32(h[4:]) != walVersion || int64(be.Uint32(h[8:])) != pageSize {
		return l, nil // not a log of this database: SQLite ignores it too
	}
	var order binary.ByteOrder = binary.LittleEndian
	if magic&1 != 0 {
		order = be
	}
	s0, s1 := walSum(order, 0, 0, h[:24])
	if s0 != be.Uint32(h[24:]) || s1 != be.Uint32(h[28:]) {
		return l, nil
	}
	pending := map[uint32]int64{}
	size := walFrame + pageSize
	for at := int64(walHeader); at+size <= r.Size(); at += size {
		if err := w.step(); err != nil {
			return nil, err
		}
		f, err := block.ReadBytes(r, at, size, size)
		if err != nil {
			return nil, block.Locate("sqlite", "write-ahead log", at, err)
		}
		if string(f[8:16]) != string(h[16:24]) { // the salts of an older log
			break
		}
		s0, s1 = walSum(order, s0, s1, f[:8])
		s0, s1 = walSum(order, s0, s1, f[walFrame:])
		if s0 != be.Uint32(f[16:]) || s1 != be.Uint32(f[20:]) {
			break
		}
		pending[be.Uint32(f)] = at + walFrame
		if len(pending)+len(l.frames) > walMaxPages {
			return nil, block.Errorf("sqlite", "write-ahead log", at, block.ErrLimit, "it holds more than %d pages", walMaxPages)
		}
		if n := be.Uint32(f[4:]); n != 0 { // a commit
			for page, off := range pending {
				l.frames[page] = off
			}
			clear(pending)
			l.pages = int64(n)
		}
	}
	return l, nil
}

// walSum carries the checksum of a log on over b, whose length is a multiple of
// 8.
func walSum(o binary.ByteOrder, s0, s1 uint32, b []byte) (uint32, uint32) {
	for i := 0; i+8 <= len(b); i += 8 {
		s0 += o.Uint32(b[i:]) + s1
		s1 += o.Uint32(b[i+4:]) + s0
	}
	return s0, s1
}
