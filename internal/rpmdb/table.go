package rpmdb

import (
	"context"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// A Row is one row of a table of SQLite.
type Row struct {
	columns []string
	rec     record
}

// ID returns the rowid.
func (r Row) ID() int64 { return r.rec.id }

// Text returns the text of a column, "" if it has none.
func (r Row) Text(column string) string {
	for i, name := range r.columns {
		if strings.EqualFold(name, column) {
			return string(r.rec.text(i))
		}
	}
	return ""
}

// Number returns the number of a column of up to 32 bits, 0 if it has none.
func (r Row) Number(column string) int64 {
	for i, name := range r.columns {
		if strings.EqualFold(name, column) {
			return r.rec.number(i)
		}
	}
	return 0
}

// Table visits the rows of a table of the SQLite database in r, by the same
// reader that rpm's databases are read with; a row that cannot be read comes as an
// error. wal is the write-ahead log beside it, nil if there is none.
func Table(ctx context.Context, r, wal block.Reader, name string, visit func(Row, error) error) error {
	head, err := block.ReadBytes(r, 0, min(100, r.Size()), 100)
	if err != nil {
		return err
	}
	if len(head) < 100 || string(head[:16]) != sqliteMagic {
		return block.Errorf("sqlite", "header", 0, block.ErrFormat, "")
	}
	w := &walk{ctx: ctx, visit: func(_ Package, err error) error { return visit(Row{}, err) }}
	return readTable(r, wal, w, name, func(columns []string, rec record) error { return visit(Row{columns, rec}, nil) })
}

// columnNames reads the names out of "CREATE TABLE t (a INTEGER, b TEXT, …)".
func columnNames(sql string) []string {
	_, body, ok := strings.Cut(sql, "(")
	if !ok {
		return nil
	}
	var out []string
	depth, start := 0, 0
	add := func(def string) {
		f := strings.Fields(def)
		if len(f) == 0 {
			return
		}
		switch strings.ToUpper(f[0]) {
		case "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "CONSTRAINT":
			return
		}
		out = append(out, strings.Trim(f[0], "\"`[]'"))
	}
	for i := 0; i < len(body) && len(out) < 64; i++ {
		switch body[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				add(body[start:i])
				return out
			}
		case ',':
			if depth == 0 {
				add(body[start:i])
				start = i + 1
			}
		}
	}
	return out
}
