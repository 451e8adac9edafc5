// Package runs reads files whose bytes lie in runs on a device. A file of many
// short runs has most of them one after the other on disk, with little between:
// those are read together.
package runs

import (
	"math/bits"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
)

// A Layout says where the bytes of a file lie. It is safe for concurrent use.
type Layout interface {
	// Place returns where the byte at off lies on the device, and how many bytes
	// of the file follow it there, itself included. A negative place means that
	// they are zeros.
	Place(off int64) (at, n int64, err error)
	// Locate says in err what could not be read, at a place on the device.
	Locate(at int64, err error) error
}

const (
	maxSpan   = 256 << 10 // bytes that are read at once for short runs
	maxPieces = 128       // runs that are put together
	// maxGap is how many bytes may lie between two runs of a span. More of them take
	// longer to copy than a read of its own takes. A block is still worth it.
	maxGap = 4 << 10
)

// A Reader reads from a layout. Its zero value is ready, and it is safe for
// concurrent use.
type Reader struct {
	span atomic.Pointer[[]byte] // of the longest span so far, while nobody uses it
}

// A place is where the bytes from some offset of the file on lie.
type place struct {
	at, n int64
	known bool
}

// find asks the layout where the byte at off lies.
func find(l Layout, off int64) (place, error) {
	at, n, err := l.Place(off)
	if err == nil && n < 1 {
		err = l.Locate(at, block.ErrCorrupt)
	}
	return place{at, n, err == nil}, err
}

// Read fills q with the bytes of the file from pos on, all of which exist. It
// returns how many are right, which are less than len(q) with an error only.
func (r *Reader) Read(dev block.Reader, l Layout, q []byte, pos int64) (int, error) {
	var at place
	for done := 0; done < len(q); {
		if !at.known {
			var err error
			if at, err = find(l, pos+int64(done)); err != nil {
				return done, err
			}
		}
		rest := q[done:]
		part := rest[:min(int64(len(rest)), at.n)]
		k := len(part)
		var next place
		var err error
		switch {
		case at.at < 0:
			clear(part)
		case k < maxSpan/2 && k < len(rest):
			k, next, err = r.together(dev, l, rest, pos+int64(done), at)
		default:
			err = read(dev, l, part, at.at)
		}
		if err != nil {
			return done, err
		}
		done, at = done+k, next
	}
	return len(q), nil
}

func read(dev block.Reader, l Layout, part []byte, at int64) error {
	if err := block.ReadFull(dev, part, at); err != nil {
		return l.Locate(at, err)
	}
	return nil
}

// A piece is a run in a span: its place in the buffer and on the device.
type piece struct {
	part []byte
	at   int64
}

// together reads the beginning of q from pos, which lies at a place. It returns
// how many bytes it has read, and the place of what follows if it has looked.
func (r *Reader) together(dev block.Reader, l Layout, q []byte, pos int64, at place) (int, place, error) {
	var buf [maxPieces]piece
	pieces := buf[:0]
	done := 0
	var end int64 // of the last piece
	for done < len(q) && len(pieces) < maxPieces {
		if !at.known {
			var err error
			if at, err = find(l, pos+int64(done)); err != nil {
				break // it is met again, at its place
			}
		}
		part := q[done:]
		part = part[:min(int64(len(part)), at.n)]
		switch {
		case at.at < 0:
			clear(part)
		case len(pieces) > 0 && (at.at < end || at.at-end > maxGap || at.at+int64(len(part))-pieces[0].at > maxSpan):
			return done, at, r.readPieces(dev, l, pieces, end)
		default:
			pieces = append(pieces, piece{part, at.at})
			end = at.at + int64(len(part))
		}
		done += len(part)
		at = place{}
	}
	return done, place{}, r.readPieces(dev, l, pieces, end)
}

// readPieces reads pieces that lie one after the other up to end.
func (r *Reader) readPieces(dev block.Reader, l Layout, pieces []piece, end int64) error {
	if len(pieces) > 1 && r.scatter(dev, pieces, end) {
		return nil
	}
	for _, p := range pieces {
		if err := read(dev, l, p.part, p.at); err != nil {
			return err
		}
	}
	return nil
}

// scatter reads all pieces at once. If that fails, what lies between them may
// be at fault, and the pieces may read one by one.
func (r *Reader) scatter(dev block.Reader, pieces []piece, end int64) bool {
	start := pieces[0].at
	span := r.span.Swap(nil)
	if span == nil || int64(len(*span)) < end-start {
		b := make([]byte, 1<<bits.Len64(uint64(end-start-1)))
		span = &b
	}
	defer r.span.Store(span)
	b := (*span)[:end-start]
	if block.ReadFull(dev, b, start) != nil {
		return false
	}
	for _, p := range pieces {
		copy(p.part, b[p.at-start:])
	}
	return true
}
