package qcow2

import (
	"encoding/binary"
	"errors"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/sink"
)

// A Writer writes a new image in one pass over the disk, with memory for one L2
// table and one refcount block:
//
//	| header | data and compressed clusters, L2 tables and refcount blocks
//	         | between them as they fill up | L1 table | refcount table |
//
// The header is written last: until Commit the file is no image. Offsets of
// Place, WriteAt, WriteEncoded and Zero never fall, and these are not safe for
// concurrent use; WriteHost, CloneHost, CopyHost and
// Encode are.
type Writer struct {
	sink.Disk
	l    Layout
	h    header
	f    block.File
	data block.File // f, or the data file
	refs refWriter

	l1   []uint64
	l2   []byte
	l2At int64 // index of l2 in the L1 table, -1 before the first
	used bool  // l2 has entries

	end  int64 // of the part of the disk that was placed or zeroed
	pack packer
	enc  encoders
	done bool
}

// NewWriter starts an image. dataFile is the external data file that the layout
// names, nil if it names none. Both stay open after Commit.
func NewWriter(f, dataFile block.File, l *Layout) (*Writer, error) {
	w := &Writer{l: l.withDefaults(), f: f, data: f, l2At: -1}
	if err := w.l.validate(); err != nil {
		return nil, err
	}
	if (dataFile != nil) != (w.l.DataFile != "") {
		return nil, invalid("a data file must be given and named")
	}
	if dataFile != nil {
		w.data = dataFile
	}
	w.Disk = sink.New(w.place, sink.One(w.data))
	w.h = w.l.header()
	n, err := w.l.l1Entries(&w.h)
	switch {
	case w.l.Growing:
		n = 0
	case err != nil:
		return nil, err
	}
	if _, err := w.l.firstCluster(w.h); err != nil {
		return nil, err // before anything is written
	}
	w.l1 = make([]uint64, n)
	w.l2 = make([]byte, w.l.ClusterSize)
	w.refs = newRefWriter(f, &w.h)
	w.refs.stopped = w.pack.close
	w.pack.max = maxRefcount(w.h.refcountOrder)
	w.enc.layout = &w.l
	_, err = w.refs.alloc(1) // the header
	return w, err
}

// Granularity is the size of the pieces in which the disk is written: the
// cluster, or the subcluster with extended L2 entries. Offsets and lengths are
// multiples of it, but for the end of the disk.
func (w *Writer) Granularity() int64 {
	if w.l.ExtendedL2 {
		return w.l.ClusterSize / subclusters
	}
	return w.l.ClusterSize
}

var errOrder = errors.New(format + ": the writer was called out of order or with a piece of the wrong size")

// accept checks a piece against the contract and notes it.
func (w *Writer) accept(off, n, unit int64) error {
	end := off + n
	if w.done || off < w.end || n < 0 || n > w.l.Size-off || off%unit != 0 || end%unit != 0 && end != w.l.Size && !w.l.Growing {
		return errOrder
	}
	w.end = end
	return nil
}

// place gives the n bytes of the disk at off their place, or fewer of them.
func (w *Writer) place(off, n int64) (host, placed int64, err error) {
	if in := off % w.l.ClusterSize; in != 0 {
		n = min(n, w.l.ClusterSize-in) // this cluster may have its place already
	}
	if err := w.accept(off, n, w.Granularity()); err != nil {
		return 0, 0, err
	}
	if n == 0 {
		return 0, 0, nil
	}
	host, err = w.lay(off, n)
	return host, n, err
}

// lay maps n bytes at off to clusters in a row. A piece that starts inside a
// cluster does not leave it.
func (w *Writer) lay(off, n int64) (int64, error) {
	cs := w.l.ClusterSize
	in := off % cs
	if err := w.seek(off); err != nil {
		return 0, err
	}
	var host int64
	if at := w.entryAt(off); in != 0 && tableEntry(w.l2, at)&offsetMask != 0 {
		host = int64(tableEntry(w.l2, at) & offsetMask)
	} else if w.l.DataFile != "" {
		host = off - in
	} else {
		var err error
		if host, err = w.refs.alloc((in + n + cs - 1) / cs); err != nil {
			return 0, err
		}
	}
	start := host + in
	for n > 0 {
		if err := w.seek(off); err != nil {
			return 0, err
		}
		part := min(n, cs-in)
		at := w.entryAt(off)
		binary.BigEndian.PutUint64(w.l2[at:], uint64(host)|flagCopied)
		if w.l.ExtendedL2 {
			binary.BigEndian.PutUint64(w.l2[at+8:], tableEntry(w.l2, at+8)|w.subclusterBits(in, part))
		}
		w.used = true
		off, n, host, in = off+part, n-part, host+cs, 0
	}
	return start, nil
}

// subclusterBits is the bitmap of the subclusters that n bytes at in of a
// cluster touch.
func (w *Writer) subclusterBits(in, n int64) uint64 {
	sub := w.Granularity()
	first, last := in/sub, (in+n-1)/sub
	return (1<<(last-first+1) - 1) << first
}

// Zero says that the n bytes at off are zeros. What is never mentioned is too,
// unless there is a backing file, from which it reads then.
func (w *Writer) Zero(off, n int64) error {
	if err := w.accept(off, n, w.Granularity()); err != nil {
		return err
	}
	switch {
	case w.l.Preallocation != PreallocOff && w.l.Backing == "":
		return w.preallocate(off, n)
	case w.l.Backing == "":
		return nil
	case w.l.Version < 3:
		return w.placeHoles(off, n)
	}
	for n > 0 {
		if err := w.seek(off); err != nil {
			return err
		}
		in := off % w.l.ClusterSize
		part := min(n, w.l.ClusterSize-in)
		at := w.entryAt(off)
		if w.l.ExtendedL2 {
			binary.BigEndian.PutUint64(w.l2[at+8:], tableEntry(w.l2, at+8)|w.subclusterBits(in, part)<<32)
		} else {
			binary.BigEndian.PutUint64(w.l2[at:], flagZero)
		}
		w.used = true
		off, n = off+part, n-part
	}
	return nil
}

// placeHoles places bytes that are never written.
func (w *Writer) placeHoles(off, n int64) error {
	return w.pieces(off, n, func(int64, int64) error { return nil })
}

// pieces places n bytes at off in pieces of at most 1 MiB or a cluster, and
// calls each with where it lies.
func (w *Writer) pieces(off, n int64, each func(host, n int64) error) error {
	most := max(1<<20, w.l.ClusterSize)
	for n > 0 {
		part := min(n, most-off%most)
		if in := off % w.l.ClusterSize; in != 0 {
			part = min(part, w.l.ClusterSize-in)
		}
		host, err := w.lay(off, part)
		if err != nil {
			return err
		}
		if err := each(host, part); err != nil {
			return err
		}
		off, n = off+part, n-part
	}
	return nil
}

// preallocate places zeros, and reserves or writes them as the layout says.
func (w *Writer) preallocate(off, n int64) error {
	switch w.l.Preallocation {
	case PreallocFalloc:
		if a, ok := w.data.(block.Allocator); ok {
			return w.pieces(off, n, a.Allocate)
		}
		fallthrough
	case PreallocFull:
		zeros := make([]byte, max(1<<20, w.l.ClusterSize))
		return w.pieces(off, n, func(host, n int64) error { return w.WriteHost(zeros[:n], host) })
	}
	return w.placeHoles(off, n)
}

// seek makes the L2 table that maps off the current one.
func (w *Writer) seek(off int64) error {
	i := off / w.h.l2Span()
	if i == w.l2At {
		return nil
	}
	if err := w.flushL2(); err != nil {
		return err
	}
	w.l2At = i
	return nil
}

// entryAt is where the entry for off lies in its L2 table.
func (w *Writer) entryAt(off int64) int64 {
	return off % w.h.l2Span() >> w.h.clusterBits * w.h.l2EntrySize()
}

func (w *Writer) flushL2() error {
	if !w.used {
		return nil
	}
	if most := DefaultLimits().L1Table / 8; w.l2At >= most { // it was not known how large the disk is
		return block.Errorf(format, "L1 table", -1, block.ErrLimit, "a disk of more than %d bytes takes larger clusters", most*w.h.l2Span())
	}
	host, err := w.refs.alloc(1)
	if err != nil {
		return err
	}
	if _, err := w.f.WriteAt(w.l2, host); err != nil {
		return err
	}
	if n := w.l2At + 1 - int64(len(w.l1)); n > 0 {
		w.l1 = append(w.l1, make([]uint64, n)...)
	}
	w.l1[w.l2At] = uint64(host) | flagCopied
	clear(w.l2)
	w.used = false
	return nil
}

// SetSize tells the size of a disk that was Growing.
func (w *Writer) SetSize(size int64) error {
	// The last cluster may reach past the end.
	if w.done || !w.l.Growing || size <= w.end-w.l.ClusterSize || size > w.l.Size {
		return errOrder
	}
	w.l.Size, w.l.Growing = size, false
	w.h.size = sectors(size)
	n, err := w.l.l1Entries(&w.h)
	if n -= int64(len(w.l1)); err == nil && n > 0 {
		w.l1 = append(w.l1, make([]uint64, n)...)
	}
	return err
}

// Commit writes the tables, and after everything else is on the disk the
// header.
func (w *Writer) Commit() error {
	if w.done || w.l.Growing {
		return errOrder
	}
	if w.l.Preallocation != PreallocOff && w.l.Backing == "" {
		if start := w.end + (-w.end)&(w.Granularity()-1); start < w.l.Size {
			if err := w.Zero(start, w.l.Size-start); err != nil {
				return err
			}
		}
	}
	w.done = true
	if err := w.pack.flush(w.f); err != nil {
		return err
	}
	if err := w.flushL2(); err != nil {
		return err
	}
	if err := w.writeL1(); err != nil {
		return err
	}
	table, clusters, err := w.refs.finish()
	if err != nil {
		return err
	}
	w.h.refcountTableOffset, w.h.refcountTableClusters = uint64(table), uint32(clusters)
	if err := w.f.Truncate(w.refs.next); err != nil {
		return err
	}
	if w.data != w.f {
		if err := w.data.Truncate(int64(w.h.size)); err != nil {
			return err
		}
		if err := w.data.Sync(); err != nil {
			return err
		}
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	first, err := w.l.firstCluster(w.h)
	if err != nil {
		return err
	}
	if _, err := w.f.WriteAt(first, 0); err != nil {
		return err
	}
	return w.f.Sync()
}

func (w *Writer) writeL1() error {
	b := make([]byte, 0, len(w.l1)*8)
	for _, e := range w.l1 {
		b = binary.BigEndian.AppendUint64(b, e)
	}
	cs := w.l.ClusterSize
	host, err := w.refs.alloc((max(int64(len(b)), 1) + cs - 1) / cs)
	if err != nil {
		return err
	}
	w.h.l1Size, w.h.l1TableOffset = uint32(len(w.l1)), uint64(host)
	_, err = w.f.WriteAt(b, host)
	return err
}

// Close ends the use of the Writer. Without Commit the file is no image.
func (w *Writer) Close() error {
	w.done = true
	return nil
}
