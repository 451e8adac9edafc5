package wrapped

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/block"
)

// Limits bounds what a compressed file may ask for, in bytes. A field that is 0
// takes its value from [DefaultLimits].
type Limits struct {
	ZstdWindow int64 // window of a zstd frame
	XzDict     int64 // dictionary of an xz block
	Size       int64 // of what comes out
	// Ratio is how many bytes of data come out for a byte of the file at most,
	// once FreeData came out. A disk with much room on it shrinks further, so that
	// ZeroRatio times as many zeros may come out, once FreeZeros did.
	Ratio int64

	deflated *deflated // of a member of a zip archive
}

// What comes out of a file whatever its size, in bytes, and how many zeros may
// for each byte of data. That zeros cost nothing is not so: 15 KB of bzip2 unpack
// to 8 GiB of them, in half a minute.
const (
	FreeData  = 1 << 30
	FreeZeros = 4 << 30
	ZeroRatio = 8
)

// DefaultLimits returns the limits that apply where none are given.
func DefaultLimits() Limits {
	return Limits{ZstdWindow: 128 << 20, XzDict: 64 << 20, Size: 64 << 40, Ratio: 1000}
}

// WithDefaults fills the fields that are 0.
func (l Limits) WithDefaults() Limits {
	d := DefaultLimits()
	for _, f := range []struct{ v, def *int64 }{{&l.ZstdWindow, &d.ZstdWindow}, {&l.XzDict, &d.XzDict}, {&l.Size, &d.Size}, {&l.Ratio, &d.Ratio}} {
		if *f.v == 0 {
			*f.v = *f.def
		}
	}
	return l
}

// Formats are the kinds of files that are read.
func Formats() []string { return []string{"gz", "xz", "zst", "bz2", "lzo"} }

// Known reports whether format is one of Formats.
func Known(format string) bool { return slices.Contains(Formats(), format) }

// A point is a place where decoding can start.
type point struct {
	in, out int64
	check   byte // xz, lzo: the kind of checksum that blocks have here
}

// A codec knows one format.
type codec interface {
	// open starts the next unit that can be decoded by itself, and returns a
	// reader that ends with io.EOF once the unit is complete and its checksum
	// right. It returns io.EOF where the file ends as it may.
	open(in *input) (io.Reader, error)
	// at makes the point of the unit that was opened.
	at(in, out int64) point
}

// A Reader decodes a file from its start to its end. It is not safe for
// concurrent use.
type Reader struct {
	format string
	in     *input
	c      codec
	unit   io.Reader
	out    int64
	max    int64
	ratio  int64
	free   int64
	zeros  int64       // that are free
	data   int64       // bytes that came out and are not zeros, by the page
	first  int64       // byte that came out
	start  int64       // in the file
	file   int64       // size of the file if that is known
	mark   func(point) // is told of each unit, unless nil
	err    error
}

// NewReader decodes a file of one of Formats that begins with the next byte of
// r. Errors are of type *block.Error, with the offset in r.
func NewReader(format string, r io.Reader, l Limits) (*Reader, error) {
	return newReader(format, r, point{}, l.WithDefaults())
}

// newReader starts at a point: r begins there.
func newReader(format string, r io.Reader, at point, l Limits) (*Reader, error) {
	z := &Reader{format: format, in: newInput(r, at.in), out: at.out, max: l.Size, ratio: l.Ratio, free: FreeData, zeros: FreeZeros, first: at.out, start: at.in}
	switch format {
	case "gz":
		z.c = &gzipCodec{}
	case "xz":
		z.c = newXzCodec(at, l.XzDict)
	case "zst":
		c, err := newZstdCodec(l.ZstdWindow)
		if err != nil {
			return nil, err
		}
		z.c = c
	case "bz2":
		z.c = &bzip2Codec{}
	case "lzo":
		z.c = newLzopCodec(at)
	default:
		if l.deflated != nil {
			z.c = &deflateCodec{deflated: *l.deflated}
			break
		}
		return nil, block.Errorf(format, "file", -1, block.ErrUnsupported, "")
	}
	return z, nil
}

// Read implements io.Reader. It returns io.EOF once the file has ended as it
// should.
func (z *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for z.err == nil {
		if z.unit == nil {
			start := z.in.off()
			unit, err := z.c.open(z.in)
			if err != nil {
				z.fail("header", start, err)
				break
			}
			z.unit = unit
			if z.mark != nil {
				z.mark(z.c.at(start, z.out))
			}
		}
		n, err := z.unit.Read(p)
		if int64(n) > z.max-z.out {
			z.err = block.Errorf(z.format, "data", z.in.off(), block.ErrLimit, "it unpacks to more than %d bytes", z.max)
			break
		}
		z.out += int64(n)
		z.count(p[:n])
		if z.err = z.bounds(); z.err != nil {
			break
		}
		switch {
		case err == io.EOF:
			z.unit = nil
		case err != nil:
			z.fail("data", z.in.off(), err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, z.err
}

// Whole reports whether Read failed where the next unit of the file should begin: all
// that came out is of units that are whole, and what follows is none.
func (z *Reader) Whole() bool { return z.err != nil && z.unit == nil && z.out > z.first }

// bounds holds what came out to the ratio.
func (z *Reader) bounds() error {
	file := max(z.file, z.in.off()-z.start)
	if n := z.data - z.free; n > 0 && n/z.ratio > file {
		return block.Errorf(z.format, "data", z.in.off(), block.ErrLimit, "it unpacks to more than %d times as much data as the file has bytes; Options.Wrapped.Ratio allows more", z.ratio)
	}
	if n := z.out - z.first - z.data - z.zeros; n > 0 && n/ZeroRatio/z.ratio > file {
		return block.Errorf(z.format, "data", z.in.off(), block.ErrLimit, "it unpacks to %d MiB of zeros so far, more than %d for each byte of the file; Options.Wrapped.Ratio allows more", (z.out-z.first-z.data)>>20, ZeroRatio*z.ratio)
	}
	return nil
}

// count counts the pages of p that hold something.
func (z *Reader) count(p []byte) {
	for len(p) > 0 {
		n := min(len(p), len(zeros))
		if !bytes.Equal(p[:n], zeros[:n]) {
			z.data += int64(n)
		}
		p = p[n:]
	}
}

// zeros is compared with; it is never written to.
var zeros [4096]byte

// fail keeps an error, with its class and place.
func (z *Reader) fail(what string, off int64, err error) {
	var e *block.Error
	switch {
	case err == io.EOF:
		z.err = io.EOF
	case z.in.err != nil && z.in.err != io.EOF: // the file cannot be read
		z.err = block.Locate(z.format, what, off, z.in.err)
	case errors.As(err, &e):
		z.err = block.Locate(z.format, what, off, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		z.err = block.Errorf(z.format, what, off, block.ErrTruncated, "the file ends %d bytes into what it unpacks to", z.out)
	case errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded):
		z.err = block.Errorf(z.format, what, off, block.ErrLimit, "%v", err)
	default:
		z.err = block.Errorf(z.format, what, off, block.ErrCorrupt, "%d bytes into what it unpacks to: %v", z.out, err)
	}
}

// errHeader says that what follows is no unit of the format.
var errHeader = errors.New("no header where one should be")

// An input is a buffered reader that knows its place.
type input struct {
	*bufio.Reader
	src  io.Reader
	read int64 // where src is
	err  error // of src
}

func newInput(r io.Reader, at int64) *input { return newInputSize(r, at, 128<<10) }

func newInputSize(r io.Reader, at int64, size int) *input {
	in := &input{src: r, read: at}
	in.Reader = bufio.NewReaderSize(counter{in}, size)
	return in
}

// off is the offset of the next byte that the decoder takes.
func (in *input) off() int64 { return in.read - int64(in.Buffered()) }

// counter is the input's source.
type counter struct{ in *input }

func (c counter) Read(p []byte) (int, error) {
	n, err := c.in.src.Read(p)
	c.in.read += int64(n)
	if err != nil {
		c.in.err = err
	}
	return n, err
}

// full is io.ReadFull for what must be there.
func full(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// zerosToEnd reads zeros up to the end of the file, with which tapes and some
// tools fill it up, and returns io.EOF. Anything else is an error.
func zerosToEnd(in *input) error {
	for {
		b, err := in.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return errHeader
		}
	}
}
