package qcow2

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// A tableWriter changes entries of the active L2 tables, one table after the
// other.
type tableWriter struct {
	*rewrite
	i       int64 // which table is in buf, -1 for none
	buf     []byte
	changed bool
	data    []byte // a cluster
}

func (w *rewrite) tables() *tableWriter {
	return &tableWriter{rewrite: w, i: -1, buf: make([]byte, w.h.clusterSize()), data: make([]byte, w.h.clusterSize())}
}

// entry returns the entry of the cluster at off, which may be changed.
func (t *tableWriter) entry(off int64) ([]byte, error) {
	span := t.h.l2Span()
	if i := off / span; i != t.i {
		if err := t.flush(); err != nil {
			return nil, err
		}
		clear(t.buf)
		if l2 := int64(tableEntry(t.l1, i*8) & offsetMask); l2 != 0 {
			if err := block.ReadFull(t.f, t.buf, l2); err != nil {
				return nil, block.Locate(format, "L2 table", l2, err)
			}
		}
		t.i = i
	}
	return t.buf[off%span>>t.h.clusterBits*t.h.l2EntrySize():][:t.h.l2EntrySize()], nil
}

// flush writes the table that was changed.
func (t *tableWriter) flush() error {
	if !t.changed {
		return nil
	}
	t.changed = false
	return t.putL2(t.i, t.buf)
}

// store lets the cluster at off hold what r has there, and zeros past its end.
func (t *tableWriter) store(off int64, r block.Reader) error {
	if err := t.tick(); err != nil {
		return err
	}
	n := max(min(t.h.clusterSize(), r.Size()-off), 0)
	clear(t.data[n:])
	if err := block.ReadFull(r, t.data[:n], off); err != nil {
		return err
	}
	e, err := t.entry(off)
	if err != nil {
		return err
	}
	t.freeEntry(tableEntry(e, 0))
	clear(e)
	t.changed = true
	zero := true
	for _, x := range t.data {
		if x != 0 {
			zero = false
			break
		}
	}
	switch raw := t.h.autoclearFeatures&autoclearDataFileRaw != 0; {
	case zero && raw: // which the data file is to read as well
	case zero && t.newBacking == "": // where nothing is, zeros are read
		return nil
	case zero && len(e) == 16:
		binary.BigEndian.PutUint64(e[8:], 0xffffffff<<32)
		return nil
	case zero && t.h.version >= 3:
		binary.BigEndian.PutUint64(e, flagZero)
		return nil
	}
	host := off
	if t.external != nil {
		_, err = t.external.WriteAt(t.data[:min(t.h.clusterSize(), int64(t.h.size)-off)], off)
	} else {
		host, err = t.putTable(t.data)
	}
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint64(e, uint64(host)|flagCopied)
	if len(e) == 16 {
		binary.BigEndian.PutUint64(e[8:], 0xffffffff)
	}
	return nil
}
