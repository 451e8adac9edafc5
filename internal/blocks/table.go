package blocks

import (
	"bytes"
	"io"
)

const pageSize = 64 << 10

// A Table writes the table of an image with memory for one page of it: entries
// are set in rising order.
type Table struct {
	w     io.WriterAt
	off   int64
	n     int64 // entries
	blank []byte
	page  []byte
	first int64 // entry that the page begins with
	sets  bool  // the page has an entry that is not blank
	zeros bool  // blank entries need not be written
}

// NewTable starts a table of n entries at off. Those that are never set are
// blank, whose length is that of an entry, a power of two.
func NewTable(w io.WriterAt, off, n int64, blank []byte) *Table {
	t := &Table{w: w, off: off, n: n, blank: blank, zeros: bytes.Count(blank, []byte{0}) == len(blank)}
	t.page = bytes.Repeat(blank, pageSize/len(blank))
	return t
}

// perPage is how many entries a page holds.
func (t *Table) perPage() int64 { return int64(len(t.page) / len(t.blank)) }

// Set sets entry i. It must not lie before a page that another one was set in.
func (t *Table) Set(i int64, entry []byte) error {
	for i >= t.first+t.perPage() {
		if t.zeros && !t.sets { // straight to the page of i
			t.first = i / t.perPage() * t.perPage()
			break
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	copy(t.page[(i-t.first)*int64(len(entry)):], entry)
	t.sets = true
	return nil
}

// flush writes the page and begins the next one.
func (t *Table) flush() error {
	n := min(t.n-t.first, t.perPage())
	if t.sets || !t.zeros {
		if _, err := t.w.WriteAt(t.page[:n*int64(len(t.blank))], t.off+t.first*int64(len(t.blank))); err != nil {
			return err
		}
	}
	if t.sets {
		for at := 0; at < len(t.page); at += len(t.blank) {
			copy(t.page[at:], t.blank)
		}
	}
	t.first, t.sets = t.first+n, false
	return nil
}

// Finish writes what is left of the table.
func (t *Table) Finish() error {
	if t.zeros && !t.sets {
		return nil
	}
	for t.first < t.n {
		if err := t.flush(); err != nil {
			return err
		}
		if t.zeros {
			break
		}
	}
	return nil
}
