package convert

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"sync"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/tarhead"
	"github.com/guestkit/guestkit/internal/wrapped"
)

// A tarGz is the archive that Google's Compute Engine takes: disk.raw in a tar
// archive of the kind oldgnu, compressed with gzip. Zeros make its size a whole number of GiB.
//
//	gzip header | tar header | piece | piece | … | padding, end of the tar | gzip trailer
//
// Each piece of the disk is compressed by itself, ended with a flush, so that
// many are worked on at once; one behind the other they are one deflate stream.
type tarGz struct {
	f     sink
	size  int64 // of the disk
	level int

	pos   int64  // in the file
	end   int64  // of the part of the disk that was written
	crc   uint32 // of the archive so far
	bytes int64  // of the archive so far
	carry matrix // a checksum over a piece
	zero  []byte // a piece of zeros, as Encode makes it
	done  bool

	encoders sync.Pool // of *flate.Writer
}

const tarGzPiece = 256 << 10

var errTarGzOrder = errors.New("convert: pieces of an archive out of order")

func startTarGz(_ *Output, size int64, f sink, _ func(string) (sink, error)) (Target, error) {
	if size > math.MaxInt64&^(1<<30-1) {
		return nil, block.Errorf("tar.gz", "disk", -1, block.ErrLimit, "%d bytes cannot be rounded up to whole GiB", size)
	}
	return newTarGz(f, tarGzSize(size))
}

func newTarGz(f sink, size int64) (*tarGz, error) {
	t := &tarGz{f: f, size: size, level: flate.DefaultCompression, carry: carry(tarGzPiece)}
	// The kind of compression, no name, no time, an unknown system.
	if err := t.put([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}); err != nil {
		return nil, err
	}
	// No time here either: one disk gives one archive, and a measure is exact.
	h := tarhead.OldGNU("disk.raw", t.size, time.Unix(0, 0))
	if err := t.add(h[:]); err != nil {
		return nil, err
	}
	var err error
	t.zero, _, err = t.Encode(nil, make([]byte, tarGzPiece))
	return t, err
}

// tarGzSize is the size that a disk gets: the platform takes whole GiB.
func tarGzSize(size int64) int64 { return size + -size&(1<<30-1) }

// put writes bytes of the file.
func (t *tarGz) put(b []byte) error {
	n, err := t.f.WriteAt(b, t.pos)
	t.pos += int64(n)
	return err
}

// add writes bytes of the archive.
func (t *tarGz) add(b []byte) error {
	enc, _, err := t.Encode(nil, b)
	if err != nil {
		return err
	}
	return t.append(enc, int64(len(b)))
}

// append writes what Encode made of n bytes.
func (t *tarGz) append(enc []byte, n int64) error {
	data, sum := enc[:len(enc)-4], binary.LittleEndian.Uint32(enc[len(enc)-4:])
	m := t.carry
	if n != tarGzPiece {
		m = carry(n)
	}
	t.crc = m.apply(t.crc) ^ sum
	t.bytes += n
	return t.put(data)
}

func (t *tarGz) Granularity() int64 { return tarGzPiece }
func (t *tarGz) EncodeSize() int64  { return tarGzPiece }

// Encode appends src compressed, and its checksum.
func (t *tarGz) Encode(dst, src []byte) ([]byte, bool, error) {
	b := bytes.NewBuffer(dst)
	w, _ := t.encoders.Get().(*flate.Writer)
	if w == nil {
		var err error
		if w, err = flate.NewWriter(b, t.level); err != nil {
			return dst, false, err
		}
	} else {
		w.Reset(b)
	}
	defer t.encoders.Put(w)
	if _, err := w.Write(src); err != nil {
		return dst, false, err
	}
	if err := w.Flush(); err != nil {
		return dst, false, err
	}
	return binary.LittleEndian.AppendUint32(b.Bytes(), crc32.ChecksumIEEE(src)), true, nil
}

// WriteEncoded takes what Encode made of the piece at off.
func (t *tarGz) WriteEncoded(off int64, enc []byte) error {
	if err := t.Zero(t.end, off-t.end); err != nil {
		return err
	}
	if t.size-off < tarGzPiece || len(enc) < 4 {
		return errTarGzOrder
	}
	t.end = off + tarGzPiece
	return t.append(enc, tarGzPiece)
}

func (t *tarGz) WriteAt(p []byte, off int64) (int, error) {
	if off < t.end || int64(len(p)) > t.size-off {
		return 0, errTarGzOrder
	}
	if err := t.Zero(t.end, off-t.end); err != nil {
		return 0, err
	}
	t.end = off + int64(len(p))
	return len(p), t.add(p)
}

// Zero writes zeros up to off+n.
func (t *tarGz) Zero(off, n int64) error {
	if off < t.end || n < 0 || n > t.size-off {
		return errTarGzOrder
	}
	for end := off + n; t.end < end; {
		m := min(end-t.end, tarGzPiece)
		err := error(nil)
		if m == tarGzPiece {
			err = t.append(t.zero, m)
		} else {
			err = t.add(make([]byte, m))
		}
		if err != nil {
			return err
		}
		t.end += m
	}
	return nil
}

// Commit fills up the disk and ends the archive. The first bytes are there from
// the beginning; without the end it is no whole archive.
func (t *tarGz) Commit() error {
	if t.done {
		return errTarGzOrder
	}
	t.done = true
	if err := t.Zero(t.end, t.size-t.end); err != nil {
		return err
	}
	if err := t.add(make([]byte, tarhead.End(t.bytes)-t.bytes)); err != nil {
		return err
	}
	trailer := []byte{0x03, 0x00} // a last block, which is empty
	trailer = binary.LittleEndian.AppendUint32(trailer, t.crc)
	trailer = binary.LittleEndian.AppendUint32(trailer, uint32(t.bytes))
	if err := t.put(trailer); err != nil {
		return err
	}
	if err := t.f.Truncate(t.pos); err != nil {
		return err
	}
	return t.f.Sync()
}

func (t *tarGz) Close() error {
	t.done = true
	return nil
}

// boundTarGz takes every piece for one that does not compress.
func boundTarGz(t Target) Target {
	if t, ok := t.(*tarGz); ok {
		return tarGzBound{t}
	}
	return t
}

type tarGzBound struct{ *tarGz }

// Encode makes room for pieces that are stored, each with the heads of its
// blocks, an empty block and the checksum.
func (b tarGzBound) Encode(dst, src []byte) ([]byte, bool, error) {
	return largest(dst, int64(len(src)+len(src)/1024+64))
}

// reopenTarGz opens the disk in an archive.
func reopenTarGz(r block.Reader) (format.Image, error) {
	z, err := wrapped.Open("gz", r, wrapped.Limits{})
	if err != nil {
		return nil, err
	}
	n := z.Size() - tarhead.BlockSize
	return format.Open(block.Section(block.Plain(z), tarhead.BlockSize, n-n&(1<<30-1)), &format.Options{Format: "raw"})
}

// A matrix over the field of two elements; a vector is a number, and so is each
// column.
type matrix [32]uint32

func (m *matrix) apply(v uint32) uint32 {
	sum := uint32(0)
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			sum ^= m[i]
		}
	}
	return sum
}

// times is first b, then a.
func (a *matrix) times(b *matrix) (p matrix) {
	for i := range p {
		p[i] = a.apply(b[i])
	}
	return p
}

// carry is what n bytes that follow do to a CRC-32, apart from their own
// checksum: the checksum of a and b is carry(len(b)) of that of a, xor that of b.
func carry(n int64) matrix {
	var out, step matrix
	step[0] = crc32.IEEE // one bit
	for i := range out {
		out[i] = 1 << i
		if i > 0 {
			step[i] = 1 << (i - 1)
		}
	}
	for range 3 {
		step = step.times(&step)
	}
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			out = step.times(&out)
		}
		step = step.times(&step)
	}
	return out
}
