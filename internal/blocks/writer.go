package blocks

import "fmt"

// A Layout says how blocks lie in the file.
type Layout struct {
	Format string // for errors
	Size   int64  // of what is copied, in bytes
	Disk   int64  // what the image calls the size of its disk: Size rounded up

	Block       int64 // bytes of the disk in a block
	Granularity int64 // of the pieces that are written
	Start       int64 // where the first block lies in the file
	Stride      int64 // from one block to the next

	// All gives every block a place, in the order of the disk.
	All bool
	// Assign notes that block i lies at host. It is called for rising i, before
	// anything is written there.
	Assign func(i, host int64) error
}

// A Writer gives blocks their places in one pass over the disk.
type Writer struct {
	l    Layout
	end  int64 // of the part of the disk that was placed or zeroed
	next int64 // first block that is not looked at yet
	used int64 // blocks with a place
	host int64 // of block next-1, if that has a place
	done bool
}

// NewWriter starts with no block.
func NewWriter(l Layout) *Writer {
	if l.Assign == nil {
		l.Assign = func(int64, int64) error { return nil }
	}
	return &Writer{l: l}
}

func (w *Writer) fail() error {
	return fmt.Errorf("%s: the writer was called out of order or with a piece of the wrong size", w.l.Format)
}

// accept checks a piece against the contract and notes it.
func (w *Writer) accept(off, n int64) error {
	unit := w.l.Granularity
	if w.done || off < w.end || n < 0 || n > w.l.Disk-off || off%unit != 0 {
		return w.fail()
	}
	if end := off + n; end%unit != 0 && end != w.l.Disk && end != w.l.Size {
		return w.fail()
	}
	w.end = off + n
	return nil
}

// Place decides where the n bytes of the disk at off lie. It does so for fewer
// where a block ends, and returns for how many.
func (w *Writer) Place(off, n int64) (host, placed int64, err error) {
	i, in := off/w.l.Block, off%w.l.Block
	if n = min(n, w.l.Block-in); n == 0 {
		return 0, 0, nil
	}
	if err := w.accept(off, n); err != nil {
		return 0, 0, err
	}
	if err := w.reach(i); err != nil {
		return 0, 0, err
	}
	return w.host + in, n, nil
}

// reach gives block i a place, if it is not the one that got the last.
func (w *Writer) reach(i int64) error {
	if w.used > 0 && i == w.next-1 {
		return nil
	}
	first := i
	if w.l.All {
		first = w.next
	}
	for ; first <= i; first++ {
		w.host = w.l.Start + w.used*w.l.Stride
		if err := w.l.Assign(first, w.host); err != nil {
			return err
		}
		w.next, w.used = first+1, w.used+1
	}
	return nil
}

// Skip says that nothing is written to the n bytes at off.
func (w *Writer) Skip(off, n int64) error { return w.accept(off, n) }

// Finish ends the writing. It returns how many blocks have a place, and where
// the next one would lie.
func (w *Writer) Finish() (used, end int64, err error) {
	if w.done {
		return 0, 0, w.fail()
	}
	w.done = true
	if w.l.All && w.l.Disk > 0 {
		if err := w.reach((w.l.Disk - 1) / w.l.Block); err != nil {
			return 0, 0, err
		}
	}
	return w.used, w.l.Start + w.used*w.l.Stride, nil
}

// Close ends the writing, whether it is finished or not.
func (w *Writer) Close() { w.done = true }
