package rpmdb

import (
	"context"

	"github.com/guestkit/guestkit/block"
)

// Blobs lists the headers of an intact SQLite database, as they are.
func Blobs(r, wal block.Reader) (out [][]byte, err error) {
	w := &walk{ctx: context.Background()}
	w.visit = func(Package, error) error { return nil }
	w.raw = func(b []byte) { out = append(out, b) }
	return out, readSQLite(r, wal, w)
}
