package qcow2

import (
	"context"
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/overlays"
)

// sectorSize is what a disk writes whole or not at all: the header is switched
// by one write of the first sector.
const sectorSize = 512

// change opens an image to change it in place. It must be free of corruption.
func change(ctx context.Context, f Storage, what string) (*rewrite, error) {
	c, err := check(ctx, f, nil, nil)
	if err != nil {
		return nil, err
	}
	if c.res.Corruptions > 0 || c.res.Corrupt {
		return nil, block.Errorf(format, what, -1, block.ErrCorrupt, "the image has %d faults; repair it first", c.res.Corruptions)
	}
	if c.ext.bitmaps != nil && c.hdr.autoclearFeatures&autoclearBitmaps != 0 {
		// One that cannot be read holds clusters that would pass for free.
		if n := binary.BigEndian.Uint32(c.ext.bitmaps.data); int(n) != len(c.bitmaps) {
			return nil, block.Errorf(format, what, c.ext.bitmaps.off, block.ErrCorrupt, "%d of its %d bitmaps cannot be read", int(n)-len(c.bitmaps), n)
		}
	}
	return newRewrite(c, f)
}

// openData opens the external data file of an image that has one, to write to it. Where
// f is not asked for it, the image is refused.
func (w *rewrite) openData(what string) error {
	refuse := func(class error, detail string) error {
		return block.Errorf(format, what, -1, class, "%s", detail)
	}
	f, ok := w.f.(interface {
		DataFile(name string) (block.Storage, error)
	})
	switch {
	case !w.hdr.dataFile():
		return nil
	case !ok:
		return refuse(block.ErrUnsupported, "the image has an external data file, which is not at hand")
	case len(w.snapshots) > 0:
		return refuse(block.ErrUnsupported, "the image has an external data file and snapshots")
	case w.ext.dataFile == "":
		return refuse(block.ErrParent, "the image does not name its data file")
	}
	var err error
	w.external, err = f.DataFile(w.ext.dataFile)
	return block.Locate(format, "data file", -1, err)
}

// opener gives what lies behind an image that is changed: its data file, and d for the
// backing file.
func (w *rewrite) opener(d block.Device) block.Opener {
	return func(ref block.Ref) (block.Device, error) {
		if ref.Kind == "data file" {
			return overlays.Opener(block.Plain(w.external))(ref)
		}
		return overlays.Opener(d)(ref)
	}
}

// syncData waits until the data file has what was written to it.
func (w *rewrite) syncData() error {
	if w.external == nil {
		return nil
	}
	return w.external.Sync()
}

// bits is a set of clusters.
type clusterSet map[int64]*[countPage / 64]uint64

func (s clusterSet) add(i int64) {
	p := s[i/countPage]
	if p == nil {
		p = new([countPage / 64]uint64)
		s[i/countPage] = p
	}
	p[i%countPage/64] |= 1 << (i % 64)
}

func (s clusterSet) has(i int64) bool {
	p := s[i/countPage]
	return p != nil && p[i%countPage/64]>>(i%64)&1 != 0
}

// hole finds n clusters in a row within the file that neither the old image nor
// the new one uses, and returns their offset; -1 if there are none. What the old
// image used and the new one does not is no hole until the header is switched.
func (w *rewrite) hole(n int64) int64 {
	i := int64(1)
	if n == 1 {
		i = w.cursor
	}
	run := int64(0)
	for ; i < w.whole; i++ {
		if w.counts.of(i) != 0 || w.freed.has(i) {
			run = 0
			continue
		}
		if run++; run == n {
			if n == 1 {
				w.cursor = i + 1
			}
			return (i + 1 - n) << w.h.clusterBits
		}
	}
	if n == 1 {
		w.cursor = i
	}
	return -1
}

// entrySpan returns the n bytes of the file that an L2 entry refers to.
func (w *rewrite) entrySpan(e uint64) (off, n int64) {
	if e&flagCompressed != 0 {
		bits := 62 - (w.hdr.clusterBits - 8)
		off = int64(e & (1<<bits - 1))
		n = int64(e&(flagCompressed-1)>>bits+1)*512 - off&511
		return off, min(n, max(w.size-off, 1))
	}
	if off = int64(e & offsetMask); off != 0 && !w.hdr.dataFile() {
		n = w.hdr.clusterSize()
	}
	return off, n
}

// use takes a reference to each cluster of n bytes at off.
func (w *rewrite) refer(off, n int64) error {
	if n <= 0 {
		return nil
	}
	for i := off >> w.h.clusterBits; i <= (off+n-1)>>w.h.clusterBits; i++ {
		if err := w.counts.add(i, 1); err != nil {
			return err
		}
	}
	return nil
}

// eachL2 reads the L2 tables of an L1 table, one after the other into the same
// buffer.
func (w *rewrite) eachL2(l1 []byte, do func(i, off int64, l2 []byte) error) error {
	buf := make([]byte, w.h.clusterSize())
	for i := int64(0); i < int64(len(l1)/8); i++ {
		off := int64(tableEntry(l1, i*8) & offsetMask)
		if off == 0 {
			continue
		}
		if err := w.tick(); err != nil {
			return err
		}
		if err := block.ReadFull(w.f, buf, off); err != nil {
			return block.Locate(format, "L2 table", off, err)
		}
		if err := do(i, off, buf); err != nil {
			return err
		}
	}
	return nil
}

// referAll takes a reference to all that an L1 table leads to, its own clusters
// aside.
func (w *rewrite) referAll(l1 []byte) error {
	return w.eachL2(l1, func(_, off int64, l2 []byte) error {
		for at := int64(0); at < int64(len(l2)); at += w.h.l2EntrySize() {
			if err := w.refer(w.entrySpan(tableEntry(l2, at))); err != nil {
				return err
			}
		}
		return w.refer(off, w.h.clusterSize())
	})
}

// dropAll gives back what referAll takes.
func (w *rewrite) dropAll(l1 []byte) error {
	return w.eachL2(l1, func(_, off int64, l2 []byte) error {
		for at := int64(0); at < int64(len(l2)); at += w.h.l2EntrySize() {
			w.free(w.entrySpan(tableEntry(l2, at)))
		}
		w.free(off, w.h.clusterSize())
		return nil
	})
}

// settle sets the copied flags of the active tables by the number of references
// to what they lead to, plus more: those that are still to come.
func (w *rewrite) settle(more uint64) error {
	err := w.eachL2(w.l1, func(i, off int64, l2 []byte) error {
		changed := false
		for at := int64(0); at < int64(len(l2)); at += w.h.l2EntrySize() {
			e := tableEntry(l2, at)
			host, n := w.entrySpan(e)
			if n == 0 {
				continue
			}
			one := e&flagCompressed == 0 && w.counts.of(host>>w.h.clusterBits)+more == 1
			if one != (e&flagCopied != 0) {
				l2[at] ^= 0x80
				changed = true
			}
		}
		if changed {
			return w.putL2(i, l2)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := int64(0); i < int64(len(w.l1)/8); i++ {
		e := tableEntry(w.l1, i*8)
		off := int64(e & offsetMask)
		if off == 0 {
			continue
		}
		if one := w.counts.of(off>>w.h.clusterBits)+more == 1; one != (e&flagCopied != 0) {
			w.setL1(i, e^flagCopied)
		}
	}
	return nil
}

// putTable writes b to fresh clusters.
func (w *rewrite) putTable(b []byte) (int64, error) {
	cs := w.h.clusterSize()
	off, err := w.alloc((int64(len(b)) + cs - 1) / cs)
	if err != nil {
		return 0, err
	}
	_, err = w.f.WriteAt(b, off)
	return off, err
}

// setExtension lets the header have an extension, in the place of one of that
// type; without data there is none.
func (w *rewrite) setExtension(typ uint32, data []byte) {
	var out []extension
	for _, e := range w.exts() {
		if e.typ != typ {
			out = append(out, e)
		}
	}
	if data != nil {
		out = append(out, extension{typ: typ, data: data})
	}
	w.newExts, w.extsChanged = out, true
}

func (w *rewrite) exts() []extension {
	if w.extsChanged {
		return w.newExts
	}
	return w.ext.all
}

// setBacking lets the header name a backing file and its format.
func (w *rewrite) setBacking(name, backingFormat string) {
	data := []byte(backingFormat)
	if name == "" || backingFormat == "" {
		data = nil
	}
	w.setExtension(extBackingFormat, data)
	w.newBacking = name
}

// usedHeader is where what the old header says ends: its extensions, and the name
// of the backing file.
func (w *rewrite) usedHeader() (exts, name span) {
	h := &w.hdr
	exts = span{0, int64(h.headerLength) + 8, ""}
	if n := len(w.ext.all); n > 0 {
		last := w.ext.all[n-1]
		exts.end = last.off + int64(len(last.data)+7)&^7 + 8
	}
	if h.backingFileOffset != 0 {
		name = span{int64(h.backingFileOffset), int64(h.backingFileOffset) + int64(h.backingFileSize), ""}
	}
	return exts, name
}

// layHeader makes the first sector anew: the header, its extensions and, if it
// has room for it, the name of the backing file. Otherwise that goes where the
// old header knows nothing. The table of feature names is cut to what fits.
func (w *rewrite) layHeader() ([]byte, error) {
	h := &w.h
	limit := min(sectorSize, h.clusterSize())
	var exts []extension
	var names []byte
	for _, e := range w.exts() {
		if e.typ == extFeatureNames {
			names = e.data
			continue
		}
		exts = append(exts, e)
	}
	if h.version < 3 {
		names = nil
	}
	first := make([]byte, limit)
	if err := block.ReadFull(w.f, first[:min(int64(w.hdr.headerLength), limit)], 0); err != nil {
		return nil, err
	}
	area := encodeExtensions(exts)
	end := int64(h.headerLength) + int64(len(area))
	if end > limit {
		return nil, block.Errorf(format, "header", int64(h.headerLength), block.ErrUnsupported, "with its extensions it takes %d bytes, and %d can be changed at once", end, limit)
	}
	name := int64(len(w.newBacking))
	inside := name > 0 && end+name <= limit
	room := limit - end - 8
	if inside {
		room -= name
	}
	if rows := min(room/featureNameLen, int64(len(names)/featureNameLen)); rows > 0 {
		area = encodeExtensions(append(exts, extension{typ: extFeatureNames, data: names[:rows*featureNameLen]}))
		end = int64(h.headerLength) + int64(len(area))
	}
	h.backingFileOffset, h.backingFileSize = 0, 0
	clear(first[min(int64(h.headerLength), int64(w.hdr.headerLength), limit):])
	copy(first[h.headerLength:], area)
	switch {
	case inside:
		h.backingFileOffset = uint64(end)
		copy(first[end:], w.newBacking)
	case name > 0:
		oldExts, oldName := w.usedHeader()
		pos := max(limit, (max(oldExts.end, oldName.end)+7)&^7)
		if pos+name > h.clusterSize() {
			pos = max(limit, (oldExts.end+7)&^7)
			if pos+name > oldName.start {
				return nil, block.Errorf(format, "header", -1, block.ErrUnsupported, "the first cluster has no room for the name %q beside the old one", w.newBacking)
			}
		}
		h.backingFileOffset = uint64(pos)
		if _, err := w.f.WriteAt([]byte(w.newBacking), pos); err != nil {
			return nil, err
		}
	}
	h.backingFileSize = uint32(name)
	return first, nil
}
