package vhd

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
	"github.com/guestkit/guestkit/internal/sink"
	"github.com/guestkit/guestkit/internal/wide"
)

// A Writer writes a new image in one pass over the disk, with memory for a page
// of the BAT and one bitmap. Blocks are aligned to 4 KiB in the file.
//
// The footers are written last: until Commit the file is no image. Offsets of
// Place, WriteAt and Zero never fall, and these are not safe for concurrent use;
// WriteHost, CloneHost and CopyHost are.
type Writer struct {
	sink.Disk
	f        block.File
	l        Layout
	foot     footer
	head     dynamicHeader
	b        *blocks.Writer
	table    *blocks.Table // nil if fixed
	tableEnd int64

	bitmap   []byte // of every block, or of the last one of a differencing image
	bitmapAt int64  // where that lies, 0 before the first block
}

// NewWriter starts an image. f stays open after Commit.
func NewWriter(f block.File, l *Layout) (*Writer, error) {
	w := &Writer{f: f, l: l.withDefaults()}
	if err := w.l.validate(); err != nil {
		return nil, err
	}
	w.Disk = sink.New(w.place, sink.One(f))
	w.foot = w.l.footer()
	disk := int64(w.foot.currentSize)
	if w.l.Subformat == "fixed" {
		w.b = blocks.NewWriter(blocks.Layout{Format: format, Size: l.Size, Disk: disk, Granularity: granularity, Block: 1 << 62})
		return w, nil
	}
	w.head = w.l.dynamic(&w.foot)
	entries := int64(w.head.maxTableEntries)
	padded := (entries*4 + sectorSize - 1) / sectorSize * sectorSize
	w.table = blocks.NewTable(f, int64(w.head.tableOffset), padded/4, []byte{0xff, 0xff, 0xff, 0xff})
	w.bitmap = make([]byte, w.head.bitmapSize())
	w.tableEnd = int64(w.head.tableOffset) + padded
	bl := blocks.Layout{Format: format, Size: l.Size, Disk: disk, Block: w.l.BlockSize, Granularity: granularity, All: w.l.Allocate,
		Start: align(w.tableEnd + int64(len(w.bitmap))), Stride: w.l.BlockSize + align(int64(len(w.bitmap))), Assign: w.assign}
	if w.l.Parent == nil {
		for i := range w.l.BlockSize / sectorSize / 8 {
			w.bitmap[i] = 0xff
		}
	}
	w.b = blocks.NewWriter(bl)
	return w, nil
}

// align rounds up to where blocks may lie.
func align(n int64) int64 { return (n + granularity - 1) / granularity * granularity }

// Granularity is the size of the pieces in which the disk is written, 4 KiB.
// Offsets and lengths are multiples of it, but for the end of the disk. Of a
// differencing image too, though its bitmaps tell sectors apart: libvhdi does
// not, in a byte of a bitmap.
func (w *Writer) Granularity() int64 { return granularity }

// assign notes that block i lies at host, with its bitmap before it.
func (w *Writer) assign(i, host int64) error {
	if err := w.flushBitmap(); err != nil {
		return err
	}
	bitmap := host - int64(len(w.bitmap))
	w.bitmapAt = bitmap
	if w.l.Parent == nil {
		if err := w.flushBitmap(); err != nil {
			return err
		}
	}
	var e [4]byte
	binary.BigEndian.PutUint32(e[:], uint32(bitmap/sectorSize))
	return w.table.Set(i, e[:])
}

// flushBitmap writes the bitmap of the last block.
func (w *Writer) flushBitmap() error {
	if w.bitmapAt == 0 {
		return nil
	}
	_, err := w.f.WriteAt(w.bitmap, w.bitmapAt)
	if w.l.Parent != nil {
		clear(w.bitmap)
	}
	w.bitmapAt = 0
	return err
}

// place gives the n bytes of the disk at off their place, or fewer of them.
func (w *Writer) place(off, n int64) (host, placed int64, err error) {
	host, placed, err = w.b.Place(off, n)
	if w.l.Parent != nil && err == nil {
		in := off % w.l.BlockSize
		for s := in / sectorSize; s < (in+placed)/sectorSize; s++ {
			w.bitmap[s/8] |= 0x80 >> (s % 8)
		}
	}
	return host, placed, err
}

// Zero says that the n bytes at off are zeros. What is never mentioned is too,
// unless there is a parent, from which it reads then.
func (w *Writer) Zero(off, n int64) error {
	if w.l.Parent == nil {
		return w.b.Skip(off, n)
	}
	for n > 0 { // sectors that are there, and holes
		_, placed, err := w.place(off, n)
		if err != nil {
			return err
		}
		off, n = off+placed, n-placed
	}
	return nil
}

// Commit writes the tables and, after everything else is on the disk, the
// footers.
func (w *Writer) Commit() error {
	used, next, err := w.b.Finish()
	if err != nil {
		return err
	}
	end := int64(w.foot.currentSize)
	if w.table != nil {
		if err := w.writeTables(); err != nil {
			return err
		}
		end = w.tableEnd
		if used > 0 {
			end = next - align(int64(len(w.bitmap)))
		}
	}
	if err := w.f.Truncate(end + footerSize); err != nil {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	b := w.foot.encode()
	if _, err := w.f.WriteAt(b, end); err != nil {
		return err
	}
	if w.table != nil {
		if _, err := w.f.WriteAt(b, 0); err != nil {
			return err
		}
	}
	return w.f.Sync()
}

// writeTables writes the dynamic header and what belongs to it.
func (w *Writer) writeTables() error {
	if err := w.flushBitmap(); err != nil {
		return err
	}
	if err := w.table.Finish(); err != nil {
		return err
	}
	if p := w.l.Parent; p != nil {
		if _, err := w.f.WriteAt(wide.Append(nil, p.locator(), binary.LittleEndian), int64(w.head.locators[0].dataOffset)); err != nil {
			return err
		}
	}
	_, err := w.f.WriteAt(w.head.encode(), dynamicHeaderAt)
	return err
}

// Close ends the use of the Writer. Without Commit the file is no image.
func (w *Writer) Close() error {
	w.b.Close()
	return nil
}
