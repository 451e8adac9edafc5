package vdi

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
	"github.com/guestkit/guestkit/internal/sink"
)

// A Writer writes a new image in one pass over the disk, with memory for a page
// of the block map. Blocks are aligned to 1 MiB in the file.
//
// The header is written last: until Commit the file is no image. Offsets of
// Place, WriteAt and Zero never fall, and these are not safe for concurrent use;
// WriteHost, CloneHost and CopyHost are.
type Writer struct {
	sink.Disk
	f     block.File
	h     header
	b     *blocks.Writer
	table *blocks.Table
}

// NewWriter starts an image. f stays open after Commit.
func NewWriter(f block.File, l *Layout) (*Writer, error) {
	if err := l.validate(); err != nil {
		return nil, err
	}
	w := &Writer{f: f, h: l.header()}
	w.table = blocks.NewTable(f, newMapAt, int64(w.h.blocks), binary.LittleEndian.AppendUint32(nil, blockFree))
	w.b = blocks.NewWriter(blocks.Layout{Format: format, Size: l.Size, Disk: int64(w.h.cbDisk), Block: newBlockSize, Granularity: 4096,
		Start: int64(w.h.offData), Stride: newBlockSize, All: l.Subformat == "static", Assign: w.assign})
	w.Disk = sink.New(w.b.Place, sink.One(f))
	return w, nil
}

// assign notes that block i lies at host.
func (w *Writer) assign(i, host int64) error {
	var e [4]byte
	binary.LittleEndian.PutUint32(e[:], uint32((host-int64(w.h.offData))/newBlockSize))
	return w.table.Set(i, e[:])
}

// Granularity is the size of the pieces in which the disk is written, 4 KiB.
// Offsets and lengths are multiples of it, but for the end of the disk.
func (w *Writer) Granularity() int64 { return 4096 }

// Zero says that the n bytes at off are zeros, as what is never mentioned is.
func (w *Writer) Zero(off, n int64) error { return w.b.Skip(off, n) }

// Commit writes the block map and, after everything else is on the disk, the
// header.
func (w *Writer) Commit() error {
	used, end, err := w.b.Finish()
	if err != nil {
		return err
	}
	w.h.blocksAllocated = uint32(used)
	if err := w.table.Finish(); err != nil {
		return err
	}
	if err := w.f.Truncate(end); err != nil {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	if _, err := w.f.WriteAt(w.h.encode(), 0); err != nil {
		return err
	}
	return w.f.Sync()
}

// Close ends the use of the Writer. Without Commit the file is no image.
func (w *Writer) Close() error {
	w.b.Close()
	return nil
}
