package rpmdb

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
)

const (
	sqliteMagic    = "SQLite format 3\x00"
	sqliteMaxDepth = 20 // of a b-tree

	pageInteriorTable = 0x05
	pageLeafTable     = 0x0d
)

// sqlite is a database file with the pages of its log over it. No SQL of the
// file is run: the schema is read for the root of one table.
type sqlite struct {
	r        block.Reader
	log      *walLog // nil if there is none
	pageSize int64
	usable   int64 // bytes of a page that hold content
	pages    int64
	fuel     int64 // pages that may still be read
	w        *walk
}

func readSQLite(r, wal block.Reader, w *walk) error {
	return readTable(r, wal, w, "Packages", func(_ []string, rec record) error { return w.blob(rec.value(1), rec.off) })
}

// readTable visits the rows of a table, each with the names of its columns.
func readTable(r, wal block.Reader, w *walk, name string, visit func([]string, record) error) error {
	h, err := block.ReadBytes(r, 0, 100, 100)
	if err != nil {
		return err
	}
	d := &sqlite{r: r, w: w}
	fault := func(off int64, class error, detail string, args ...any) error {
		return block.Errorf("sqlite", "header", off, class, detail, args...)
	}
	be := binary.BigEndian
	d.pageSize = int64(be.Uint16(h[16:]))
	if d.pageSize == 1 {
		d.pageSize = 64 << 10
	}
	d.usable = d.pageSize - int64(h[20])
	switch {
	case d.pageSize < 512 || d.pageSize > 64<<10 || d.pageSize&(d.pageSize-1) != 0:
		return fault(16, block.ErrCorrupt, "pages of %d bytes", d.pageSize)
	case d.usable < 480:
		return fault(20, block.ErrCorrupt, "%d usable bytes a page", d.usable)
	case h[19] > 2:
		return fault(19, block.ErrUnsupported, "read version %d", h[19])
	}
	if n := be.Uint32(h[56:]); n > 1 {
		return fault(56, block.ErrUnsupported, "text encoding %d, only UTF-8 is read", n)
	}
	d.pages = r.Size() / d.pageSize
	if h[19] == 2 && wal != nil && wal.Size() > 0 {
		if d.log, err = readWAL(wal, d.pageSize, w); err != nil {
			return err
		}
		d.fuel = int64(len(d.log.frames))
	}
	d.fuel = 2*(d.fuel+d.pages) + 16 // the schema, then the table; each page once
	if d.log != nil {
		d.pages = max(d.pages, d.log.pages)
	}
	root := int64(0)
	var columns []string
	err = d.table(1, 0, func(rec record) error {
		if string(rec.text(0)) == "table" && strings.EqualFold(string(rec.text(1)), name) {
			root, columns = rec.number(3), columnNames(string(rec.text(4)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if root == 0 {
		return block.Errorf("sqlite", "schema", 0, block.ErrFormat, "there is no table %s", name)
	}
	return d.table(root, 0, func(rec record) error { return visit(columns, rec) })
}

// page reads page n, which counts from 1.
func (d *sqlite) page(n int64) ([]byte, int64, error) {
	if n < 1 || n > d.pages {
		return nil, 0, block.Errorf("sqlite", fmt.Sprintf("page %d", n), -1, block.ErrCorrupt, "the file has %d", d.pages)
	}
	if d.fuel--; d.fuel < 0 {
		return nil, 0, block.Errorf("sqlite", fmt.Sprintf("page %d", n), (n-1)*d.pageSize, block.ErrLoop, "more pages are reached than the file has")
	}
	if err := d.w.step(); err != nil {
		return nil, 0, err
	}
	off := (n - 1) * d.pageSize
	if d.log != nil {
		if at, ok := d.log.frames[uint32(n)]; ok {
			b, err := block.ReadBytes(d.log.r, at, d.pageSize, d.pageSize)
			return b, off, err
		}
	}
	b, err := block.ReadBytes(d.r, off, d.pageSize, d.pageSize)
	return b, off, block.Locate("sqlite", fmt.Sprintf("page %d", n), off, err)
}

// table visits the records of the table b-tree whose root is page n.
func (d *sqlite) table(n int64, depth int, visit func(record) error) error {
	p, off, err := d.page(n)
	if err != nil {
		return err
	}
	fault := func(class error, detail string, args ...any) error {
		return block.Errorf("sqlite", fmt.Sprintf("page %d", n), off, class, detail, args...)
	}
	if depth > sqliteMaxDepth {
		return fault(block.ErrLoop, "the tree is more than %d levels deep", sqliteMaxDepth)
	}
	h := p
	if n == 1 {
		h = p[100:]
	}
	be := binary.BigEndian
	cells, first := int(be.Uint16(h[3:])), 8
	if h[0] == pageInteriorTable {
		first = 12
	}
	if len(h) < first+2*cells {
		return fault(block.ErrCorrupt, "%d cells", cells)
	}
	for i := range cells {
		at := int(be.Uint16(h[first+2*i:]))
		if at < 8 || int64(at) > d.usable-4 {
			return fault(block.ErrCorrupt, "cell %d at %d", i, at)
		}
		switch h[0] {
		case pageInteriorTable:
			err = d.table(int64(be.Uint32(p[at:])), depth+1, visit)
		case pageLeafTable:
			var rec record
			if rec, err = d.cell(p, at, off); err != nil {
				err = d.w.lost(err)
			} else {
				err = visit(rec)
			}
		default:
			return fault(block.ErrCorrupt, "it is of the kind %d, no part of a table", h[0])
		}
		if err != nil {
			return err
		}
	}
	if h[0] == pageInteriorTable {
		return d.table(int64(be.Uint32(h[8:])), depth+1, visit)
	}
	if h[0] != pageLeafTable {
		return fault(block.ErrCorrupt, "it is of the kind %d, no part of a table", h[0])
	}
	return nil
}

// cell reads the record of a leaf cell, with what of it lies on overflow pages.
func (d *sqlite) cell(p []byte, at int, off int64) (record, error) {
	fault := func(class error, detail string, args ...any) error {
		return block.Errorf("sqlite", "record", off+int64(at), class, detail, args...)
	}
	size, n := varint(p[at:])
	id, m := varint(p[min(at+n, len(p)):])
	if n == 0 || m == 0 {
		return record{}, fault(block.ErrCorrupt, "its size does not end")
	}
	body := at + n + m
	if size > MaxHeader {
		return record{}, fault(block.ErrLimit, "%d bytes, at most %d are read", size, MaxHeader)
	}
	// How much is on the page itself: "B-tree Cell Format".
	local := int64(size)
	if most := d.usable - 35; local > most {
		least := (d.usable-12)*32/255 - 23
		local = least + (int64(size)-least)%(d.usable-4)
		if local > most {
			local = least
		}
	}
	if int64(body)+local > d.usable {
		return record{}, fault(block.ErrCorrupt, "it leaves the page")
	}
	b := append([]byte(nil), p[body:int64(body)+local]...)
	if int64(size) > local {
		if int64(body)+local+4 > int64(len(p)) {
			return record{}, fault(block.ErrCorrupt, "it leaves the page")
		}
		next := int64(binary.BigEndian.Uint32(p[int64(body)+local:]))
		for int64(len(b)) < int64(size) {
			o, _, err := d.page(next)
			if err != nil {
				return record{}, err
			}
			b = append(b, o[4:4+min(d.usable-4, int64(size)-int64(len(b)))]...)
			next = int64(binary.BigEndian.Uint32(o))
		}
		if next != 0 {
			return record{}, fault(block.ErrCorrupt, "its overflow pages go on behind its end, to page %d", next)
		}
	}
	rec := record{off: off + int64(at), id: int64(id)}
	if !rec.parse(b) {
		return record{}, fault(block.ErrCorrupt, "its columns do not fit into %d bytes", len(b))
	}
	return rec, nil
}

// record holds the columns of a row.
type record struct {
	off     int64
	id      int64 // of the row
	columns []column
}

type column struct {
	serial uint64
	b      []byte
}

// parse reads the record format; it reports whether all columns fit.
func (rec *record) parse(b []byte) bool {
	head, n := varint(b)
	if n == 0 || head < uint64(n) || head > uint64(len(b)) {
		return false
	}
	types, data := b[n:head], b[head:]
	for len(types) > 0 {
		serial, n := varint(types)
		if n == 0 || len(rec.columns) == 64 {
			return false
		}
		types = types[n:]
		size := serialSize(serial)
		if size > uint64(len(data)) {
			return false
		}
		rec.columns = append(rec.columns, column{serial, data[:size]})
		data = data[size:]
	}
	return true
}

// serialSize is how many bytes a column of a serial type takes.
func serialSize(serial uint64) uint64 {
	switch {
	case serial >= 12:
		return (serial - 12) / 2
	case serial == 5:
		return 6
	case serial == 6 || serial == 7:
		return 8
	case serial <= 4:
		return serial
	}
	return 0 // the constants 0 and 1, and reserved ones
}

// value returns column i as bytes, nil if it is not there.
func (rec *record) value(i int) []byte {
	if i < len(rec.columns) && rec.columns[i].serial >= 12 {
		return rec.columns[i].b
	}
	return nil
}

func (rec *record) text(i int) []byte { return rec.value(i) }

// number returns column i as a number of up to 32 bits, 0 if it is none.
func (rec *record) number(i int) int64 {
	if i >= len(rec.columns) {
		return 0
	}
	c := rec.columns[i]
	switch {
	case c.serial == 9:
		return 1
	case c.serial >= 1 && c.serial <= 4:
		n := int64(0)
		for _, x := range c.b {
			n = n<<8 | int64(x)
		}
		return n
	}
	return 0
}

// varint reads a variable-length integer and returns how many bytes it has, 0
// if it does not end.
func varint(b []byte) (uint64, int) {
	v := uint64(0)
	for i := 0; i < 9 && i < len(b); i++ {
		if i == 8 {
			return v<<8 | uint64(b[i]), 9
		}
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
