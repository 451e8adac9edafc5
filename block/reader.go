package block

import (
	"errors"
	"io"
)

// A Reader is a fixed-size run of bytes; [*bytes.Reader] and
// [*io.SectionReader] are Readers.
//
// ReadAt follows [io.ReaderAt] and is safe for concurrent use. A read that ends
// at Size exactly returns a nil error or io.EOF; one that would pass Size
// returns the bytes that exist and io.EOF.
type Reader interface {
	io.ReaderAt
	// Size returns the length in bytes, always the same.
	Size() int64
}

// A Device is a Reader that knows which of its bytes are worth reading.
type Device interface {
	Reader
	// Extent describes the run that starts exactly at off, where
	// 0 <= off < Size. Its Len is at least 1 and may reach past Size. It
	// reads no more metadata than it needs to answer for off; [Extents]
	// merges and clips.
	Extent(off int64) (Extent, error)
}

// An Extent describes a run of bytes of a Device. The zero value of the flags
// means data: a driver that does not know costs time, never bytes.
type Extent struct {
	Off, Len   int64
	Zero       bool   // reads as zeros
	Unset      bool   // not allocated anywhere in the chain (implies Zero)
	Compressed bool   // stored compressed
	Depth      int    // 0 the top image, 1 its backing file, and so on
	Host       Reader // where the bytes lie verbatim, nil if they do not
	HostOff    int64  // the offset in Host of the byte at Off
	// Room says of zeros for which Host is nil that the image keeps room for them in
	// its file, at HostOff; what lies there is not what is read.
	Room bool
}

// A SectorSizer is a Reader that knows the size of its logical sectors in
// bytes (VHDX, block devices). [Section] forwards it.
type SectorSizer interface {
	// SectorSize returns the size in bytes, 0 if it is not known.
	SectorSize() int
}

// SectorSize returns the logical sector size that r states, or 0 if it states
// none.
func SectorSize(r Reader) int {
	if s, ok := r.(SectorSizer); ok {
		return s.SectorSize()
	}
	return 0
}

var errNegative = errors.New("block: negative offset")

// Clip applies the end-of-file rule of a Reader of the given size to a ReadAt
// of p at off. It returns the part of p that exists in the Reader, and the
// error that ReadAt returns after it has filled that part: nil, or io.EOF for a
// read that passes the end.
func Clip(p []byte, off, size int64) ([]byte, error) {
	switch {
	case off < 0:
		return nil, errNegative
	case len(p) == 0:
		return nil, nil
	case off >= size:
		return nil, io.EOF
	case int64(len(p)) > size-off:
		return p[:size-off], io.EOF
	}
	return p, nil
}

// ReadFull fills p from r at off. Running past the end of r is an error that
// wraps ErrTruncated; it never returns a short read with a nil error.
func ReadFull(r io.ReaderAt, p []byte, off int64) error {
	if off < 0 {
		return errNegative
	}
	for done := 0; done < len(p); {
		n, err := r.ReadAt(p[done:], off+int64(done))
		if n < 0 || n > len(p)-done {
			return errors.New("block: reader returned an impossible count")
		}
		done += n
		if done == len(p) {
			return nil
		}
		if err == io.EOF || (err == nil && n == 0) {
			return &Error{What: "read", Off: off + int64(done), Err: ErrTruncated}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ReadBytes reads the n bytes of r at off into a new slice. n comes from an
// image as often as not: it is checked against max (an error that wraps
// ErrLimit) and against the size of r (ErrTruncated) before anything is
// allocated.
func ReadBytes(r Reader, off, n, max int64) ([]byte, error) {
	switch {
	case n < 0 || off < 0:
		return nil, &Error{What: "read", Off: off, Err: ErrCorrupt}
	case n > max:
		return nil, &Error{What: "read", Off: off, Err: ErrLimit}
	case off > r.Size() || n > r.Size()-off:
		return nil, &Error{What: "read", Off: off, Err: ErrTruncated}
	}
	b := make([]byte, n)
	if err := ReadFull(r, b, off); err != nil {
		return nil, err
	}
	return b, nil
}

// Plain makes a Device of r whose bytes are all data and lie verbatim in r. A
// Reader that is a Device already is returned as it is.
func Plain(r Reader) Device {
	if d, ok := r.(Device); ok {
		return d
	}
	return plain{r}
}

type plain struct{ Reader }

func (p plain) SectorSize() int { return SectorSize(p.Reader) }

func (p plain) Extent(off int64) (Extent, error) {
	if off < 0 || off >= p.Size() {
		return Extent{}, io.EOF
	}
	return Extent{Off: off, Len: p.Size() - off, Host: p.Reader, HostOff: off}, nil
}
