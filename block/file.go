package block

import (
	"io"
	"os"
)

// A File is what an image is written to: an *os.File, or something like it. It
// is empty at first, and what is never written reads as zeros. It may also be a
// Cloner, a Copier and an Allocator.
type File interface {
	io.WriterAt
	// Truncate makes the file size bytes long; what is new reads as zeros.
	Truncate(size int64) error
	// Sync returns when all that was written is on the disk.
	Sync() error
}

// A Storage is an image file that is changed in place.
type Storage interface {
	Reader
	File
}

// A Range is Len bytes at Off.
type Range struct{ Off, Len int64 }

// A Cloner is a File that can share blocks with another one. The error wraps
// [errors.ErrUnsupported] where that cannot be done.
type Cloner interface {
	// CloneRange makes the n bytes at off those of src at srcOff, without a copy.
	// All three are multiples of the blocks of the file system.
	CloneRange(off, n int64, src *os.File, srcOff int64) error
}

// A Copier is a File that lets the kernel copy from another one. The error wraps
// [errors.ErrUnsupported] where that cannot be done.
type Copier interface {
	// CopyRange makes the n bytes at off those of src at srcOff.
	CopyRange(off, n int64, src *os.File, srcOff int64) error
}

// An Allocator is a File that can reserve room on its file system.
type Allocator interface {
	// Allocate reserves the n bytes at off; what they read as stays.
	Allocate(off, n int64) error
}

// A ZeroRanger is a File that can make a part of itself zeros.
type ZeroRanger interface {
	// ZeroRange makes the n bytes at off zeros.
	ZeroRange(off, n int64) error
}
