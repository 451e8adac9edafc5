package vdi

import (
	"encoding/binary"
	"os"

	"github.com/guestkit/guestkit/internal/blocks"
	"github.com/guestkit/guestkit/internal/sink"
)

// A File is what an image is written to: an *os.File, or something like it. It
// is empty at first, and what is never written reads as zeros.
//
// It may also have CloneRange(off, n int64, src *os.File, srcOff int64) error,
// which shares blocks with another file, and CopyRange, with the same
// parameters, which lets the kernel copy them.
type File = blocks.File

// A Writer writes a new image in one pass over the disk, with memory for a page
// of the block map. Blocks are aligned to 1 MiB in the file.
//
// The header is written last: until Commit the file is no image. Offsets of
// Place, WriteAt and Zero never fall, and these are not safe for concurrent use;
// WriteHost, CloneHost
// and CopyHost are.
type Writer struct {
	f     File
	h     header
	b     *blocks.Writer
	table *blocks.Table
}

// NewWriter starts an image. f stays open after Commit.
func NewWriter(f File, l *Layout) (*Writer, error) {
	if err := l.validate(); err != nil {
		return nil, err
	}
	w := &Writer{f: f, h: l.header()}
	w.table = blocks.NewTable(f, newMapAt, int64(w.h.blocks), binary.LittleEndian.AppendUint32(nil, blockFree))
	w.b = blocks.NewWriter(f, blocks.Layout{Format: format, Size: l.Size, Disk: int64(w.h.cbDisk), Block: newBlockSize, Granularity: 4096,
		Start: int64(w.h.offData), Stride: newBlockSize, All: l.Static, Assign: w.assign})
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

// Place decides where the n bytes of the disk at off will lie. It may do so
// for fewer of them, and returns for how many; the caller hands their bytes to
// WriteHost.
func (w *Writer) Place(off, n int64) (host, placed int64, err error) { return w.b.Place(off, n) }

// WriteHost writes bytes to where Place has put them. It is safe for
// concurrent use.
func (w *Writer) WriteHost(p []byte, host int64) error { return w.b.WriteHost(p, host) }

// CloneHost fills the n bytes at host with those of src, by sharing blocks. It
// returns an error that wraps errors.ErrUnsupported where that cannot be done.
// It is safe for concurrent use.
func (w *Writer) CloneHost(host, n int64, src *os.File, srcOff int64) error {
	return w.b.CloneHost(host, n, src, srcOff)
}

// CopyHost is CloneHost that copies, in the kernel. It is safe for concurrent use.
func (w *Writer) CopyHost(host, n int64, src *os.File, srcOff int64) error {
	return w.b.CopyHost(host, n, src, srcOff)
}

// WriteAt implements io.WriterAt on the disk.
func (w *Writer) WriteAt(p []byte, off int64) (int, error) { return sink.WriteAt(w, p, off) }

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
