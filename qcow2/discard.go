package qcow2

import (
	"context"
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// Discard gives back the clusters that lie in the given parts of the disk as a
// whole, in rising order; they read as zeros from then on. What has no cluster in
// the image stays as it is, be it that of a backing file, and so does, over one,
// what an image of version 2 has, which knows no zeros. Snapshots keep what they
// hold. Bitmaps that track writes say from then on that everything may have
// changed. If it is interrupted, the image is as before or as after. It returns
// how many bytes of the disk became zeros.
//
// The file does not become smaller; see Pack.
func Discard(ctx context.Context, f Storage, parts []Range) (int64, error) {
	w, err := change(ctx, f, "discard")
	if err != nil {
		return 0, err
	}
	if w.hdr.dataFile() {
		return 0, block.Errorf(format, "discard", -1, block.ErrUnsupported, "the image has an external data file")
	}
	if w.hdr.version < 3 && w.backing != "" {
		return 0, nil
	}
	cs, span, entry := w.h.clusterSize(), w.h.l2Span(), w.h.l2EntrySize()
	discarded := int64(0)
	at := 0 // parts that end before the table at hand are passed
	err = w.eachL2(w.l1, func(i, off int64, l2 []byte) error {
		base := i * span
		for at < len(parts) && parts[at].Off+parts[at].Len <= base {
			at++
		}
		changed := false
		for _, p := range parts[at:] {
			if p.Off >= base+span {
				break
			}
			first := (max(p.Off, base) + cs - 1) / cs
			last := min(p.Off+p.Len, base+span) / cs
			if end := int64(w.h.size); p.Off+p.Len >= end && last == end/cs && end < base+span { // a last one that is cut short
				last = (end + cs - 1) / cs
			}
			for c := first; c < last; c++ {
				e := l2[(c-base/cs)*entry:][:entry]
				was := tableEntry(e, 0)
				if _, n := w.entrySpan(was); n == 0 {
					continue
				}
				w.freeEntry(was)
				clear(e)
				switch {
				case w.backing == "":
				case entry == 16:
					binary.BigEndian.PutUint64(e[8:], 0xffffffff<<32)
				default:
					binary.BigEndian.PutUint64(e, flagZero)
				}
				discarded += cs
				changed = true
			}
		}
		if !changed {
			return nil
		}
		for _, b := range l2 {
			if b != 0 {
				return w.putL2(i, l2)
			}
		}
		w.free(off, cs)
		w.setL1(i, 0)
		return nil
	})
	if err != nil || discarded == 0 {
		return 0, err
	}
	if len(w.bitmaps) > 0 {
		if err := w.soilBitmaps(int64(w.h.size)); err != nil {
			return 0, err
		}
	}
	return discarded, w.commit()
}

// Pack moves data and tables down into the room that is free before them, and
// cuts the file behind what is in use. What has several places that lead to it,
// which snapshots and compressed clusters do, stays where it is, and so does what
// LUKS encrypts, by its place in the file: of such an image only the end is cut. If
// it is interrupted, the image holds the same.
func Pack(ctx context.Context, f Storage) error {
	// What is moved needs its old place until the header is switched, so that each
	// round frees the room that the next one takes.
	for range maxRounds {
		before := f.Size()
		w, err := change(ctx, f, "image")
		if err != nil {
			return err
		}
		if !w.hdr.dataFile() && w.h.cryptMethod != cryptLUKS {
			if err := w.moveDown(); err != nil {
				return err
			}
		}
		if err := w.moveBitmaps(); err != nil {
			return err
		}
		if w.dirt || w.extsChanged {
			if err := w.commit(); err != nil {
				return err
			}
		}
		if err := Compact(ctx, f); err != nil {
			return err
		}
		if f.Size() >= before {
			return nil
		}
	}
	return nil
}

// maxRounds bounds how often Pack goes over an image.
const maxRounds = 8

// moveDown copies clusters from behind the place where the file could end into
// holes before it.
func (w *rewrite) moveDown() error {
	cs := w.h.clusterSize()
	used := w.counts.used()
	if used >= w.whole {
		return nil // no hole is left
	}
	buf := make([]byte, cs)
	return w.eachL2(w.l1, func(i, off int64, l2 []byte) error {
		changed := false
		for at := int64(0); at < cs; at += w.h.l2EntrySize() {
			e := tableEntry(l2, at)
			host := int64(e & offsetMask)
			if e&flagCompressed != 0 || host>>w.h.clusterBits < used || w.counts.of(host>>w.h.clusterBits) != 1 || host+cs > w.size {
				continue
			}
			to, err := w.copyDown(host, buf)
			if err != nil {
				return err
			}
			if to < 0 {
				continue
			}
			w.free(host, cs)
			binary.BigEndian.PutUint64(l2[at:], e&^offsetMask|uint64(to))
			changed = true
			if err := w.tick(); err != nil {
				return err
			}
		}
		if !changed && (off>>w.h.clusterBits < used || w.counts.of(off>>w.h.clusterBits) != 1 || w.hole(1) < 0) {
			return nil
		}
		return w.putL2(i, l2)
	})
}

// copyDown copies a cluster into a hole below it, and returns where that is; -1 if
// there is none.
func (w *rewrite) copyDown(host int64, buf []byte) (int64, error) {
	to := w.hole(1)
	if to < 0 || to >= host {
		if to >= 0 {
			w.cursor = to >> w.h.clusterBits
		}
		return -1, nil
	}
	if err := w.counts.add(to>>w.h.clusterBits, 1); err != nil {
		return 0, err
	}
	if err := block.ReadFull(w.f, buf, host); err != nil {
		return 0, block.Locate(format, "cluster", host, err)
	}
	_, err := w.f.WriteAt(buf, to)
	return to, err
}

// moveBitmaps writes the tables of bitmaps anew, and copies their clusters down.
func (w *rewrite) moveBitmaps() error {
	if len(w.bitmaps) == 0 {
		return nil
	}
	list, err := w.readStates()
	if err != nil {
		return err
	}
	used, buf := w.counts.used(), make([]byte, w.h.clusterSize())
	for _, b := range list {
		w.own(b)
		for i, e := range b.table {
			host := int64(e & offsetMask)
			if host>>w.h.clusterBits < used || w.counts.of(host>>w.h.clusterBits) != 1 {
				continue
			}
			to, err := w.copyDown(host, buf)
			if err != nil {
				return err
			}
			if to >= 0 {
				w.setEntry(b, int64(i), e&^offsetMask|uint64(to))
			}
		}
	}
	return w.putStates(list)
}
