package vmdk

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// A sparseWriter writes one sparse extent ("KDMV"):
//
//	| header | descriptor | redundant directory and tables | directory and
//	  tables | grains in the order in which they come
//
// All tables have their place from the start, as VMware lays them out, so that
// the directories are arithmetic; tables of which nothing is set are holes.
type sparseWriter struct {
	f    block.File
	h    sparseHeader
	next int64 // offset of the next grain

	table []byte // the grain table at hand
	at    int64  // its number
	used  bool   // it has entries
}

// newHeader makes the header that extents of all kinds share.
func newHeader(l *Layout, size int64) sparseHeader {
	return sparseHeader{
		magic: [4]byte([]byte(sparseMagic)), version: 1, flags: flagNewlines,
		capacity: uint64(size / sectorSize), grainSize: uint64(l.GrainSize / sectorSize), numGTEsPerGT: tableEntries,
		singleEndLine: '\n', nonEndLine: ' ', doubleEndLine1: '\r', doubleEndLine2: '\n',
	}
}

// tableSectors is the size of a grain table.
const tableSectors = tableEntries * 4 / sectorSize

func newSparseWriter(f block.File, l *Layout, size int64) *sparseWriter {
	w := &sparseWriter{f: f, h: newHeader(l, size), table: make([]byte, tableSectors*sectorSize)}
	h := &w.h
	h.flags |= flagRedundant
	if l.ZeroedGrain {
		h.version = 2
		h.flags |= flagZeroGrain
	}
	at := uint64(1)
	if l.named() {
		h.set = l.CID
	} else {
		h.descriptorOffset, h.descriptorSize = at, descriptorSpace
		at += descriptorSpace
	}
	h.rgdOffset = at
	h.gdOffset = h.firstTable(at) + uint64(h.directoryEntries())*tableSectors
	h.overHead = h.firstTable(h.gdOffset) + uint64(h.directoryEntries())*tableSectors
	h.overHead += -h.overHead & (h.grainSize - 1)
	w.next = int64(h.overHead) * sectorSize
	return w
}

// firstTable is the sector of the first table behind the directory at sector
// gd.
func (h *sparseHeader) firstTable(gd uint64) uint64 {
	return gd + max(uint64(4*h.directoryEntries()+sectorSize-1)/sectorSize, 1)
}

// seek makes the grain table that holds grain i the current one, and returns
// where its entry lies.
func (w *sparseWriter) seek(i int64) (int64, error) {
	if n := i / tableEntries; n != w.at {
		if err := w.flush(); err != nil {
			return 0, err
		}
		w.at = n
	}
	w.used = true
	return i % tableEntries * 4, nil
}

// flush writes the current grain table to both of its places.
func (w *sparseWriter) flush() error {
	if !w.used {
		return nil
	}
	for _, gd := range []uint64{w.h.rgdOffset, w.h.gdOffset} {
		at := (int64(w.h.firstTable(gd)) + w.at*tableSectors) * sectorSize
		if _, err := w.f.WriteAt(w.table, at); err != nil {
			return err
		}
	}
	clear(w.table)
	w.used = false
	return nil
}

// place maps n bytes at off, which begin a grain, to grains in a row.
func (w *sparseWriter) place(off, n int64) (int64, error) {
	grain := int64(w.h.grainSize) * sectorSize
	start := w.next
	for i, end := off/grain, (off+n+grain-1)/grain; i < end; i++ {
		if w.next/sectorSize > 1<<32-1 {
			return 0, block.Errorf(format, "grain", w.next, block.ErrLimit, "a sparse file holds no more than 2 TiB")
		}
		at, err := w.seek(i)
		if err != nil {
			return 0, err
		}
		binary.LittleEndian.PutUint32(w.table[at:], uint32(w.next/sectorSize))
		w.next += grain
	}
	return start, nil
}

// zero maps n bytes at off, which begin a grain, to zeros.
func (w *sparseWriter) zero(off, n int64) error {
	grain := int64(w.h.grainSize) * sectorSize
	for i, end := off/grain, (off+n+grain-1)/grain; i < end; i++ {
		at, err := w.seek(i)
		if err != nil {
			return err
		}
		binary.LittleEndian.PutUint32(w.table[at:], 1)
	}
	return nil
}

// commit writes what is missing, the header last, with the descriptor inside
// if there is one.
func (w *sparseWriter) commit(text []byte) error {
	if len(text) > descriptorSpace*sectorSize {
		return invalid("the names do not fit into a descriptor of %d bytes", descriptorSpace*sectorSize)
	}
	if err := w.flush(); err != nil {
		return err
	}
	for _, gd := range []uint64{w.h.rgdOffset, w.h.gdOffset} {
		if err := w.writeDirectory(gd); err != nil {
			return err
		}
	}
	if err := w.f.Truncate(w.next); err != nil {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	if _, err := w.f.WriteAt(append(w.h.encode(), text...), 0); err != nil {
		return err
	}
	return w.f.Sync()
}

// writeDirectory writes the grain directory at sector gd, whose tables follow
// it.
func (w *sparseWriter) writeDirectory(gd uint64) error {
	first, n := w.h.firstTable(gd), w.h.directoryEntries()
	b := make([]byte, 0, 64<<10)
	at := int64(gd) * sectorSize
	for i := range n {
		b = binary.LittleEndian.AppendUint32(b, uint32(first)+uint32(i)*tableSectors)
		if len(b) == cap(b) || i == n-1 {
			if _, err := w.f.WriteAt(b, at); err != nil {
				return err
			}
			at, b = at+int64(len(b)), b[:0]
		}
	}
	return nil
}
