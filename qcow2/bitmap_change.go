package qcow2

import (
	"context"
	"encoding/binary"
	"math/bits"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// The granularities that QEMU takes.
const (
	minGranularity = 512
	maxGranularity = 1 << 31
)

// allDirty is an entry of a bitmap table without a cluster, whose bits are set.
const allDirty = 1

// A bitmapState is a bitmap that may be changed.
type bitmapState struct {
	bitmapHeader
	extra   []byte
	name    string
	table   []uint64
	changed bool // the table is not what the file has
}

// bitmapEntries is how many clusters hold the bits of a disk.
func (h *header) bitmapEntries(size int64, granularityBits uint8) int64 {
	n := size >> granularityBits
	if size&(1<<granularityBits-1) != 0 {
		n++
	}
	return ((n+7)/8 + h.clusterSize() - 1) / h.clusterSize()
}

// readStates reads the bitmap directory and the tables.
func (w *rewrite) readStates() ([]*bitmapState, error) {
	if len(w.bitmaps) == 0 {
		return nil, nil
	}
	dir, err := block.ReadBytes(w.f, w.bitmapDir.start, w.bitmapDir.end-w.bitmapDir.start, w.lim.BitmapDir)
	if err != nil {
		return nil, block.Locate(format, "bitmap directory", w.bitmapDir.start, err)
	}
	var out []*bitmapState
	for range w.bitmaps { // which were read from the same bytes
		b := &bitmapState{}
		b.decode(dir)
		end := bitmapHeaderLen + int(b.extraDataSize) + int(b.nameSize)
		b.extra = dir[bitmapHeaderLen:][:b.extraDataSize]
		b.name = string(dir[bitmapHeaderLen+int(b.extraDataSize) : end])
		dir = dir[min((end+7)&^7, len(dir)):]
		if int64(b.bitmapTableSize) < w.h.bitmapEntries(int64(w.hdr.size), b.granularityBits) && b.flags&bitmapFlagInUse == 0 {
			return nil, corrupt("bitmap", int64(b.bitmapTableOffset), "the table of %q has %d entries, and the disk takes %d", b.name, b.bitmapTableSize, w.h.bitmapEntries(int64(w.hdr.size), b.granularityBits))
		}
		t, err := block.ReadBytes(w.f, int64(b.bitmapTableOffset), int64(b.bitmapTableSize)*8, w.lim.L1Table*8)
		if err != nil {
			return nil, block.Locate(format, "bitmap table", int64(b.bitmapTableOffset), err)
		}
		for pos := 0; pos < len(t); pos += 8 {
			b.table = append(b.table, binary.BigEndian.Uint64(t[pos:]))
		}
		out = append(out, b)
	}
	return out, nil
}

// putStates writes the bitmaps: those tables that changed, and the directory.
func (w *rewrite) putStates(list []*bitmapState) error {
	if len(w.bitmaps) > 0 {
		w.free(w.bitmapDir.start, w.bitmapDir.end-w.bitmapDir.start)
	}
	var dir []byte
	for _, b := range list {
		if b.changed {
			t := make([]byte, len(b.table)*8)
			for i, e := range b.table {
				binary.BigEndian.PutUint64(t[i*8:], e)
			}
			if len(t) == 0 {
				t = make([]byte, 8)
			}
			off, err := w.putTable(t)
			if err != nil {
				return err
			}
			b.bitmapTableOffset, b.bitmapTableSize = uint64(off), uint32(len(b.table))
		}
		dir = append(dir, b.encode()...)
	}
	w.h.autoclearFeatures &^= autoclearBitmaps
	if len(list) == 0 {
		w.setExtension(extBitmaps, nil)
		return nil
	}
	if int64(len(dir)) > w.lim.BitmapDir || int64(len(list)) > w.lim.Bitmaps {
		return block.Errorf(format, "bitmap directory", -1, block.ErrLimit, "%d bitmaps take %d bytes", len(list), len(dir))
	}
	off, err := w.putTable(dir)
	if err != nil {
		return err
	}
	data := make([]byte, bitmapsExtLen)
	binary.BigEndian.PutUint32(data, uint32(len(list)))
	binary.BigEndian.PutUint64(data[0x08:], uint64(len(dir)))
	binary.BigEndian.PutUint64(data[0x10:], uint64(off))
	w.setExtension(extBitmaps, data)
	w.h.autoclearFeatures |= autoclearBitmaps
	return nil
}

// encode makes an entry of the bitmap directory.
func (b *bitmapState) encode() []byte {
	p := make([]byte, bitmapHeaderLen)
	be := binary.BigEndian
	be.PutUint64(p[0x00:], b.bitmapTableOffset)
	be.PutUint32(p[0x08:], b.bitmapTableSize)
	be.PutUint32(p[0x0c:], b.flags)
	p[0x10], p[0x11] = b.typ, b.granularityBits
	be.PutUint16(p[0x12:], uint16(len(b.name)))
	be.PutUint32(p[0x14:], uint32(len(b.extra)))
	p = append(append(p, b.extra...), b.name...)
	return append(p, make([]byte, -len(p)&7)...)
}

// own frees the table of a bitmap, since a new one is written.
func (w *rewrite) own(b *bitmapState) {
	if !b.changed && b.bitmapTableOffset != 0 {
		w.free(int64(b.bitmapTableOffset), int64(b.bitmapTableSize)*8)
	}
	b.changed = true
}

// setEntry gives entry i of a bitmap table another value.
func (w *rewrite) setEntry(b *bitmapState, i int64, e uint64) {
	w.own(b)
	if old := int64(b.table[i] & offsetMask); old != 0 {
		w.free(old, w.h.clusterSize())
	}
	b.table[i] = e
}

// fill sets or clears all bits.
func (w *rewrite) fill(b *bitmapState, e uint64) {
	w.own(b)
	for i := range b.table {
		w.setEntry(b, int64(i), e)
	}
}

// fit gives the table of a bitmap the length for a disk of that size; what is
// new is clear.
func (w *rewrite) fit(b *bitmapState, size int64) {
	need := w.h.bitmapEntries(size, b.granularityBits)
	if int64(len(b.table)) == need {
		return
	}
	w.own(b)
	for i := need; i < int64(len(b.table)); i++ {
		w.setEntry(b, i, 0)
	}
	b.table = append(b.table, make([]uint64, max(need-int64(len(b.table)), 0))...)[:need]
}

// soilBitmaps lets the bitmaps that track writes say that all of a disk of that
// size has changed. One that does not keeps its bits, where the size is the same.
func (w *rewrite) soilBitmaps(size int64) error {
	list, err := w.readStates()
	if err != nil {
		return err
	}
	for _, b := range list {
		switch {
		case b.flags&bitmapFlagInUse != 0:
		case b.flags&bitmapFlagAuto != 0 || size != int64(w.hdr.size):
			w.fit(b, size)
			w.fill(b, allDirty)
			if err := w.trimLast(b, size); err != nil {
				return err
			}
		}
	}
	return w.putStates(list)
}

// trimLast clears the bits past the end of the disk in the last cluster of a
// bitmap that is all set.
func (w *rewrite) trimLast(b *bitmapState, size int64) error {
	n := (size + 1<<b.granularityBits - 1) >> b.granularityBits
	per := w.h.clusterSize() * 8
	if len(b.table) == 0 || n%per == 0 {
		return nil
	}
	buf := make([]byte, w.h.clusterSize())
	setBits(buf, 0, n%per)
	off, err := w.putTable(buf)
	if err != nil {
		return err
	}
	w.setEntry(b, int64(len(b.table))-1, uint64(off))
	return nil
}

// setBits sets bits from to to-1, from the low ones of each byte up.
func setBits(p []byte, from, to int64) {
	for i := from; i < to; {
		if i&7 == 0 && to-i >= 8 {
			p[i/8] = 0xff
			i += 8
			continue
		}
		p[i/8] |= 1 << (i & 7)
		i++
	}
}

// A BitmapAction is something to do to a bitmap.
type BitmapAction struct {
	// Do is "add", "remove", "clear", "enable", "disable" or "merge".
	Do string
	// Granularity of a bitmap to add: how many bytes a bit stands for; 0 means
	// that of a cluster, but 4 KiB to 64 KiB.
	Granularity int64
	// From is the bitmap that is merged, of Source or of the image itself if
	// that is nil.
	From   string
	Source block.Reader
}

// ChangeBitmap does one thing after the other to the bitmap of that name, all of
// them or none. A bitmap that is in use, since a program did not close the image,
// can only be removed.
func ChangeBitmap(ctx context.Context, f Storage, name string, actions []BitmapAction) error {
	w, err := change(ctx, f, "bitmap")
	if err != nil {
		return err
	}
	if w.h.version < 3 {
		return block.Errorf(format, "bitmap", -1, block.ErrUnsupported, "version 2 has no bitmaps; amend the image to compat=1.1")
	}
	if name == "" || len(name) > maxBitmapName || strings.ContainsRune(name, 0) {
		return invalid("the name of a bitmap is 1 to %d bytes without NUL", maxBitmapName)
	}
	list, err := w.readStates()
	if err != nil {
		return err
	}
	for _, a := range actions {
		if list, err = w.act(list, name, a); err != nil {
			return err
		}
	}
	if err := w.putStates(list); err != nil {
		return err
	}
	return w.commit()
}

// act does one thing to a bitmap.
func (w *rewrite) act(list []*bitmapState, name string, a BitmapAction) ([]*bitmapState, error) {
	at := -1
	for i, b := range list {
		if b.name == name {
			at = i
		}
	}
	if a.Do == "add" {
		if at >= 0 {
			return nil, &block.Error{Format: format, What: "bitmap", Off: -1, Err: problem.Class(block.ErrRefused, "there is one of the name %q already", name)}
		}
		g := a.Granularity
		if g == 0 {
			g = min(max(w.h.clusterSize(), 4<<10), 64<<10)
		}
		if g < minGranularity || g > maxGranularity || g&(g-1) != 0 {
			return nil, invalid("the granularity %d is no power of two from 512 to 2 GiB", g)
		}
		b := &bitmapState{name: name, changed: true}
		b.typ, b.flags, b.granularityBits = bitmapTypeDirty, bitmapFlagAuto, uint8(bits.TrailingZeros64(uint64(g)))
		n := w.h.bitmapEntries(int64(w.h.size), b.granularityBits)
		if n*8 > w.lim.L1Table {
			return nil, block.Errorf(format, "bitmap table", -1, block.ErrLimit, "it would have %d entries; take a larger granularity", n)
		}
		b.table = make([]uint64, n)
		return append(list, b), nil
	}
	if at < 0 {
		return nil, block.Errorf(format, "bitmap", -1, ErrNoBitmap, "%q", name)
	}
	b := list[at]
	if b.flags&bitmapFlagInUse != 0 && a.Do != "remove" {
		return nil, block.Errorf(format, "bitmap", -1, block.ErrCorrupt, "%q was in use when the image was left, so its bits may be wrong; it can only be removed", name)
	}
	switch a.Do {
	case "remove":
		w.fill(b, 0)
		return append(list[:at:at], list[at+1:]...), nil
	case "clear":
		w.fill(b, 0)
	case "enable":
		b.flags |= bitmapFlagAuto
	case "disable":
		b.flags &^= bitmapFlagAuto
	case "merge":
		if a.Source == nil && a.From == name {
			return list, nil // what the file has of it may be old by now
		}
		return list, w.merge(b, a)
	default:
		return nil, invalid("%q is not add, remove, clear, enable, disable or merge", a.Do)
	}
	return list, nil
}

// merge sets in b what is set in another bitmap.
func (w *rewrite) merge(b *bitmapState, a BitmapAction) error {
	src := a.Source
	if src == nil {
		src = w.f
	}
	d, err := OpenBitmap(src, a.From, nil)
	if err != nil {
		return err
	}
	if d.size != int64(w.h.size) {
		return &block.Error{Format: format, What: "bitmap", Off: -1, Err: problem.Class(block.ErrRefused, "%q is of a disk of %d bytes, and this one has %d", a.From, d.size, w.h.size)}
	}
	per := w.h.clusterSize() * 8 // bits in a cluster
	buf := make([]byte, w.h.clusterSize())
	cur, touched := int64(-1), false
	flush := func() error {
		if !touched {
			return nil
		}
		touched = false
		off, err := w.putTable(buf)
		if err == nil {
			w.setEntry(b, cur, uint64(off))
		}
		return err
	}
	for r, err := range d.Ranges() {
		if err != nil {
			return err
		}
		first := r.Off >> b.granularityBits
		last := (r.Off + r.Len - 1) >> b.granularityBits
		for i := first / per; i <= last/per; i++ {
			if err := w.tick(); err != nil {
				return err
			}
			if b.table[i] == allDirty {
				continue
			}
			if i != cur {
				if err := flush(); err != nil {
					return err
				}
				clear(buf)
				if off := int64(b.table[i] & offsetMask); off != 0 {
					if err := block.ReadFull(w.f, buf, off); err != nil {
						return block.Locate(format, "bitmap", off, err)
					}
				}
				cur = i
			}
			setBits(buf, max(first-i*per, 0), min(last+1-i*per, per))
			touched = true
		}
	}
	return flush()
}
