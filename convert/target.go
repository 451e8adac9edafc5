package convert

import (
	"io"
	"os"
)

// A Target takes a disk. Unless said otherwise its methods are called by one
// goroutine at a time, with rising offsets that are multiples of Granularity;
// lengths are too, except at the end of the disk.
type Target interface {
	io.WriterAt // keeps no reference to p
	// Zero says that the n bytes at off read as zeros. What is never
	// mentioned does too, or reads as the backing file where there is one.
	Zero(off, n int64) error
	// Granularity is a power of two.
	Granularity() int64
	// Commit writes the metadata last; before it the output is no valid image.
	Commit() error
	// Close without Commit discards the output.
	io.Closer
}

// A Grower is a Target that was told but a bound of the size of the disk, and
// learns the size before Commit. Until then the last piece may have any length.
type Grower interface {
	Target
	// SetSize says how many bytes the disk has, once, after the last write.
	SetSize(size int64) error
}

// A Placer is a Target that decides in order where bytes go, and takes the
// bytes themselves from many goroutines at once.
type Placer interface {
	Target
	// Place decides where the n bytes at off lie. It may do so for fewer, and
	// returns for how many.
	Place(off, n int64) (host, placed int64, err error)
	// WriteHost writes bytes where Place has put them.
	WriteHost(p []byte, host int64) error
}

// A Cloner is a Placer that can share blocks with another file.
type Cloner interface {
	Placer
	// CloneHost returns an error that wraps errors.ErrUnsupported where it
	// cannot.
	CloneHost(host, n int64, src *os.File, srcOff int64) error
}

// A Copier is a Placer into which the kernel can copy from another file.
type Copier interface {
	Placer
	// CopyHost returns an error that wraps errors.ErrUnsupported where it
	// cannot; then a part may have been copied.
	CopyHost(host, n int64, src *os.File, srcOff int64) error
}

// An Encoder is a Target that can compress. One that is no Placer gets all of
// the disk compressed, whatever Options.Compress says.
type Encoder interface {
	Target
	// EncodeSize is the size of the pieces to compress, a power of two.
	EncodeSize() int64
	// Encode appends the compressed src to dst, and false if it did not get
	// smaller: then it is to be written as it is. It is called from many
	// goroutines.
	Encode(dst, src []byte) ([]byte, bool, error)
	// WriteEncoded takes the result for the piece at off.
	WriteEncoded(off int64, enc []byte) error
}
