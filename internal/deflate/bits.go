package deflate

import "encoding/binary"

// A bitWriter appends bits, least significant first, to a slice that has been
// given enough room beforehand.
type bitWriter struct {
	out  []byte // full length is the room; out[:n] is written
	n    int
	acc  uint64
	have uint // bits in acc, below 8 after flush
}

// put adds the low n bits of v. At most 56 bits may be added between flushes.
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << w.have
	w.have += n
}

// flush writes the whole bytes of acc.
func (w *bitWriter) flush() {
	binary.LittleEndian.PutUint64(w.out[w.n:], w.acc)
	w.n += int(w.have >> 3)
	w.acc >>= w.have &^ 7
	w.have &= 7
}

// align fills the last byte with zero bits.
func (w *bitWriter) align() {
	w.have = (w.have + 7) &^ 7
	w.flush()
}

// room makes sure that n more bytes, and what a flush writes past them, fit.
func (w *bitWriter) room(n int) {
	need := w.n + n + 16
	if need <= len(w.out) {
		return
	}
	if need <= cap(w.out) {
		w.out = w.out[:cap(w.out)]
		return
	}
	bigger := make([]byte, max(need, 2*len(w.out)))
	copy(bigger, w.out[:w.n])
	w.out = bigger
}
