package qcow2

import (
	"context"
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// A Storage is an image file that is changed in place.
type Storage = block.Storage

// A rewrite changes an image so that it is the old one or the new one at every
// moment: new tables go where the old image has nothing, which is in holes of the
// file or behind its end, and one write of the header switches over.
type rewrite struct {
	*checker
	f    Storage
	h    header
	next int64 // the first free host offset behind the file
	l1   []byte
	dirt bool // l1 is not what the file has

	size   int64      // of the file as it was
	whole  int64      // its clusters that are whole
	cursor int64      // below it there is no single cluster to be had
	freed  clusterSet // what the old image uses and the new one does not

	external Storage // the external data file, where that is written to

	newExts     []extension // where extsChanged
	newBacking  string
	extsChanged bool
}

func newRewrite(c *checker, f Storage) (*rewrite, error) {
	cs := c.hdr.clusterSize()
	w := &rewrite{checker: c, f: f, h: c.hdr, next: (f.Size() + cs - 1) &^ (cs - 1),
		size: f.Size(), whole: f.Size() >> c.hdr.clusterBits, cursor: 1, freed: clusterSet{}, newBacking: c.backing}
	var err error
	w.l1, err = block.ReadBytes(f, int64(w.h.l1TableOffset), int64(w.h.l1Size)*8, c.lim.L1Table)
	return w, err
}

// alloc takes n fresh clusters in a row.
func (w *rewrite) alloc(n int64) (int64, error) {
	off := w.hole(n)
	if off < 0 {
		off = w.next
		w.next += n << w.h.clusterBits
	}
	if n > (maxHost-off)>>w.h.clusterBits {
		return 0, block.Errorf(format, "image", off, block.ErrLimit, "the file would pass %#x bytes", int64(maxHost))
	}
	for i := range n {
		if err := w.counts.add(off>>w.h.clusterBits+i, 1); err != nil {
			return 0, err
		}
	}
	return off, nil
}

// free takes one reference from each cluster of n bytes at off.
func (w *rewrite) free(off, n int64) {
	if n <= 0 {
		return
	}
	for i := off >> w.h.clusterBits; i <= (off+n-1)>>w.h.clusterBits; i++ {
		if w.counts.drop(i); w.counts.of(i) == 0 && i < w.whole {
			w.freed.add(i)
		}
	}
}

// putL2 writes a changed copy of an L2 table and lets entry i of the L1 table
// lead to it.
func (w *rewrite) putL2(i int64, b []byte) error {
	if old := int64(tableEntry(w.l1, i*8) & offsetMask); old != 0 {
		w.free(old, w.h.clusterSize())
	}
	off, err := w.alloc(1)
	if err != nil {
		return err
	}
	w.setL1(i, uint64(off)|flagCopied)
	_, err = w.f.WriteAt(b, off)
	return err
}

func (w *rewrite) setL1(i int64, e uint64) {
	binary.BigEndian.PutUint64(w.l1[i*8:], e)
	w.dirt = true
}

// commit writes the L1 table and all refcounts anew, and switches over.
func (w *rewrite) commit() error {
	cs := w.h.clusterSize()
	if w.dirt {
		w.free(int64(w.hdr.l1TableOffset), max(int64(w.hdr.l1Size)*8, 1))
		off, err := w.alloc((max(int64(len(w.l1)), 1) + cs - 1) / cs)
		if err != nil {
			return err
		}
		w.h.l1TableOffset, w.h.l1Size = uint64(off), uint32(len(w.l1)/8)
		if _, err := w.f.WriteAt(w.l1, off); err != nil {
			return err
		}
	}
	if err := w.writeRefcounts(); err != nil {
		return err
	}
	if err := w.f.Truncate(w.next); err != nil {
		return err
	}
	// The bits that nobody here knows speak of something that may be wrong now.
	w.h.autoclearFeatures &= autoclearBitmaps | autoclearDataFileRaw
	w.h.incompatibleFeatures &^= incompatDirty | incompatCorrupt
	var first []byte
	if w.extsChanged {
		var err error
		if first, err = w.layHeader(); err != nil {
			return err
		}
		w.h.encode(first)
	} else {
		first = make([]byte, w.h.headerLength)
		if err := block.ReadFull(w.f, first, 0); err != nil {
			return err
		}
		w.h.encode(first)
		first = first[:min(len(first), headerLenKnown)]
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	if _, err := w.f.WriteAt(first, 0); err != nil {
		return err
	}
	return w.f.Sync()
}

// writeRefcounts writes a refcount table and blocks for what is in use.
func (w *rewrite) writeRefcounts() error {
	h := &w.h
	cs, per := h.clusterSize(), h.refcountsPerBlock()
	old := int64(h.refcountTableOffset)
	w.free(old, int64(h.refcountTableClusters)<<h.clusterBits)
	for _, b := range w.blocks {
		if b != 0 {
			w.free(b, cs)
		}
	}
	used := w.next >> h.clusterBits
	var blocks, table int64
	for {
		need := (used + blocks + table + per - 1) / per
		needTable := (need*8 + cs - 1) / cs
		if need == blocks && needTable == table {
			break
		}
		blocks, table = need, needTable
	}
	tableOff, err := w.alloc(table)
	if err != nil {
		return err
	}
	first, err := w.alloc(blocks)
	if err != nil {
		return err
	}
	t := make([]byte, table*cs)
	buf := make([]byte, cs)
	for i := range blocks {
		clear(buf)
		for j := range per {
			n := w.counts.of(i*per + j)
			if n > maxRefcount(h.refcountOrder) {
				return block.Errorf(format, "refcount", (i*per+j)<<h.clusterBits, block.ErrUnsupported, "%d references do not fit into %d bits", n, 1<<h.refcountOrder)
			}
			setRefcount(buf, j, h.refcountOrder, n)
			if err := w.tick(); err != nil {
				return err
			}
		}
		off := first + i*cs
		if _, err := w.f.WriteAt(buf, off); err != nil {
			return err
		}
		binary.BigEndian.PutUint64(t[i*8:], uint64(off))
	}
	if _, err := w.f.WriteAt(t, tableOff); err != nil {
		return err
	}
	h.refcountTableOffset, h.refcountTableClusters = uint64(tableOff), uint32(table)
	return nil
}

// Repair sets refcounts right, and with all also the copied flags and the dirty
// and corrupt bits. Without all it is for leaks alone. What has no right answer,
// such as two clusters in one place, is an error that wraps block.ErrCorrupt,
// and nothing is changed. If it is interrupted, the image is as before or
// repaired.
func Repair(ctx context.Context, f Storage, all bool, opts *Options, report func(block.Fault)) (*block.CheckResult, error) {
	c, err := check(ctx, f, opts, report)
	if err != nil {
		return nil, err
	}
	res := c.res
	if res.Clean() && !res.Dirty {
		return &res, nil
	}
	if res.Corruptions > res.Repairable {
		return &res, block.Errorf(format, "image", -1, block.ErrCorrupt, "%d faults cannot be repaired without losing data", res.Corruptions-res.Repairable)
	}
	if res.Corruptions > 0 && !all {
		return &res, block.Errorf(format, "image", -1, block.ErrCorrupt, "there are %d faults besides leaks", res.Corruptions)
	}
	w, err := newRewrite(c, f)
	if err != nil {
		return nil, err
	}
	flip := func(what string, at int64, entry uint64, copied bool) {
		if what == "L1 table entry" {
			i := (at - int64(c.hdr.l1TableOffset)) / 8
			w.setL1(i, entry^flagCopied)
		}
	}
	if err := c.eachCopied(flip, func(i, _ int64, b []byte) error { return w.putL2(i, b) }); err != nil {
		return nil, err
	}
	if err := w.commit(); err != nil {
		return nil, err
	}
	after, err := Check(ctx, f, nil, nil)
	if err != nil {
		return nil, err
	}
	if !after.Clean() {
		return &res, block.Errorf(format, "image", -1, block.ErrCorrupt, "%d faults and %d leaks are left", after.Corruptions, after.Leaks)
	}
	return &res, nil
}
