package vhdx

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
	"github.com/guestkit/guestkit/internal/sink"
)

// A Writer writes a new image in one pass over the disk, with memory for a page
// of the BAT. Everything in the file is aligned to 1 MiB. The log is empty.
//
// The headers and the file type are written last: until Commit the file is no
// image. Offsets of Place, WriteAt and Zero never fall, and these are not safe
// for concurrent use; WriteHost, CloneHost and CopyHost are.
type Writer struct {
	sink.Disk
	f     block.File
	l     Layout
	p     plan
	b     *blocks.Writer
	table *blocks.Table
	next  int64 // first block whose state is not set yet
}

// NewWriter starts an image. f stays open after Commit.
func NewWriter(f block.File, l *Layout) (*Writer, error) {
	w := &Writer{f: f, l: l.withDefaults()}
	if err := w.l.validate(); err != nil {
		return nil, err
	}
	w.p = w.l.plan()
	w.table = blocks.NewTable(f, w.p.bat.off, w.p.entries, make([]byte, 8))
	w.b = blocks.NewWriter(blocks.Layout{Format: format, Size: l.Size, Disk: w.p.disk, Block: w.l.BlockSize, Granularity: 4096,
		Start: w.p.bat.end, Stride: w.l.BlockSize, All: w.l.Subformat == "fixed", Assign: w.assign})
	w.Disk = sink.New(w.b.Place, sink.One(f))
	return w, nil
}

// assign notes that block i lies at host.
func (w *Writer) assign(i, host int64) error {
	if err := w.setZero(i); err != nil {
		return err
	}
	w.next = i + 1
	return w.setEntry(i, uint64(host)|blockFullyPresent)
}

// setZero sets the state of the blocks without data before block end.
func (w *Writer) setZero(end int64) error {
	if !w.l.BlockStateZero {
		return nil
	}
	for ; w.next < end; w.next++ {
		if err := w.setEntry(w.next, blockZero); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) setEntry(i int64, e uint64) error {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], e)
	return w.table.Set(i+i/w.p.chunk, b[:]) // past the bitmaps, of which there are none
}

// Granularity is the size of the pieces in which the disk is written, 4 KiB.
// Offsets and lengths are multiples of it, but for the end of the disk.
func (w *Writer) Granularity() int64 { return 4096 }

// Zero says that the n bytes at off are zeros, as what is never mentioned is.
func (w *Writer) Zero(off, n int64) error { return w.b.Skip(off, n) }

// Commit writes the tables and, after everything else is on the disk, the
// headers and the file type.
func (w *Writer) Commit() error {
	_, end, err := w.b.Finish()
	if err != nil {
		return err
	}
	if err := w.setZero(w.p.blocks); err != nil {
		return err
	}
	if err := w.table.Finish(); err != nil {
		return err
	}
	regions := w.p.regionTable()
	first, second := w.l.headers()
	type piece struct {
		b  []byte
		at int64
	}
	write := func(pieces ...piece) error {
		for _, p := range pieces {
			if _, err := w.f.WriteAt(p.b, p.at); err != nil {
				return err
			}
		}
		return w.f.Sync()
	}
	if err := w.f.Truncate(end); err != nil {
		return err
	}
	if err := write(piece{w.l.metadataRegion(w.p.disk), w.p.metadata.off}, piece{regions, regionAt1}, piece{regions, regionAt2}); err != nil {
		return err
	}
	return write(piece{first, headerAt1}, piece{second, headerAt2}, piece{fileType(), 0})
}

// Close ends the use of the Writer. Without Commit the file is no image.
func (w *Writer) Close() error {
	w.b.Close()
	return nil
}
