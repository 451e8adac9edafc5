package convert

import (
	"errors"
	"os"

	"github.com/guestkit/guestkit/block"
)

// A worker does one job after the other with the same buffers.
type worker struct {
	*run
	buf   []byte
	enc   []byte
	parts []part
}

// A part of a piece is all zeros or not. Its compressed bytes are enc[from:to].
type part struct {
	off, n   int64
	zero     bool
	packed   bool
	from, to int
	host     int64
}

func (w *worker) do(j job) error {
	switch {
	case j.class == classGap:
		if !w.turns.wait(j.seq) {
			return errStopped
		}
		w.note(j, 0, 0)
		w.turns.done(j.seq)
		return nil
	case j.class == classZero:
		if !w.turns.wait(j.seq) {
			return errStopped
		}
		if err := w.t.Zero(j.off, j.n); err != nil {
			return err
		}
		w.turns.done(j.seq)
		w.note(j, 0, j.n)
		return nil
	case j.host != nil:
		return w.inKernel(j)
	}
	if err := w.read(j); err != nil {
		return err
	}
	w.split(j)
	if w.run.enc != nil {
		return w.compressed(j)
	}
	return w.plain(j)
}

// read fills the buffer with the bytes of j.
func (w *worker) read(j job) error {
	if w.buf == nil {
		w.buf = make([]byte, w.piece)
	}
	p := w.buf[:j.n]
	err := block.ReadFull(w.src, p, j.off)
	if err != nil && w.o.Salvage {
		w.salvage(p, j.off)
		return nil
	}
	if err != nil {
		return readError(j.off, err)
	}
	return nil
}

// split finds the zeros in the buffer.
func (w *worker) split(j job) {
	unit := w.unit
	w.parts = w.parts[:0]
	for at := int64(0); at < j.n; at += unit {
		n := min(unit, j.n-at)
		zero := w.o.Sparse > 0 && isZero(w.buf[at:at+n])
		if last := len(w.parts) - 1; last >= 0 && w.run.enc == nil && w.parts[last].zero == zero {
			w.parts[last].n += n
		} else {
			w.parts = append(w.parts, part{off: j.off + at, n: n, zero: zero})
		}
	}
	if w.o.Sparse <= unit {
		return
	}
	// Short runs of zeros are written with what is around them.
	kept := w.parts[:0]
	for _, p := range w.parts {
		p.zero = p.zero && p.n >= w.o.Sparse
		if last := len(kept) - 1; last >= 0 && w.run.enc == nil && kept[last].zero == p.zero {
			kept[last].n += p.n
			continue
		}
		kept = append(kept, p)
	}
	w.parts = kept
}

// bytes of a part in the buffer.
func (w *worker) bytes(j job, p *part) []byte { return w.buf[p.off-j.off:][:p.n] }

// plain writes the parts as they are.
func (w *worker) plain(j job) error {
	if !w.turns.wait(j.seq) {
		return errStopped
	}
	var data, zero int64
	var placed []part
	for i := range w.parts {
		p := &w.parts[i]
		if p.zero {
			zero += p.n
			if err := w.t.Zero(p.off, p.n); err != nil {
				return err
			}
			continue
		}
		data += p.n
		if err := w.room(data); err != nil {
			return err
		}
		if w.placer == nil {
			if _, err := w.t.WriteAt(w.bytes(j, p), p.off); err != nil {
				return err
			}
			continue
		}
		var err error
		if placed, err = w.place(placed, p.off, p.n); err != nil {
			return err
		}
	}
	w.turns.done(j.seq)
	for i := range placed {
		p := &placed[i]
		if err := w.placer.WriteHost(w.bytes(j, p), p.host); err != nil {
			return err
		}
	}
	w.note(j, data, zero)
	return nil
}

// place asks the target for the places of n bytes at off.
func (w *worker) place(placed []part, off, n int64) ([]part, error) {
	for n > 0 {
		host, m, err := w.placer.Place(off, n)
		if err != nil {
			return nil, err
		}
		placed = append(placed, part{off: off, n: m, host: host})
		off, n = off+m, n-m
	}
	return placed, nil
}

// compressed writes the parts, each one piece of the encoder, compressed where
// that makes them smaller.
func (w *worker) compressed(j job) error {
	size := w.run.enc.EncodeSize()
	w.enc = w.enc[:0]
	for i := range w.parts {
		p := &w.parts[i]
		if p.zero {
			continue
		}
		src := w.bytes(j, p)
		if p.n < size { // the end of the disk
			src = append(make([]byte, 0, size), src...)[:size]
		}
		out, smaller, err := w.run.enc.Encode(w.enc, src)
		if err != nil {
			return err
		}
		if smaller {
			p.packed, p.from, p.to = true, len(w.enc), len(out)
			w.enc = out
		}
	}
	if !w.turns.wait(j.seq) {
		return errStopped
	}
	var data, zero int64
	for i := range w.parts {
		p := &w.parts[i]
		var err error
		if p.zero {
			zero += p.n
			err = w.t.Zero(p.off, p.n)
		} else {
			data += p.n
			if err = w.room(data); err != nil {
				return err
			}
			if p.packed {
				err = w.run.enc.WriteEncoded(p.off, w.enc[p.from:p.to])
			} else {
				_, err = w.t.WriteAt(w.bytes(j, p), p.off)
			}
		}
		if err != nil {
			return err
		}
	}
	w.turns.done(j.seq)
	w.note(j, data, zero)
	return nil
}

// inKernel lets the target share the blocks of the source, or the kernel copy
// them, and copies what neither can be done for.
func (w *worker) inKernel(j job) error {
	if j.probe {
		if err := w.read(j); err != nil {
			return err
		}
		if w.o.Sparse > 0 && isZero(w.buf[:j.n]) { // it is no loss if that cannot be cloned
			w.split(j)
			err := w.plain(j)
			w.probed <- false
			return err
		}
		defer func() { w.probed <- true }()
	}
	if !w.turns.wait(j.seq) {
		return errStopped
	}
	if err := w.room(j.n); err != nil {
		return err
	}
	placed, err := w.place(nil, j.off, j.n)
	if err != nil {
		return err
	}
	w.turns.done(j.seq)
	for i := range placed {
		p := &placed[i]
		err := w.share(p, j.host, j.hostOff+(p.off-j.off))
		if errors.Is(err, errors.ErrUnsupported) {
			err = w.readWrite(p)
		}
		if err != nil {
			return err
		}
	}
	w.note(j, j.n, 0)
	return nil
}

// share fills a part with the bytes at off of a file by the means that have not
// failed yet. Its error wraps errors.ErrUnsupported if there is none.
func (w *worker) share(p *part, src *os.File, off int64) error {
	err := errors.ErrUnsupported
	if w.cloner != nil && !w.noClone.Load() {
		err = w.cloner.CloneHost(p.host, p.n, src, off)
		if err == nil {
			w.mu.Lock()
			w.res.Cloned += p.n
			w.mu.Unlock()
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		w.noClone.Store(true)
	}
	if w.copier != nil && !w.noCopy.Load() {
		err = w.copier.CopyHost(p.host, p.n, src, off)
		if errors.Is(err, errors.ErrUnsupported) {
			w.noCopy.Store(true)
		}
	}
	return err
}

// readWrite copies a part that may be larger than the buffer.
func (w *worker) readWrite(p *part) error {
	for done := int64(0); done < p.n; {
		n := min(w.piece, p.n-done)
		if err := w.read(job{span: span{off: p.off + done, n: n}}); err != nil {
			return err
		}
		if err := w.placer.WriteHost(w.buf[:n], p.host+done); err != nil {
			return err
		}
		done += n
	}
	return nil
}
