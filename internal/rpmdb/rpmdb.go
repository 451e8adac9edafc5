package rpmdb

import (
	"context"

	"github.com/guestkit/guestkit/block"
)

// A Visit is called for each package, or with what is wrong with one whose
// header cannot be read; the walk goes on after that. An error that it returns
// ends the walk.
type Visit func(p Package, err error) error

// Read reads the database in r, of whichever format it is, in the order of the
// file. wal is the write-ahead log beside a SQLite database, nil if there is
// none. The error wraps a class of package block, or is one of visit or ctx.
func Read(ctx context.Context, r, wal block.Reader, visit Visit) error {
	head, err := block.ReadBytes(r, 0, min(512, r.Size()), 512)
	if err != nil {
		return err
	}
	w := &walk{ctx: ctx, visit: visit}
	switch {
	case len(head) >= 100 && string(head[:16]) == sqliteMagic:
		return readSQLite(r, wal, w)
	case len(head) >= 32 && string(head[:4]) == ndbMagic:
		return readNDB(r, w)
	case len(head) == 512 && bdbOrder(head) != nil:
		return readBDB(r, w)
	case r.Size() == 0:
		return block.Errorf("rpm", "database", 0, block.ErrTruncated, "the file is empty")
	}
	return block.Errorf("rpm", "database", 0, block.ErrFormat, "neither Berkeley DB, ndb nor SQLite")
}

// walk hands out headers and counts steps.
type walk struct {
	ctx   context.Context
	visit Visit
	steps int
	raw   func([]byte) // sees each header first; nil but in tests
}

func (w *walk) step() error {
	if w.steps++; w.steps%1024 == 0 {
		return w.ctx.Err()
	}
	return nil
}

// blob takes in one header, which lies at off of the file.
func (w *walk) blob(b []byte, off int64) error {
	if w.raw != nil {
		w.raw(b)
	}
	p, err := parseHeader(b)
	if err != nil {
		err = &block.Error{Format: "rpm", What: "package", Off: off, Err: err}
	}
	return w.visit(p, err)
}

// lost reports a header that could not be read from the pages.
func (w *walk) lost(err error) error { return w.visit(Package{}, err) }
